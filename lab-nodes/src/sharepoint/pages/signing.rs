//! Signing in and out, and what goes wrong.

use hyper::StatusCode;

use super::layout::Page;
use crate::http::form;
use crate::sharepoint::farm::{Trouble, Visit};
use crate::sharepoint::options::SignIn;
use crate::sharepoint::settings::Application;
use crate::sharepoint::sign_in::{PAGE, TRUST, WINDOWS};

/// How do you want to sign in?
pub(in crate::sharepoint) fn sign_in(
    application: &Application,
    providers: &[&str],
    back: &str,
    sorry: Option<&str>,
) -> String {
    let mut page = Page::new("Sign in", (&application.title, "/"), None);
    if let Some(sorry) = sorry {
        page.markup("<p class=\"sorry\" role=\"alert\">")
            .text(sorry)
            .markup("</p>");
    }
    page.markup("<div class=\"tiles\">");
    let query = form::write([("ReturnUrl", back)]);
    if application.offers(SignIn::Forms) {
        page.markup("<form class=\"card\" method=\"post\" action=\"")
            .markup(PAGE)
            .markup("\"><strong>With a name and a password</strong>")
            .hidden("ReturnUrl", back)
            .markup("<label>User name <input name=\"username\" autocomplete=\"username\" required autofocus></label>")
            .markup("<label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>")
            .markup("<button>Sign in</button></form>");
    }
    for provider in providers {
        let fields = form::write([("trust", *provider), ("ReturnUrl", back)]);
        page.markup("<div class=\"card\"><strong>With your company</strong><p>")
            .link(&format!("{TRUST}?{fields}"), provider)
            .markup("</p></div>");
    }
    if application.offers(SignIn::Windows) {
        page.markup("<div class=\"card\"><strong>With Windows</strong><p>")
            .link(&format!("{WINDOWS}?{query}"), "Windows Authentication")
            .markup("</p></div>");
    }
    page.markup("</div>");
    page.end()
}

/// Goodbye; `onward` is where a trusted provider forgets them, too.
pub(in crate::sharepoint) fn signed_out(application: &Application, onward: Option<&str>) -> String {
    let mut page = Page::new("You are signed out", (&application.title, "/"), None);
    page.markup("<p>Close the browser to be sure, or ")
        .link("/", "sign in again")
        .markup(".</p>");
    if let Some(onward) = onward {
        page.markup("<p>")
            .link(onward, "Sign out at your company, too")
            .markup("</p>");
    }
    page.end()
}

/// Why there is no page.
pub(in crate::sharepoint) fn trouble(visit: &Visit<'_>, trouble: &Trouble) -> String {
    let title = match trouble.status() {
        StatusCode::FORBIDDEN => "Sorry, this is not shared with you",
        StatusCode::NOT_FOUND => "There is nothing here",
        status if status.is_server_error() => "Something went wrong",
        _ => "That did not work",
    };
    let site = (visit.application.title.as_str(), "/");
    let mut page = Page::new(title, site, Some(&visit.principal.title));
    page.markup("<p class=\"sorry\">")
        .text(&trouble.sentence())
        .markup("</p>");
    if trouble.status() == StatusCode::SERVICE_UNAVAILABLE {
        page.markup("<p>SharePoint database: ")
            .text(visit.farm.library.server())
            .markup("</p>");
    }
    page.markup("<p>")
        .link("/", "Back to the site")
        .markup("</p>");
    page.end()
}

//! Signing in and out.

use std::sync::Arc;
use std::time::Instant;

use hyper::header::{ACCEPT, HeaderMap, HeaderName, ORIGIN, SET_COOKIE, WWW_AUTHENTICATE};
use hyper::{Method, Response, StatusCode};
use lab_core::observe::Deed;
use lab_core::service::Conversation;

use super::answer;
use super::farm::Farm;
use super::options::SignIn;
use super::pages;
use super::principal::Principal;
use super::settings::Application;
use crate::http::body::Body;
use crate::http::form::{self, Form};
use crate::login::{Denied, Identity, Method as Way};

/// The page that asks how to sign in.
pub(super) const PAGE: &str = "/_login/default.aspx";
/// Where Windows signs in who came to a page that offers several ways.
pub(super) const WINDOWS: &str = "/_windows/default.aspx";
/// Where tokens of trusted providers come to, and who wants to go there.
pub(super) const TRUST: &str = "/_trust/";
/// Where people sign out.
pub(super) const SIGN_OUT: &str = "/_layouts/15/SignOut.aspx";

/// Whether it is the page of a person that is asked for, not what a program reads.
pub(super) fn is_page(method: &Method, headers: &HeaderMap) -> bool {
    let html = |value: &hyper::header::HeaderValue| {
        value
            .to_str()
            .is_ok_and(|kinds| kinds.contains("text/html"))
    };
    matches!(*method, Method::GET | Method::HEAD) && headers.get_all(ACCEPT).iter().any(html)
}

/// The answer to somebody who is not signed in; `challenges` are those of Windows.
pub(super) fn ask(
    application: &Application,
    method: &Method,
    headers: &HeaderMap,
    target: &str,
    challenges: Vec<hyper::header::HeaderValue>,
) -> Response<Body> {
    let several = application
        .sign_in
        .iter()
        .any(|way| *way != SignIn::Windows);
    let page = format!("{PAGE}?{}", form::write([("ReturnUrl", own(target))]));
    if several && is_page(method, headers) {
        return answer::redirect(&page);
    }
    if !challenges.is_empty() {
        let text = "401 UNAUTHORIZED\n";
        let mut response =
            answer::with(StatusCode::UNAUTHORIZED, "text/plain; charset=utf-8", text);
        for challenge in challenges {
            response.headers_mut().append(WWW_AUTHENTICATE, challenge);
        }
        return response;
    }
    // Programs are told where a person can sign in ([MS-OFBA] §2.2.1).
    let text = "403 FORBIDDEN\nSign in with a browser first.\n";
    let mut response = answer::with(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", text);
    let site = format!("https://{}", application.host);
    let field = |name: &'static str| HeaderName::from_static(name);
    answer::set(
        &mut response,
        field("x-forms_based_auth_required"),
        &format!("{site}{page}"),
    );
    answer::set(
        &mut response,
        field("x-forms_based_auth_return_url"),
        &format!("{site}/"),
    );
    answer::set(
        &mut response,
        field("x-forms_based_auth_dialog_size"),
        "800x600",
    );
    response
}

/// The page, empty or after a try that failed.
pub(super) fn page(
    farm: &Farm,
    application: &Application,
    query: &str,
    sorry: Option<&str>,
) -> Response<Body> {
    let form = Form::read(query.as_bytes()).unwrap_or_default();
    let back = own(form.get("ReturnUrl").unwrap_or("/"));
    let status = match sorry {
        None => StatusCode::OK,
        Some(_) => StatusCode::FORBIDDEN,
    };
    let providers: Vec<&str> = farm
        .relying_parties
        .get(&application.host)
        .map(|party| party.providers().iter().map(|p| p.name.as_str()).collect())
        .unwrap_or_default();
    answer::html(status, pages::sign_in(application, &providers, back, sorry))
}

/// Takes the form of the page.
pub(super) async fn by_form(
    farm: &Farm,
    application: &Application,
    conversation: &Conversation,
    headers: &HeaderMap,
    body: &[u8],
) -> Response<Body> {
    if !application.offers(SignIn::Forms) || !from_here(application, headers) {
        let text = "This form was not sent by a page of this site.\n";
        return answer::with(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", text);
    }
    let form = Form::read(body).unwrap_or_default();
    let back = own(form.get("ReturnUrl").unwrap_or("/"));
    let again = form::write([("ReturnUrl", back)]);
    let (name, password) = (form.get("username"), form.get("password"));
    let (Some(name), Some(password)) = (name, password) else {
        return page(
            farm,
            application,
            &again,
            Some("Say who you are, and your password."),
        );
    };
    match verify(farm, name, password, conversation).await {
        Ok(principal) => enter(farm, application, &principal, back).await,
        Err(None) => {
            let sorry = "The user name or password is incorrect.";
            page(farm, application, &again, Some(sorry))
        }
        Err(Some(reason)) => {
            tracing::error!("nobody of the domain can sign in by a form: {reason}");
            let mut response = page(
                farm,
                application,
                &again,
                Some("Nobody can say at the moment whether that is right. Try again soon."),
            );
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        }
    }
}

/// Accounts of the farm first, then those of the domain. None as an error: they are wrong.
async fn verify(
    farm: &Farm,
    name: &str,
    password: &str,
    conversation: &Conversation,
) -> Result<Principal, Option<String>> {
    let key = name.trim().to_lowercase();
    if let Some(account) = farm.settings.accounts.get(&key) {
        let now = Instant::now();
        let locked = farm.tried.is_locked(&key, now);
        let right = !locked && account.password.is(password);
        if !locked {
            farm.tried.note(&key, right, now);
        }
        let proof = match (locked, right) {
            (_, true) => "the password, compared with its hash at the farm",
            (true, _) => "too many wrong passwords: the account is locked for a minute",
            _ => "the password is wrong",
        };
        if !right {
            tracing::warn!("login of `{key}` by forms refused: {proof}");
        }
        conversation.tell(|| Deed::Login {
            method: "forms".to_owned(),
            principal: key.clone(),
            verified: right,
            proof: proof.to_owned(),
        });
        return match right {
            true => Ok(Principal::of_farm(&key, &account.name, &account.groups)),
            false => Err(None),
        };
    }
    let Some(guard) = &farm.guard else {
        return Err(None);
    };
    match guard
        .password(Way::Forms, name.trim(), password, conversation)
        .await
    {
        Ok(identity) => Ok(Principal::of_domain_by_form(&identity.person)),
        Err(Denied::Refused(_)) => Err(None),
        Err(Denied::Unavailable(reason)) => Err(Some(reason.to_string())),
    }
}

/// Sends somebody to a trusted provider.
pub(super) fn to_provider(farm: &Farm, application: &Application, query: &str) -> Response<Body> {
    let form = Form::read(query.as_bytes()).unwrap_or_default();
    let back = own(form.get("ReturnUrl").unwrap_or("/"));
    let party = farm.relying_parties.get(&application.host);
    let wanted = form.get("trust");
    let found = party.and_then(|party| {
        let mut providers = party.providers().iter();
        let provider = providers.find(|p| wanted.is_none_or(|name| p.name == name))?;
        Some(party.redirect(provider, back))
    });
    match found {
        Some(url) => answer::redirect(&url),
        None => answer::with(
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            "No such identity provider is trusted here.\n",
        ),
    }
}

/// Takes what a trusted provider sent by way of the browser.
pub(super) async fn by_token(
    farm: &Farm,
    application: &Application,
    conversation: &Conversation,
    body: &[u8],
) -> Response<Body> {
    let Some(party) = farm.relying_parties.get(&application.host) else {
        return answer::bare(StatusCode::NOT_FOUND);
    };
    match party
        .accept(body, farm.sessions.cache(), conversation)
        .await
    {
        Ok(accepted) => {
            let groups = farm.settings.trusted.get(&accepted.provider);
            let groups = groups.map(Vec::as_slice).unwrap_or_default();
            let principal = Principal::trusted(&accepted.claims, &accepted.provider, groups);
            enter(farm, application, &principal, &accepted.return_to).await
        }
        Err(denied) => {
            let sorry = format!("The sign-in was refused: {denied}.");
            page(farm, application, "", Some(&sorry))
        }
    }
}

/// Somebody of the domain, verified by Windows.
pub(super) fn by_windows(farm: &Farm, identity: &Arc<Identity>) -> Principal {
    let login = farm.settings.login.as_ref();
    let domain = login.map_or("", |login| login.membership.domain.netbios.as_str());
    Principal::windows(identity, domain)
}

async fn enter(
    farm: &Farm,
    application: &Application,
    principal: &Principal,
    back: &str,
) -> Response<Body> {
    let mut response = answer::redirect(own(back));
    if let Some(cookie) = farm.sessions.keep(&application.host, principal).await {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Ends a session everywhere; somebody of a trusted provider is told to go on there.
pub(super) async fn out(
    farm: &Farm,
    application: &Application,
    principal: Option<&Principal>,
    headers: &HeaderMap,
) -> Response<Body> {
    let cookie = farm.sessions.end(headers).await;
    let provider = principal.and_then(|principal| {
        let name = principal.login.strip_prefix("i:05.t|")?.split('|').next()?;
        let party = farm.relying_parties.get(&application.host)?;
        let provider = party.providers().iter().find(|p| p.name == name)?;
        Some(party.sign_out(provider))
    });
    let page = pages::signed_out(application, provider.as_deref());
    let mut response = answer::html(StatusCode::OK, page);
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Whether a form was sent by a page of ours, as far as the browser says.
pub(super) fn from_here(application: &Application, headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_none_or(|origin| {
        let here = format!("https://{}", application.host);
        origin
            .to_str()
            .is_ok_and(|origin| origin.eq_ignore_ascii_case(&here))
    })
}

/// A place on this site; anything else is its start page.
pub(super) fn own(target: &str) -> &str {
    let harmless = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let here = target.starts_with('/') && !target.starts_with("//");
    match here && target.bytes().all(harmless) && target.len() <= 2048 {
        true => target,
        false => "/",
    }
}

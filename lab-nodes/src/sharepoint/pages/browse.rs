//! Sites, lists, folders and documents.

use hyper::StatusCode;

use super::layout::{Page, size};
use crate::http::form::Form;
use crate::sharepoint::answer;
use crate::sharepoint::farm::{Answered, Need, Trouble, Visit};
use crate::sharepoint::library::{Item, Kind, List, Web};
use crate::sharepoint::path::ServerPath;
use crate::sharepoint::rest;

/// Where questions are asked.
const SEARCH: &str = "/_layouts/15/osssearchresults.aspx";
/// Where somebody signs out who typed the address.
const SIGN_OUT: &str = "/_layouts/15/SignOut.aspx";

pub(super) async fn answer(visit: &Visit<'_>) -> Answered {
    if visit.path.eq_ignore_ascii_case(SEARCH) {
        return search(visit).await;
    }
    if visit.path.eq_ignore_ascii_case(SIGN_OUT) {
        return Ok(sign_out(visit));
    }
    let path = ServerPath::from_url(visit.path)?;
    let mut web = visit.web(&path, Need::Read).await?;
    if visit.application.personal && path == ServerPath::root() {
        let host = &visit.application.host;
        let own = visit
            .farm
            .library
            .personal_web(visit.conversation, host, visit.principal)
            .await?;
        return Ok(mine(visit, &own));
    }
    if visit.application.personal && path == personal(visit)? && web.path != path {
        let host = &visit.application.host;
        visit
            .farm
            .library
            .personal_web(visit.conversation, host, visit.principal)
            .await?;
        web = visit.web(&path, Need::Read).await?;
    }
    let wanted = path.as_str().to_ascii_lowercase();
    if path == web.path || wanted.ends_with("/default.aspx") || wanted.ends_with("/home.aspx") {
        return home(visit, &web).await;
    }
    let library = &visit.farm.library;
    if let Some(item) = library.item(visit.conversation, &web, &path).await? {
        return match item.kind {
            Kind::File if asks_for_page(visit.query) => document(visit, &web, &item).await,
            Kind::File => super::file(visit, &item).await,
            Kind::Folder => folder(visit, &web, &path).await,
            Kind::Entry => entry(visit, &web, &item),
        };
    }
    // The page of a list's view is the list.
    let path = match (wanted.ends_with("/allitems.aspx"), path.parent()) {
        (true, Some(parent)) if parent.name().eq_ignore_ascii_case("Forms") => {
            parent.parent().unwrap_or(parent)
        }
        (true, Some(parent)) => parent,
        _ => path,
    };
    folder(visit, &web, &path).await
}

fn personal(visit: &Visit<'_>) -> Result<ServerPath, Trouble> {
    Ok(ServerPath::new(&format!(
        "/personal/{}",
        visit.principal.account
    ))?)
}

fn asks_for_page(query: &str) -> bool {
    let form = Form::read(query.as_bytes()).unwrap_or_default();
    form.get("web").is_some_and(|value| value == "1")
}

fn page(visit: &Visit<'_>, web: &Web, title: &str) -> Page {
    let to = web.path.encoded();
    Page::new(title, (&web.title, &to), Some(&visit.principal.title))
}

/// The start of the web application of people's own sites.
fn mine(visit: &Visit<'_>, own: &ServerPath) -> hyper::Response<crate::http::body::Body> {
    let title = &visit.application.title;
    let mut page = Page::new(title, (title, "/"), Some(&visit.principal.title));
    page.markup("<div class=\"card\">Your own site: ")
        .link(&own.encoded(), &visit.principal.title)
        .markup("</div>");
    answer::html(StatusCode::OK, page.end())
}

async fn home(visit: &Visit<'_>, web: &Web) -> Answered {
    let lists = visit.farm.library.lists(visit.conversation, web).await?;
    let mut page = page(visit, web, &web.title);
    page.markup("<p class=\"soft\">Welcome, ")
        .text(&visit.principal.title)
        .markup(". You signed in by ")
        .text(&visit.principal.method)
        .markup(".</p><div class=\"tiles\">");
    for list in &lists {
        page.markup("<div class=\"card\"><strong>")
            .link(&list.path.encoded(), &list.title)
            .markup("</strong><br><span class=\"soft\">")
            .number(list.items)
            .markup(" items</span></div>");
    }
    page.markup("</div><p class=\"soft\">Served by a SharePoint front end, ")
        .text(&visit.farm.node)
        .markup(", from ")
        .text(visit.farm.library.server())
        .markup(".</p>");
    Ok(answer::html(StatusCode::OK, page.end()))
}

async fn folder(visit: &Visit<'_>, web: &Web, path: &ServerPath) -> Answered {
    let library = &visit.farm.library;
    let list = library.list_at(visit.conversation, web, path).await?;
    let list = list.ok_or_else(|| Trouble::missing("page"))?;
    let is_root = path.is_in(&list.path) && list.path.is_in(path);
    if !is_root && library.item(visit.conversation, web, path).await?.is_none() {
        return Err(Trouble::missing("folder"));
    }
    let items = library.children(visit.conversation, web, path).await?;
    let title = if is_root { &list.title } else { path.name() };
    let mut page = page(visit, web, title);
    crumbs(&mut page, web, &list, path);
    match list.is_library() {
        true => documents(&mut page, &items),
        false => entries(&mut page, &items),
    }
    if visit.may_write(web) {
        forms(&mut page, visit, &list, path);
    }
    Ok(answer::html(StatusCode::OK, page.end()))
}

fn crumbs(page: &mut Page, web: &Web, list: &List, path: &ServerPath) {
    page.markup("<nav>").link(&web.path.encoded(), &web.title);
    let mut above: Vec<ServerPath> = Vec::new();
    let mut at = path.parent();
    while let Some(place) = at.filter(|place| place.is_in(&list.path)) {
        at = place.parent();
        above.push(place);
    }
    for place in above.iter().rev() {
        let is_root = list.path.is_in(place);
        let name = if is_root { &list.title } else { place.name() };
        page.markup(" › ").link(&place.encoded(), name);
    }
    page.markup("</nav>");
}

fn documents(page: &mut Page, items: &[Item]) {
    page.markup(
        "<table><thead><tr><th>Name<th>Modified<th>Modified by<th>Size</tr></thead><tbody>",
    );
    for item in items {
        let to = match item.kind {
            Kind::File => format!("{}?web=1", item.path.encoded()),
            _ => item.path.encoded(),
        };
        let sign = if item.kind == Kind::Folder {
            "▸ "
        } else {
            ""
        };
        page.markup("<tr><td>")
            .markup(sign)
            .link(&to, item.path.name())
            .markup("<td>")
            .text(&day(&item.modified))
            .markup("<td>")
            .text(&item.editor_name)
            .markup("<td>");
        if item.kind == Kind::File {
            page.text(&size(item.size));
        }
    }
    page.markup("</tbody></table>");
    empty(page, items);
}

fn entries(page: &mut Page, items: &[Item]) {
    page.markup("<table><thead><tr><th>Title<th>Created<th>Created by</tr></thead><tbody>");
    for item in items {
        page.markup("<tr><td>")
            .link(&item.path.encoded(), &item.title)
            .markup("<td>")
            .text(&day(&item.created))
            .markup("<td>")
            .text(&item.author_name);
    }
    page.markup("</tbody></table>");
    empty(page, items);
}

fn empty(page: &mut Page, items: &[Item]) {
    if items.is_empty() {
        page.markup("<p class=\"soft\">There is nothing here yet.</p>");
    }
}

fn forms(page: &mut Page, visit: &Visit<'_>, list: &List, path: &ServerPath) {
    let digest = visit.digest();
    let to = path.encoded();
    if list.is_library() {
        page.markup("<form class=\"card\" method=\"post\" enctype=\"multipart/form-data\" action=\"")
            .text(&to)
            .markup("\">")
            .hidden("__REQUESTDIGEST", &digest)
            .markup("<label>Add a document <input type=\"file\" name=\"file\" required></label>")
            .markup("<button>Upload</button></form>")
            .markup("<form class=\"card\" method=\"post\" action=\"")
            .text(&to)
            .markup("\">")
            .hidden("__REQUESTDIGEST", &digest)
            .markup("<label>New folder <input name=\"folder\" required></label><button>Make it</button></form>");
    } else {
        page.markup("<form class=\"card\" method=\"post\" action=\"")
            .text(&to)
            .markup("\">")
            .hidden("__REQUESTDIGEST", &digest)
            .markup("<label>Title <input name=\"title\" required></label>")
            .markup("<label>Text <input name=\"body\"></label><button>Add it</button></form>");
    }
}

async fn document(visit: &Visit<'_>, web: &Web, item: &Item) -> Answered {
    let versions = visit
        .farm
        .library
        .versions(visit.conversation, item)
        .await?;
    let mut page = page(visit, web, item.path.name());
    let library = item.path.parent().unwrap_or_else(ServerPath::root);
    page.markup("<nav>")
        .link(&library.encoded(), library.name())
        .markup("</nav><p>");
    page.link(&item.path.encoded(), "Download");
    if visit.farm.settings.office_web_apps.is_some() && is_office(item.path.name()) {
        let frame = format!(
            "/_layouts/15/WopiFrame.aspx?sourcedoc={}&action=",
            item.guid
        );
        page.markup(" · ")
            .link(&format!("{frame}view"), "View in the browser");
        if visit.may_write(web) && item.path.name().ends_with(".txt") {
            page.markup(" · ")
                .link(&format!("{frame}edit"), "Edit in the browser");
        }
    }
    page.markup("</p><table><thead><tr><th>Version<th>Modified<th>By<th>Size</tr></thead><tbody>");
    for version in &versions {
        page.markup("<tr><td>")
            .number(version.version)
            .markup(".0<td>")
            .text(&day(&version.modified))
            .markup("<td>")
            .text(&version.editor_name)
            .markup("<td>")
            .text(&size(version.size));
    }
    page.markup("</tbody></table>");
    if visit.may_write(web) {
        remove(&mut page, visit, item);
    }
    Ok(answer::html(StatusCode::OK, page.end()))
}

fn remove(page: &mut Page, visit: &Visit<'_>, item: &Item) {
    page.markup("<form method=\"post\" action=\"")
        .text(&item.path.encoded())
        .markup("\"><p>")
        .hidden("__REQUESTDIGEST", &visit.digest())
        .hidden("delete", "yes")
        .markup("<button>Delete</button></p></form>");
}

fn entry(visit: &Visit<'_>, web: &Web, item: &Item) -> Answered {
    let mut page = page(visit, web, &item.title);
    let list = item.path.parent().unwrap_or_else(ServerPath::root);
    page.markup("<nav>")
        .link(&list.encoded(), list.name())
        .markup("</nav>");
    page.markup("<p class=\"soft\">")
        .text(&item.author_name)
        .markup(", ")
        .text(&day(&item.created))
        .markup("</p>");
    for (name, value) in &item.fields {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        page.markup("<p><strong>")
            .text(name)
            .markup("</strong> ")
            .text(&value)
            .markup("</p>");
    }
    if visit.may_write(web) {
        remove(&mut page, visit, item);
    }
    Ok(answer::html(StatusCode::OK, page.end()))
}

async fn search(visit: &Visit<'_>) -> Answered {
    let form = Form::read(visit.query.as_bytes()).unwrap_or_default();
    let text = form.get("k").unwrap_or_default();
    visit.web(&ServerPath::root(), Need::Read).await?;
    let found = rest::find(visit, text, 0, 50).await?;
    let title = &visit.application.title;
    let mut page = Page::new("Search", (title, "/"), Some(&visit.principal.title));
    page.markup("<p class=\"soft\">")
        .number(found.total)
        .markup(" results for “")
        .text(text)
        .markup("”</p>");
    for hit in &found.hits {
        page.markup("<div class=\"card\"><strong>")
            .link(&hit.url, &hit.title)
            .markup("</strong><br>");
        let mut rest = hit.summary.as_str();
        while let Some((before, after)) = rest.split_once('\u{2}') {
            let (word, after) = after.split_once('\u{3}').unwrap_or((after, ""));
            page.text(before)
                .markup("<mark>")
                .text(word)
                .markup("</mark>");
            rest = after;
        }
        page.text(rest)
            .markup("<br><span class=\"soft\">")
            .text(&hit.author)
            .markup(", ")
            .text(&day(&hit.modified))
            .markup("</span></div>");
    }
    Ok(answer::html(StatusCode::OK, page.end()))
}

fn sign_out(visit: &Visit<'_>) -> hyper::Response<crate::http::body::Body> {
    let title = &visit.application.title;
    let mut page = Page::new("Sign out", (title, "/"), Some(&visit.principal.title));
    page.markup("<form method=\"post\" action=\"/_layouts/15/SignOut.aspx\"><button>Sign out</button></form>");
    answer::html(StatusCode::OK, page.end())
}

fn is_office(name: &str) -> bool {
    let extension = name
        .rsplit_once('.')
        .map(|(_, last)| last.to_ascii_lowercase());
    matches!(extension.as_deref(), Some("docx" | "xlsx" | "pptx" | "txt"))
}

/// `2013-06-30 12:00`.
fn day(stored: &str) -> String {
    let text = stored.get(..16).unwrap_or(stored);
    text.replace('T', " ")
}

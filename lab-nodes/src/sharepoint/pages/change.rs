//! What the forms of pages ask for.

use hyper::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::multipart;
use crate::http::form::Form;
use crate::sharepoint::answer;
use crate::sharepoint::farm::{Answered, Need, Trouble, Visit};
use crate::sharepoint::library::{Expected, NewFile};
use crate::sharepoint::path::ServerPath;

/// The field that proves that a page of ours asked.
const DIGEST: &str = "__REQUESTDIGEST";

pub(super) async fn answer(visit: &Visit<'_>) -> Answered {
    let path = ServerPath::from_url(visit.path)?;
    let kind = visit.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    if let Some(boundary) = multipart::boundary(kind) {
        return upload(visit, &path, boundary).await;
    }
    let form = Form::read(&visit.body).map_err(|error| Trouble::bad(error.to_string()))?;
    visit.check_digest(form.get(DIGEST))?;
    let web = visit.web(&path, Need::Write).await?;
    let library = &visit.farm.library;
    if let Some(name) = form.get("folder") {
        let place = path.join(name)?;
        library
            .make_folder(visit.conversation, &web, &place, visit.by(), &[])
            .await?;
        return Ok(answer::redirect(&path.encoded()));
    }
    if form.get("delete").is_some() {
        let any = Expected::default();
        library
            .delete(visit.conversation, &web, &path, &any, &[])
            .await?;
        let above = path.parent().unwrap_or_else(ServerPath::root);
        return Ok(answer::redirect(&above.encoded()));
    }
    if let Some(title) = form.get("title") {
        let list = library.list_at(visit.conversation, &web, &path).await?;
        let list = list.filter(|list| !list.is_library());
        let list = list.ok_or_else(|| Trouble::missing("list"))?;
        let mut fields = Map::new();
        if let Some(body) = form.get("body").filter(|body| !body.is_empty()) {
            fields.insert("Body".to_owned(), Value::from(body));
        }
        library
            .add_entry(visit.conversation, &web, &list, title, &fields, visit.by())
            .await?;
        return Ok(answer::redirect(&path.encoded()));
    }
    Err(Trouble::bad("the form asks for nothing"))
}

async fn upload(visit: &Visit<'_>, folder: &ServerPath, boundary: &str) -> Answered {
    let parts = multipart::read(boundary, &visit.body);
    let parts = parts.ok_or_else(|| Trouble::bad("the form is malformed"))?;
    let field = |name: &str| parts.iter().find(|part| part.name == name);
    let digest = field(DIGEST).and_then(|part| std::str::from_utf8(part.content).ok());
    visit.check_digest(digest)?;
    let file = field("file").ok_or_else(|| Trouble::bad("there is no file in the form"))?;
    let name = file.file.as_deref().unwrap_or_default();
    let path = folder.join(name)?;
    let web = visit.web(&path, Need::Write).await?;
    let new = NewFile {
        content: file.content,
        by: visit.by(),
        overwrite: true,
        expected: Expected::default(),
        tokens: &[],
    };
    let library = &visit.farm.library;
    library
        .put_file(Some(visit.conversation), &web, &path, new)
        .await?;
    Ok(answer::redirect(&folder.encoded()))
}

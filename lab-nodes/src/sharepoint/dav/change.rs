//! PUT, MKCOL, DELETE, COPY and MOVE.

use hyper::StatusCode;
use hyper::header::{ETAG, LOCATION};

use super::local;
use super::place::{Place, There};
use crate::sharepoint::answer;
use crate::sharepoint::farm::{Answered, Need, Trouble, Visit};
use crate::sharepoint::library::{Carry, NewFile, StoreError};

pub(super) async fn put(visit: &Visit<'_>, place: &Place, tokens: &[String]) -> Answered {
    if visit.headers.contains_key("content-range") {
        return Err(Trouble::bad(
            "a part of a document can't be put (RFC 9110 §14.4)",
        ));
    }
    if place.is_collection() {
        return Err(not_allowed("a folder can't be put"));
    }
    let new = NewFile {
        content: &visit.body,
        by: visit.by(),
        overwrite: true,
        expected: answer::expected(visit.headers),
        tokens,
    };
    let library = &visit.farm.library;
    let on = Some(visit.conversation);
    let (item, fresh) = library.put_file(on, &place.web, &place.path, new).await?;
    let mut response = answer::bare(if fresh {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    });
    answer::set(&mut response, ETAG, &item.etag());
    Ok(response)
}

pub(super) async fn make(visit: &Visit<'_>, place: &Place, tokens: &[String]) -> Answered {
    if !visit.body.is_empty() {
        let sentence = "a body of MKCOL means nothing here".to_owned();
        return Err(Trouble::Refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            sentence,
        ));
    }
    if place.is_there() {
        return Err(not_allowed("something of that name is there already"));
    }
    let library = &visit.farm.library;
    let (on, by) = (visit.conversation, visit.by());
    library
        .make_folder(on, &place.web, &place.path, by, tokens)
        .await?;
    Ok(answer::bare(StatusCode::CREATED))
}

pub(super) async fn delete(visit: &Visit<'_>, place: &Place, tokens: &[String]) -> Answered {
    match &place.there {
        There::Nothing => return Err(Trouble::missing("document")),
        There::Site | There::Library(_) => {
            return Err(StoreError::Impossible("it belongs to the site").into());
        }
        There::Item(_) => {}
    }
    let expected = answer::expected(visit.headers);
    let library = &visit.farm.library;
    library
        .delete(
            visit.conversation,
            &place.web,
            &place.path,
            &expected,
            tokens,
        )
        .await?;
    Ok(answer::bare(StatusCode::NO_CONTENT))
}

pub(super) async fn carry(
    visit: &Visit<'_>,
    place: &Place,
    tokens: &[String],
    copy: bool,
) -> Answered {
    let to = visit
        .header("destination")
        .ok_or_else(|| Trouble::bad("there is no Destination"))?;
    let to = local(visit, to).ok_or_else(|| {
        let sentence = "the destination is on another server".to_owned();
        Trouble::Refused(StatusCode::BAD_GATEWAY, sentence)
    })?;
    match &place.there {
        There::Nothing => return Err(Trouble::missing("document")),
        There::Site | There::Library(_) => {
            return Err(StoreError::Impossible("it belongs to the site").into());
        }
        There::Item(_) => {}
    }
    let web = visit.web(&to, Need::Write).await?;
    if web.id != place.web.id {
        let sentence = "the destination is in another site".to_owned();
        return Err(Trouble::Refused(StatusCode::BAD_GATEWAY, sentence));
    }
    let deep = match visit.header("depth").unwrap_or("infinity") {
        "infinity" => true,
        "0" if copy => false,
        _ => return Err(Trouble::bad("that depth means nothing here")),
    };
    let overwrite = visit
        .header("overwrite")
        .is_none_or(|word| !word.eq_ignore_ascii_case("f"));
    let carry = Carry {
        copy,
        deep,
        overwrite,
        by: visit.by(),
        tokens,
    };
    let library = &visit.farm.library;
    let fresh = library
        .carry(visit.conversation, &web, &place.path, &to, carry)
        .await?;
    let mut response = answer::bare(if fresh {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    });
    answer::set(&mut response, LOCATION, &visit.url(&to));
    Ok(response)
}

fn not_allowed(sentence: &str) -> Trouble {
    Trouble::Refused(StatusCode::METHOD_NOT_ALLOWED, sentence.to_owned())
}

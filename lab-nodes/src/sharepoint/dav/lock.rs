//! LOCK and UNLOCK.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderName;

use super::place::Place;
use super::{properties, xml};
use crate::sharepoint::answer;
use crate::sharepoint::farm::{Answered, Trouble, Visit};
use crate::sharepoint::library::{self, Held, Hold, NewFile, StoreError};

/// How long a lock lasts unless its client says so.
const USUAL: Duration = Duration::from_secs(180);
/// And at most.
const LONGEST: Duration = Duration::from_secs(3600);
/// Longest owner, in bytes.
const LONGEST_OWNER: usize = 1000;

pub(super) async fn lock(visit: &Visit<'_>, place: &Place, tokens: &[String]) -> Answered {
    let lasts = timeout(visit.header("timeout").unwrap_or_default());
    let store = &visit.farm.library;
    if visit.body.is_empty() {
        let held = store
            .hold_on(visit.conversation, &place.web, &place.path, tokens, lasts)
            .await?;
        return match held {
            Some(held) => Ok(shown(&held, StatusCode::OK)),
            None => Err(StoreError::Changed.into()),
        };
    }
    let root = xml::parse(&visit.body).filter(|root| root.is("lockinfo"));
    let root = root.ok_or_else(|| Trouble::bad("the body is no lockinfo element"))?;
    let scope = root.child("lockscope");
    let shared = scope.is_some_and(|scope| scope.child("shared").is_some());
    let exclusive = scope.is_some_and(|scope| scope.child("exclusive").is_some());
    let write = root
        .child("locktype")
        .is_some_and(|kind| kind.child("write").is_some());
    if shared == exclusive || !write {
        return Err(Trouble::bad(
            "a lock is for writing, and exclusive or shared",
        ));
    }
    let deep = match visit.header("depth").unwrap_or("infinity") {
        "infinity" => place.is_collection(),
        "0" => false,
        _ => return Err(Trouble::bad("the depth of a lock is 0 or infinity")),
    };
    let owner = root
        .child("owner")
        .map(xml::Element::whole_text)
        .unwrap_or_default();
    if owner.len() > LONGEST_OWNER {
        return Err(Trouble::bad("the owner of the lock is too long"));
    }
    let token = format!("opaquelocktoken:{}", library::guid()?);
    let on = Some(visit.conversation);
    // What is not there is made empty (RFC 4918 §7.3), so that it can be held. First the lock: of
    // two that lock the same new name, one gets it.
    let hold = Hold {
        token: &token,
        owner: &owner,
        login: &visit.principal.login,
        deep,
        shared,
        lasts,
    };
    let held = store.hold(on, &place.web, &place.path, hold).await?;
    if place.is_there() {
        return Ok(shown(&held, StatusCode::OK));
    }
    let mut own = tokens.to_vec();
    own.push(token.clone());
    let new = NewFile {
        content: &[],
        by: visit.by(),
        overwrite: false,
        expected: library::Expected::default(),
        tokens: &own,
    };
    match store.put_file(on, &place.web, &place.path, new).await {
        Ok(_) => Ok(shown(&held, StatusCode::CREATED)),
        Err(reason) => {
            store
                .let_go(visit.conversation, &place.web, &place.path, &token)
                .await?;
            Err(reason.into())
        }
    }
}

fn shown(held: &Held, status: StatusCode) -> hyper::Response<crate::http::body::Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:prop xmlns:D=\"DAV:\"><D:lockdiscovery>{}\
         </D:lockdiscovery></D:prop>",
        properties::active(held)
    );
    let mut response = answer::with(status, "text/xml; charset=utf-8", text);
    let field = HeaderName::from_static("lock-token");
    answer::set(&mut response, field, &format!("<{}>", held.token));
    response
}

pub(super) async fn unlock(visit: &Visit<'_>, place: &Place) -> Answered {
    let token = visit.header("lock-token").unwrap_or_default().trim();
    let token = token
        .strip_prefix('<')
        .and_then(|token| token.strip_suffix('>'));
    let token = token.ok_or_else(|| Trouble::bad("there is no Lock-Token"))?;
    let store = &visit.farm.library;
    let held = store
        .locks(Some(visit.conversation), &place.web, &place.path, false)
        .await?;
    let held = held.iter().find(|held| held.token == token);
    let Some(held) = held else {
        let sentence = "no such lock holds it".to_owned();
        return Err(Trouble::Refused(StatusCode::CONFLICT, sentence));
    };
    if held.login != visit.principal.login {
        return Err(Trouble::Denied(visit.principal.title.clone()));
    }
    store
        .let_go(visit.conversation, &place.web, &place.path, token)
        .await?;
    Ok(answer::bare(StatusCode::NO_CONTENT))
}

/// `Second-600`, `Infinite`, or several of them, the best liked first.
fn timeout(header: &str) -> Duration {
    let first = header.split(',').next().unwrap_or_default().trim();
    match first
        .strip_prefix("Second-")
        .and_then(|seconds| seconds.parse().ok())
    {
        Some(seconds) => Duration::from_secs(seconds).clamp(Duration::from_secs(1), LONGEST),
        None if first.eq_ignore_ascii_case("infinite") => LONGEST,
        None => USUAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_last_a_bounded_time() {
        assert_eq!(timeout("Second-600"), Duration::from_secs(600));
        assert_eq!(timeout("Infinite, Second-4100000000"), LONGEST);
        assert_eq!(timeout("Second-4100000000"), LONGEST);
        assert_eq!(timeout("Second-0"), Duration::from_secs(1));
        assert_eq!(timeout(""), USUAL);
        assert_eq!(timeout("Second-99999999999999999999999"), USUAL);
    }
}

//! The bytes of a file.

use hyper::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, HeaderName, IF_RANGE, LAST_MODIFIED,
    RANGE,
};
use hyper::{Response, StatusCode};

use crate::http::body::Body;
use crate::sharepoint::answer;
use crate::sharepoint::clock;
use crate::sharepoint::farm::{Answered, Trouble, Visit};
use crate::sharepoint::library::Item;

/// Answers with a file, as far as it is wanted: conditions (RFC 9110 §13) and one range (§14).
///
/// # Errors
/// The database is not there.
pub(in crate::sharepoint) async fn file(visit: &Visit<'_>, item: &Item) -> Answered {
    let tag = item.etag();
    let expected = answer::expected(visit.headers);
    if !expected.holds(Some(&tag)) {
        let status = match expected.matching {
            Some(_) if expected.none_matching.is_none() => StatusCode::PRECONDITION_FAILED,
            _ => StatusCode::NOT_MODIFIED,
        };
        let mut response = answer::bare(status);
        describe(&mut response, item);
        return Ok(response);
    }
    let content = visit
        .farm
        .library
        .content(Some(visit.conversation), item.id)
        .await?;
    let content = content.ok_or_else(|| Trouble::missing("file"))?;
    let fresh = visit
        .header(IF_RANGE.as_str())
        .is_none_or(|said| said == tag);
    let wanted = visit.header(RANGE.as_str()).filter(|_| fresh);
    let kind = kind_of(item.path.name());
    let mut response = match wanted.map(|range| part(range, content.len())) {
        None | Some(Wanted::Whole) => answer::with(StatusCode::OK, kind, content),
        Some(Wanted::Nothing) => {
            let mut response = answer::bare(StatusCode::RANGE_NOT_SATISFIABLE);
            answer::set(
                &mut response,
                CONTENT_RANGE,
                &format!("bytes */{}", content.len()),
            );
            return Ok(response);
        }
        Some(Wanted::Part(from, to)) => {
            let range = format!("bytes {from}-{}/{}", to - 1, content.len());
            let piece = content.get(from..to).unwrap_or_default().to_vec();
            let mut response = answer::with(StatusCode::PARTIAL_CONTENT, kind, piece);
            answer::set(&mut response, CONTENT_RANGE, &range);
            response
        }
    };
    describe(&mut response, item);
    // What people upload never runs as a page of this site.
    let policy = HeaderName::from_static("content-security-policy");
    answer::set(
        &mut response,
        policy,
        "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    );
    if !shown(kind) {
        answer::set(&mut response, CONTENT_DISPOSITION, "attachment");
    }
    Ok(response)
}

fn describe(response: &mut Response<Body>, item: &Item) {
    answer::set(response, ETAG, &item.etag());
    answer::set(response, LAST_MODIFIED, &clock::http(&item.modified));
    answer::set(response, ACCEPT_RANGES, "bytes");
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Nothing,
    /// From, to (exclusive).
    Part(usize, usize),
}

/// What of so many bytes a range asks for. Several ranges are answered with the whole.
fn part(range: &str, length: usize) -> Wanted {
    let Some(range) = range.strip_prefix("bytes=") else {
        return Wanted::Whole;
    };
    let Some((from, to)) = range.trim().split_once('-') else {
        return Wanted::Whole;
    };
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let (from, to) = match (from.trim(), to.trim()) {
        ("", last) => match number(last) {
            Some(last) => (length.saturating_sub(last), length),
            None => return Wanted::Whole,
        },
        (from, "") => match number(from) {
            Some(from) => (from, length),
            None => return Wanted::Whole,
        },
        (from, to) => match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => (from, length.min(to.saturating_add(1))),
            _ => return Wanted::Whole,
        },
    };
    match from < to {
        true => Wanted::Part(from, to),
        false => Wanted::Nothing,
    }
}

/// The media type of a file, by its name.
fn kind_of(name: &str) -> &'static str {
    let extension = name
        .rsplit_once('.')
        .map(|(_, last)| last.to_ascii_lowercase());
    match extension.as_deref() {
        Some("txt" | "md" | "log" | "csv") => "text/plain; charset=utf-8",
        Some("htm" | "html") => "text/html; charset=utf-8",
        Some("xml") => "text/xml",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("pdf") => "application/pdf",
        Some("zip") => "application/zip",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("pptx") => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/octet-stream",
    }
}

/// Whether a browser shows it, rather than storing it.
fn shown(kind: &str) -> bool {
    kind.starts_with("text/plain") || kind.starts_with("image/") || kind == "application/pdf"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_rfc_9110() {
        assert_eq!(part("bytes=0-4", 10), Wanted::Part(0, 5));
        assert_eq!(part("bytes=5-", 10), Wanted::Part(5, 10));
        assert_eq!(part("bytes=-3", 10), Wanted::Part(7, 10));
        assert_eq!(part("bytes=-30", 10), Wanted::Part(0, 10));
        assert_eq!(part("bytes=8-99", 10), Wanted::Part(8, 10));
        assert_eq!(part("bytes=10-", 10), Wanted::Nothing);
        assert_eq!(part("bytes=-0", 10), Wanted::Nothing);
        for whole in [
            "",
            "lines=1-2",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "bytes=5",
        ] {
            assert_eq!(part(whole, 10), Wanted::Whole, "{whole}");
        }
        assert_eq!(part("bytes=0-18446744073709551615", 3), Wanted::Part(0, 3));
    }
}

//! What each fuzz target does with its bytes: plain functions, called by the fuzzer and, with the
//! committed corpora, by an ordinary test. None may panic, whatever the bytes are.
#![allow(dead_code)]

use std::net::SocketAddr;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use lab_core::check::{load_text, render};
use lab_core::kernel::{network, nft};
use lab_core::observe::names::Names;
use lab_core::observe::summary::Headers;
use lab_core::observe::{complete_checksum, filter};
use lab_core::plan::plan;
use lab_core::run::control::{ExecControl, Hello, Response as Answer, first};
use lab_core::service::{Conversation, Spans};
use lab_nodes::balancer::LoadBalancer;
use lab_nodes::dns::Dns;
use lab_nodes::http::accept::Visitor;
use lab_nodes::http::{host, tier_path};
use lab_nodes::office_web_apps::document::{self, Kind};
use lab_nodes::wopi::{Ask, Discovery};

/// A lab file: read, checked, reported, planned; the same text gives the same plan.
pub fn lab_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let checked = load_text("lab.yaml", text, lab_nodes::CATALOGUE);
    assert_eq!(checked.lab.is_none(), checked.has_errors());
    assert_eq!(
        checked.diagnostics.is_empty(),
        render(&checked, false).is_empty()
    );
    if let Some(lab) = checked.lab {
        assert_eq!(
            plan(&lab, lab_nodes::CATALOGUE),
            plan(&lab, lab_nodes::CATALOGUE)
        );
    }
}

/// What a caller sends over the control socket: a hello, then what belongs to an exec. The answers
/// are read by the same rule on the other side.
pub fn control(bytes: &[u8]) {
    let mut rest = bytes;
    if let Ok(Some((_, length))) = first::<Hello>(rest) {
        rest = &rest[length..];
        while let Ok(Some((_, length))) = first::<ExecControl>(rest) {
            rest = &rest[length..];
        }
    }
    let mut rest = bytes;
    while let Ok(Some((_, length))) = first::<Answer>(rest) {
        rest = &rest[length..];
    }
}

/// The kernel's words about a refusal, and the comment of a rule.
pub fn netlink(bytes: &[u8]) {
    if let Some(words) = network::words_in(bytes) {
        assert!(words.len() <= 3 * bytes.len());
    }
    if let Ok(comment) = std::str::from_utf8(bytes) {
        let id = nft::id_of(comment);
        match nft::place_of(comment) {
            Some(place) => assert_eq!(format!("{id}\t{place}"), comment),
            None => assert_eq!(id, comment),
        }
    }
}

/// A frame from a link.
pub fn packet(bytes: &[u8]) {
    let headers = Headers::of(bytes, bytes.len() as u32);
    let text = headers.to_string();
    assert!(!text.is_empty() && !text.contains('\n'));
    assert!(serde_json::to_string(&headers).is_ok());
    let mut whole = bytes.to_vec();
    complete_checksum(&mut whole);
    let once = whole.clone();
    complete_checksum(&mut whole);
    assert_eq!(whole, once);
    assert_eq!(Headers::of(&whole, headers.length), headers);
}

/// The text of a capture's filter: what is understood becomes a program that never leaps out.
pub fn capture_filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(condition) = filter::parse(text, &Names::default()) else {
        return;
    };
    let Ok(program) = filter::program(&condition, 1500) else {
        return;
    };
    for (at, step) in program.iter().enumerate() {
        let furthest = match step.code {
            // An unconditional leap.
            0x05 => step.value as usize,
            code if code & 7 == 5 => step.yes.max(step.no).into(),
            _ => 0,
        };
        let last = step.code & 7 == 6;
        assert!(last || at + 1 + furthest < program.len(), "{text}");
    }
}

/// A datagram to a name server.
pub fn dns(bytes: &[u8]) {
    let record = |name: &str, data: serde_json::Value| serde_json::json!({ "name": name, "ttl": 60, "data": data });
    let settings = serde_json::json!({
        "server": "dns.lab.example",
        "views": [{
            "name": "all", "clients": [], "forward": [],
            "zones": [{ "origin": "lab.example", "records": [
                record("www.lab.example", serde_json::json!({ "address": "192.0.2.1" })),
                record("*.wild.lab.example", serde_json::json!({ "cname": "www.lab.example" })),
                record("loop.lab.example", serde_json::json!({ "cname": "loop.lab.example" })),
            ] }],
        }],
    });
    let from = SocketAddr::from(([192, 0, 2, 7], 5353));
    let answer = futures::executor::block_on(Dns::answer(&settings, bytes, from));
    if let Some(answer) = answer {
        assert_eq!(answer.get(..2), bytes.get(..2), "another id");
        assert!(answer.len() <= 1232);
    }
}

/// Heads of a request and its response on their way through a balancer: a line of the request
/// target, then `name: value` lines; an empty line parts request and response.
pub fn http(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let target = lines.next().unwrap_or_default();
    let Ok(uri) = hyper::Uri::try_from(target) else {
        return;
    };
    let asked = fields(&mut lines);
    let answered = fields(&mut lines);
    for headers in [&asked, &answered] {
        let _ = tier_path::TierPath::read(headers);
        let _ = tier_path::missing(headers);
        let _ = LoadBalancer::cookies(headers, "tierlab").count();
    }
    let mut request = Request::new(());
    *request.uri_mut() = uri;
    *request.headers_mut() = asked;
    let _ = host::of(&request);
    let mut response = Response::new(());
    *response.headers_mut() = answered;
    let visitor = Visitor {
        address: SocketAddr::from(([192, 0, 2, 7], 40000)),
        secure: true,
        server_name: None,
        certificate: None,
        conversation: Conversation::tcp(
            SocketAddr::from(([192, 0, 2, 7], 40000)),
            SocketAddr::from(([192, 0, 2, 1], 443)),
            &Spans::unwatched(),
        ),
        hang_up: Default::default(),
    };
    let published = ["/owa".to_owned(), "/EWS/Exchange.asmx".to_owned()];
    if let Some((request, response, _)) =
        LoadBalancer::pass(request, response, &visitor, &published, "lb")
    {
        for headers in [request.headers(), response.headers()] {
            for name in ["connection", "transfer-encoding", "upgrade", "te"] {
                assert!(!headers.contains_key(name), "{name} went through");
            }
        }
        assert!(request.uri().authority().is_none());
        let path = request.uri().path().to_ascii_lowercase();
        assert!(!path.contains("/../") && !path.contains("%2f"), "{path}");
    }
}

/// A document of any kind, or the part of one that is bare XML.
pub fn document(bytes: &[u8]) {
    let content = hyper::body::Bytes::copy_from_slice(bytes);
    for (kind, _) in Kind::ALL {
        if let Err(why) = document::read(kind, &content) {
            assert!(!why.to_string().is_empty());
        }
        document::part(kind, &content);
    }
}

/// A request to a WOPI host: method, path and query in a line, then fields.
pub fn wopi(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let Ok(line) = std::str::from_utf8(lines.next().unwrap_or_default()) else {
        return;
    };
    let (method, target) = line.split_once(' ').unwrap_or((line, ""));
    let Ok(method) = hyper::Method::from_bytes(method.as_bytes()) else {
        return;
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if let Ok(ask) = Ask::read(&method, path, query, &fields(&mut lines)) {
        assert!((1..=512).contains(&ask.file.len()));
        assert!(!ask.file.chars().any(char::is_control));
    }
}

/// What a farm tells: what is understood is understood again when it is written.
pub fn wopi_discovery(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(discovery) = Discovery::read(text) {
        let _ = discovery.address("view", "docx", "https://a.example/wopi/files/1");
        let _ = discovery.write("external-https");
    }
}

fn fields<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()).take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

//! What each fuzz target does with its bytes: plain functions, called by the fuzzer and, with the
//! committed corpora, by an ordinary test. None may panic, whatever the bytes are.
#![allow(dead_code)]

#[path = "directory.rs"]
mod directory;
#[path = "sharepoint.rs"]
mod sharepoint;

pub use directory::ldap;
pub use sharepoint::{dav, rest, upload};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use data_encoding::BASE64;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use lab_core::check::{load_text, render};
use lab_core::kernel::{network, nft};
use lab_core::observe::names::Names;
use lab_core::observe::summary::Headers;
use lab_core::observe::{complete_checksum, filter};
use lab_core::plan::plan;
use lab_core::run::control::{ExecControl, Hello, Response as Answer, first};
use lab_core::service::{Conversation, Secret, Spans};
use lab_nodes::balancer::LoadBalancer;
use lab_nodes::certificate_services::Question;
use lab_nodes::client::form;
use lab_nodes::directory::{Account, Domain, Kind, Membership, Person, State};
use lab_nodes::distributed_cache::{Token, wire};
use lab_nodes::dns::Dns;
use lab_nodes::domain_controller::settings::Settings;
use lab_nodes::domain_controller::{Accounts, Kdc};
use lab_nodes::http::accept::Visitor;
use lab_nodes::http::cookie::cookie;
use lab_nodes::http::form::{self as fields_of_form, Form};
use lab_nodes::http::{host, tier_path};
use lab_nodes::kerberos::messages::{
    ApRep, ApReq, Authenticator, EncApRepPart, EncKdcRepPart, EncTicketPart, EtypeInfo, Exchange,
    KdcRep, KdcReq, KrbError,
};
use lab_nodes::kerberos::{Acceptor, Keytab};
use lab_nodes::login::extended;
use lab_nodes::ntlm;
use lab_nodes::office_web_apps::document;
use lab_nodes::revocation::List;
use lab_nodes::saml::{self, AuthnRequest, Claims, Expected, Instant, SignedBy};
use lab_nodes::spnego;
use lab_nodes::wopi::{Ask, Discovery};
use lab_nodes::ws_federation::{RelyingParty, RelyingPartySettings, SeenHere, TrustedProvider};
use rustls_pki_types::CertificateDer;

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

/// A message of NTLM, a response in it, and the answer of a domain controller.
pub fn ntlm(bytes: &[u8]) {
    if let Ok(message) = ntlm::wire::Challenge::read(bytes) {
        let flags = message.flags | ntlm::Flags::UNICODE;
        let again = ntlm::wire::Challenge { flags, ..message };
        let read = ntlm::wire::Challenge::read(&again.write()).expect("what was written");
        assert_eq!((read.challenge, read.info), (again.challenge, again.info));
        let who = ntlm::Initiator::default();
        let random = ntlm::initiator::Random {
            challenge: [1; 8],
            session_key: [2; 16],
        };
        let first = who.negotiate(ntlm::Flags::SEAL);
        let _ = who.authenticate(&first, bytes, &Default::default(), random, 0);
    }
    if let Ok(message) = ntlm::wire::Authenticate::read(bytes) {
        let flags = message.flags | ntlm::Flags::UNICODE | ntlm::Flags::VERSION;
        let again = ntlm::wire::Authenticate { flags, ..message };
        let read = ntlm::wire::Authenticate::read(&again.write()).expect("what was written");
        assert_eq!((read.user, read.nt), (again.user, again.nt));
    }
    // A login: the first message is the beginning, the third the rest.
    let target = ntlm::Target::default();
    let (first, third) = bytes.split_at(bytes.len().min(40));
    for first in [
        first,
        &ntlm::Initiator::default().negotiate(ntlm::Flags::SIGN),
    ] {
        let Ok((acceptor, _)) = ntlm::Acceptor::challenge(first, &target, [3; 8], 0) else {
            continue;
        };
        for third in [third, bytes] {
            let acceptor = ntlm::Acceptor::challenge(first, &target, [3; 8], 0);
            let attempt = acceptor.and_then(|(acceptor, _)| acceptor.authenticate(third));
            if let Ok(attempt) = attempt {
                assert!(!attempt.response().is_empty());
                let _ = attempt.conclude(&[4; 16], Some(ntlm::Binding([5; 16])));
            }
        }
        drop(acceptor);
    }
    if let Ok(Some(length)) = extended::length(bytes) {
        assert!(length <= extended::LONGEST);
    }
    let _ = extended::read(bytes);
}

/// A page that a browser without a screen looks for forms in.
pub fn form(bytes: &[u8]) {
    let Ok(page) = std::str::from_utf8(bytes) else {
        return;
    };
    let sent = match form::find(page) {
        Some(form::Form::Password(fields)) => fields.filled_in("alice", "a&b=c"),
        Some(form::Form::SentByItself(fields)) => fields.sent(),
        None => return,
    };
    assert!(sent.content.is_ascii() && !sent.content.contains(' '));
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

/// A key distribution center of one user and one service, and that service's acceptor.
static REALM: LazyLock<(Kdc, Acceptor)> = LazyLock::new(|| {
    let domain = Domain {
        netbios: "LAB".into(),
        realm: "LAB.EXAMPLE".into(),
    };
    let account = |name: &str, kind| Account {
        person: Person {
            account: name.into(),
            ..Person::default()
        },
        kind,
        state: State::Active,
    };
    let principals = vec!["HTTP/www.lab.example".to_owned()];
    let settings = Settings {
        domain: domain.clone(),
        accounts: vec![
            account(
                "alice",
                Kind::User {
                    password: "Passw0rd!".into(),
                },
            ),
            account(
                "web",
                Kind::Service {
                    principals: principals.clone(),
                },
            ),
        ],
        ..Settings::default()
    };
    let secrets: BTreeMap<String, Secret> = ["web", "krbtgt"]
        .map(|name| (Domain::secret_of(name), Secret::new([7; 32])))
        .into();
    let membership = Membership {
        domain,
        controllers: Vec::new(),
        accounts: BTreeMap::from([("web".to_owned(), principals)]),
    };
    let accounts = Accounts::new(&settings, &secrets).expect("every secret is there");
    (
        Kdc::new(Arc::new(accounts)),
        Acceptor::new(Keytab::new(&membership, &secrets)),
    )
});

/// A message of Kerberos: what is read reads the same when it is written; a center answers what is
/// no login with a refusal or not at all, and no server is logged in to.
pub fn kerberos(bytes: &[u8]) {
    macro_rules! again {
        ($($kind:ident),*) => {$(
            if let Ok(message) = $kind::read(bytes) {
                let written = message.write();
                assert_eq!($kind::read(&written).as_ref(), Ok(&message));
            }
        )*};
    }
    again!(
        ApReq,
        ApRep,
        Authenticator,
        EncApRepPart,
        EncTicketPart,
        KrbError
    );
    if let Ok(request) = KdcReq::read(bytes) {
        assert_eq!(KdcReq::read(&request.write()).as_ref(), Ok(&request));
        let anew = KdcReq::new(request.exchange, request.body.clone());
        assert_eq!(anew.body, request.body);
    }
    for exchange in [Exchange::Authentication, Exchange::TicketGranting] {
        if let Ok(answer) = KdcRep::read(exchange, bytes) {
            assert_eq!(
                KdcRep::read(exchange, &answer.write()).as_ref(),
                Ok(&answer)
            );
        }
        if let Ok(part) = EncKdcRepPart::read(bytes) {
            assert_eq!(
                EncKdcRepPart::read(&part.write(exchange)).as_ref(),
                Ok(&part)
            );
        }
    }
    if let Ok(infos) = EtypeInfo::read_all(bytes) {
        assert_eq!(
            EtypeInfo::read_all(&EtypeInfo::write_all(&infos)),
            Ok(infos)
        );
    }
    let (kdc, acceptor) = &*REALM;
    let address = SocketAddr::from(([192, 0, 2, 7], 40000));
    let conversation = Conversation::udp(address, address, &Spans::unwatched());
    if let Some(answer) = kdc.answer(bytes, &conversation, 1400) {
        assert!(KrbError::read(&answer).is_ok(), "a ticket for garbage");
    }
    assert!(acceptor.accept(bytes, None).is_err(), "a login by garbage");
}

/// A token of a negotiation.
pub fn spnego(bytes: &[u8]) {
    let again = match spnego::Token::read(bytes) {
        Ok(spnego::Token::Init(init)) => (init.write(), spnego::Token::Init(init)),
        Ok(spnego::Token::Response(mut response)) => {
            // The number of a mechanism that is not known is not kept.
            response.mechanism = response
                .mechanism
                .filter(|one| *one != spnego::Mechanism::Other);
            (response.write(), spnego::Token::Response(response))
        }
        Ok(spnego::Token::Kerberos(token) | spnego::Token::Ntlm(token)) => {
            assert_eq!(token, bytes);
            return;
        }
        Err(_) => return,
    };
    assert_eq!(spnego::Token::read(&again.0), Ok(again.1));
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
        let path = path.replace("%2f", "/");
        assert!(!path.contains("/../"), "{path}");
    }
}

/// A document of any kind, or the part of one that is bare XML.
pub fn document(bytes: &[u8]) {
    let content = hyper::body::Bytes::copy_from_slice(bytes);
    for (kind, _) in document::Kind::ALL {
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

/// What is asked of certificate services, by POST and by GET, and a revocation list as services get
/// it. Nobody can sign one without the key: whatever is read is refused or is the one of the corpus.
pub fn revocation(bytes: &[u8]) {
    let by_post = Question::read(bytes);
    let by_get = Question::read_path(&BASE64.encode(bytes));
    assert_eq!(by_post.ok(), by_get.ok());
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Question::read_path(text);
    }
    let authority = include_bytes!("authority.der");
    if let Ok(list) = List::read(bytes, authority) {
        assert!(bytes == include_bytes!("corpus/revocation/list"));
        assert!(!list.revokes(&CertificateDer::from(&authority[..])));
    }
    assert!(List::read(bytes, bytes).is_err());
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

/// Whose tokens are among the seeds; nobody has the key any more.
fn signer() -> SignedBy {
    SignedBy::Pinned(include_bytes!("token-signing.der").to_vec())
}

fn then() -> Instant {
    Instant::read("2020-01-01T00:30:00Z").expect("an instant")
}

/// What a token says, if it holds.
pub fn token(text: &str) -> Option<Claims> {
    let by = signer();
    let expected = Expected {
        trusted: &[("urn:idp", &by)],
        roots: &[],
        audience: "urn:site",
        recipient: "https://site/",
        in_response_to: None,
        now: then(),
        skew: std::time::Duration::ZERO,
    };
    saml::verify(text, &expected).ok()
}

/// A token, a request for one, and such a request as it stands in an URL. Whatever is made of the
/// tokens that were signed, they are about nobody else.
pub fn saml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(claims) = token(text) {
        assert_eq!(
            (claims.subject.as_str(), claims.token.as_str()),
            ("pat@example.com", "_seed")
        );
    }
    let _ = AuthnRequest::read(text);
    if let Ok(text) = saml::inflated(text) {
        let _ = AuthnRequest::read(&text);
    }
    if let Some(instant) = Instant::read(text) {
        assert_eq!(Instant::read(&instant.to_string()), Some(instant));
    }
}

/// What a browser brings to a site: a form with a token, and cookies.
pub fn sign_in(bytes: &[u8]) {
    let provider = TrustedProvider {
        name: "idp".into(),
        issuer: "urn:idp".into(),
        sign_in: "https://idp/".into(),
        signed_by: signer(),
    };
    let settings = RelyingPartySettings::new("urn:site", "https://site/", vec![provider]);
    let party = RelyingParty::new(settings, &[]);
    let seen = SeenHere::default();
    let accepted = futures::executor::block_on(party.accept_at(bytes, &seen, then()));
    if let Ok(accepted) = accepted {
        assert_eq!(accepted.claims.subject, "pat@example.com");
        assert!(accepted.return_to.starts_with('/') && !accepted.return_to.starts_with("//"));
    }
    if let Ok(read) = Form::read(bytes) {
        assert_eq!(
            Form::read(fields_of_form::write(read.fields()).as_bytes()),
            Ok(read)
        );
    }
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        headers.insert("cookie", value);
        if let Some(token) = cookie(&headers, "FedAuth").and_then(Token::read) {
            assert_eq!(Token::read(&token.to_string()), Some(token));
        }
    }
}

/// What a member of the cache hears from another.
pub fn cache(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let Ok(length) = wire::Frame::length(*head) else {
            return;
        };
        let Some((content, after)) = after.split_at_checked(length) else {
            return;
        };
        if let Ok(frame) = wire::Frame::read(content) {
            assert_eq!(&frame.write()[4..], content);
        }
        rest = after;
    }
}
/// What a client of a database server sends: packets, and what they carry, also read as what they
/// are not; and the text of a batch, as SQLite gets it.
pub fn tds(bytes: &[u8]) {
    use lab_nodes::tds::packet::Assembler;
    use lab_nodes::tds::{Version, login, prelogin, rpc, transaction};
    let mut bodies = vec![bytes.to_vec()];
    let mut assembler = Assembler::default();
    for piece in bytes.chunks(700) {
        assembler.feed(piece);
        while let Ok(Some(message)) = assembler.next(1 << 16) {
            bodies.push(message.body);
        }
    }
    for body in bodies {
        if let Ok(read) = prelogin::Prelogin::read(&body) {
            assert!(prelogin::Prelogin::read(&read.write()).is_ok());
        }
        let _ = login::Login::read(&body);
        for version in [Version::V7_1, Version::V7_2, Version::V7_4] {
            let _ = rpc::calls(&body, version);
            let _ = transaction::request(&body, version);
            let _ = transaction::batch(&body, version);
        }
        if let Ok(text) = std::str::from_utf8(&body) {
            lab_nodes::sql_server::in_sqlites_words(text);
        }
    }
}

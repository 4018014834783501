//! What no stock client sends: requests that are old, changed, repeated, another's, or none at all.

use std::time::Duration;

use lab_nodes::kerberos::center::Center;
use lab_nodes::kerberos::crypto::{Etype, Key, usage};
use lab_nodes::kerberos::initiator::{
    Ask, Held, Initiator, InitiatorError, authentication, login, ticket,
};
use lab_nodes::kerberos::messages::{
    ApOptions, ApReq, Authenticator, Checksum, EncTicketPart, EncryptedData, EncryptionKey,
    ErrorCode, Exchange, KdcReq, KdcReqBody, KrbError, PaData, padata,
};
use lab_nodes::kerberos::time::{Time, write_timestamp};
use lab_nodes::kerberos::{Acceptor, Principal};
use md5::{Digest, Md5};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::stage::{PASSWORD, REALM, Running, keytab, start};

async fn refusal(dc: &Running, request: &KdcReq) -> ErrorCode {
    let answer = dc.center().await.ask(request.write()).await.unwrap();
    KrbError::read(&answer).expect("a refusal").code
}

/// A request for a ticket-granting ticket by password, at a time of that many seconds from now.
fn by_password(password: &str, seconds: i64) -> KdcReq {
    let client = Principal::user("alice", REALM);
    let service = Principal::service(&format!("krbtgt/{REALM}"), REALM);
    let mut request = authentication(&client, service);
    let key = Key::of_password(Etype::Aes256Sha1, password, &format!("{REALM}alice"));
    let (now, micros) = Time::now();
    let stamp = write_timestamp((now.plus(seconds), micros));
    request.padata = vec![PaData {
        kind: padata::ENC_TIMESTAMP,
        value: EncryptedData::seal(&key, usage::TIMESTAMP, None, &stamp).write(),
    }];
    request
}

#[tokio::test]
async fn a_proof_of_another_time_or_one_shown_before_is_refused() {
    let dc = start().await;
    for seconds in [-290, 290] {
        let answer = dc
            .center()
            .await
            .ask(by_password(PASSWORD, seconds).write())
            .await;
        assert_eq!(answer.unwrap().first(), Some(&0x6b), "{seconds}: an AS-REP");
    }
    for seconds in [-310, 310, 86_400] {
        let code = refusal(&dc, &by_password(PASSWORD, seconds)).await;
        assert_eq!(code, ErrorCode::KRB_AP_ERR_SKEW, "{seconds}");
    }
    let request = by_password(PASSWORD, 0);
    let answer = dc.center().await.ask(request.write()).await.unwrap();
    assert_eq!(answer.first(), Some(&0x6b));
    assert_eq!(refusal(&dc, &request).await, ErrorCode::KRB_AP_ERR_REPEAT);
}

#[tokio::test]
async fn a_datagram_sent_again_is_answered_again() {
    // The answer may have been lost: only another socket's copy is a replay.
    let dc = start().await;
    let request = by_password(PASSWORD, 0).write();
    let ask = async |socket: &UdpSocket| {
        socket.send_to(&request, dc.at).await.unwrap();
        let mut answer = vec![0; 4096];
        let limit = Duration::from_secs(10);
        let received = tokio::time::timeout(limit, socket.recv(&mut answer)).await;
        answer.truncate(received.expect("an answer").unwrap());
        answer
    };
    let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let answer = ask(&one).await;
    assert_eq!(answer.first(), Some(&0x6b));
    assert_eq!(ask(&one).await, answer);
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let refused = KrbError::read(&ask(&other).await).unwrap();
    assert_eq!(refused.code, ErrorCode::KRB_AP_ERR_REPEAT);
}

/// What is changed in a request to the ticket-granting service.
#[derive(Default)]
struct Changed {
    seconds: i64,
    client: Option<&'static str>,
    /// The type of another checksum; 0: none.
    checksum: Option<i32>,
    body: bool,
    ticket: bool,
    authenticator: bool,
    no_ticket: bool,
    service: Option<&'static str>,
    realm: Option<&'static str>,
}

fn for_service(granting: &Held, changed: &Changed) -> KdcReq {
    let realm = changed.realm.unwrap_or(REALM);
    let service = Principal::service(changed.service.unwrap_or("HTTP/localhost"), realm);
    let client = match changed.client {
        Some(name) => Principal::user(name, REALM),
        None => granting.client.clone(),
    };
    let body = authentication(&client, service).body;
    let mut request = KdcReq::new(
        Exchange::TicketGranting,
        KdcReqBody {
            client: None,
            realm: realm.into(),
            ..body
        },
    );
    let session = &granting.session;
    let checksum = changed.checksum.unwrap_or(16);
    let checksum = (checksum != 0).then(|| Checksum {
        kind: checksum,
        bytes: match checksum {
            7 => Md5::digest(&request.raw_body).to_vec(),
            _ => session.checksum(usage::TGS_BODY, &request.raw_body),
        },
    });
    let (now, micros) = Time::now();
    let proof = Authenticator {
        client,
        checksum,
        time: (now.plus(changed.seconds), micros),
        subkey: None,
        sequence: None,
    };
    let mut shown = ApReq {
        options: ApOptions::default(),
        ticket: granting.ticket.clone(),
        authenticator: EncryptedData::seal(
            &granting.session,
            usage::TGS_AUTHENTICATOR,
            None,
            &proof.write(),
        ),
    };
    if changed.ticket {
        shown.ticket.sealed.cipher[40] ^= 1;
    }
    if changed.authenticator {
        shown.authenticator.cipher[40] ^= 1;
    }
    if !changed.no_ticket {
        request.padata.push(PaData {
            kind: padata::TGS_REQ,
            value: shown.write(),
        });
    }
    if changed.body {
        // The nonce of another request.
        let other = KdcReq::new(
            Exchange::TicketGranting,
            KdcReqBody {
                nonce: 1,
                ..request.body.clone()
            },
        );
        request.raw_body = other.raw_body;
    }
    request
}

#[tokio::test]
async fn the_ticket_granting_service_names_what_is_wrong() {
    let dc = start().await;
    let granting = login(&mut dc.center().await, "alice", PASSWORD, REALM)
        .await
        .unwrap();
    let good = for_service(&granting, &Changed::default());
    let answer = dc.center().await.ask(good.write()).await.unwrap();
    assert_eq!(answer.first(), Some(&0x6d), "a TGS-REP");
    assert_eq!(refusal(&dc, &good).await, ErrorCode::KRB_AP_ERR_REPEAT);
    // Java's checksum has no key; impacket sends none.
    for checksum in [0, 7] {
        let changed = Changed {
            checksum: Some(checksum),
            ..Changed::default()
        };
        let request = for_service(&granting, &changed).write();
        let answer = dc.center().await.ask(request).await.unwrap();
        assert_eq!(answer.first(), Some(&0x6d), "checksum of type {checksum}");
    }
    let default = Changed::default;
    for (changed, code) in [
        (
            Changed {
                seconds: 400,
                ..default()
            },
            ErrorCode::KRB_AP_ERR_SKEW,
        ),
        (
            Changed {
                client: Some("bob"),
                ..default()
            },
            ErrorCode::KRB_AP_ERR_BADMATCH,
        ),
        (
            Changed {
                checksum: Some(1),
                ..default()
            },
            ErrorCode::KRB_AP_ERR_INAPP_CKSUM,
        ),
        (
            Changed {
                body: true,
                ..default()
            },
            ErrorCode::KRB_AP_ERR_MODIFIED,
        ),
        (
            Changed {
                body: true,
                checksum: Some(7),
                ..default()
            },
            ErrorCode::KRB_AP_ERR_MODIFIED,
        ),
        (
            Changed {
                ticket: true,
                ..default()
            },
            ErrorCode::KRB_AP_ERR_BAD_INTEGRITY,
        ),
        (
            Changed {
                authenticator: true,
                ..default()
            },
            ErrorCode::KRB_AP_ERR_BAD_INTEGRITY,
        ),
        (
            Changed {
                no_ticket: true,
                ..default()
            },
            ErrorCode::KDC_ERR_PADATA_TYPE_NOSUPP,
        ),
        (
            Changed {
                service: Some("HTTP/x"),
                ..default()
            },
            ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN,
        ),
        (
            Changed {
                service: Some("bob"),
                ..default()
            },
            ErrorCode::KDC_ERR_MUST_USE_USER2USER,
        ),
        (
            Changed {
                realm: Some("ELSEWHERE"),
                ..default()
            },
            ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN,
        ),
    ] {
        assert_eq!(refusal(&dc, &for_service(&granting, &changed)).await, code);
    }
    // A ticket for a service buys no other ticket.
    let for_web = ticket(&mut dc.center().await, &granting, "HTTP/localhost")
        .await
        .unwrap();
    let code = refusal(&dc, &for_service(&for_web, &Changed::default())).await;
    assert_eq!(code, ErrorCode::KRB_AP_ERR_NOT_US);
    // Neither does one that the client made with a key of its own.
    let part = EncTicketPart {
        flags: Default::default(),
        key: EncryptionKey::from(&granting.session),
        client: Principal::user("alice", REALM),
        authenticated: Time::now().0,
        starts: None,
        ends: Time::now().0.plus(3600),
        renew_till: None,
    };
    let mut forged = granting.clone();
    forged.ticket.sealed = EncryptedData::seal(
        &Key::random(Etype::Aes256Sha1),
        usage::TICKET,
        Some(1),
        &part.write(),
    );
    let code = refusal(&dc, &for_service(&forged, &Changed::default())).await;
    assert_eq!(code, ErrorCode::KRB_AP_ERR_BAD_INTEGRITY);
}

#[tokio::test]
async fn a_server_is_logged_in_to_and_proves_itself() {
    let dc = start().await;
    let wrong = login(&mut dc.center().await, "alice", "wrong", REALM).await;
    let Err(InitiatorError::Refused(ErrorCode::KDC_ERR_PREAUTH_FAILED, _)) = wrong else {
        panic!("{wrong:?}");
    };
    let granting = login(&mut dc.center().await, "alice", PASSWORD, REALM)
        .await
        .unwrap();
    let held = ticket(&mut dc.center().await, &granting, "HTTP/localhost")
        .await
        .unwrap();
    let acceptor = Acceptor::new(keytab());
    let (initiator, token) = Initiator::start(&held, None);
    let mut accepted = acceptor.accept(&token, None).unwrap();
    assert_eq!(accepted.client.to_string(), "alice@CORP.CONTOSO.COM");
    let mut context = initiator.finish(&accepted.reply.unwrap()).unwrap();
    let sealed = context.wrap(b"hello", true);
    assert_eq!(accepted.context.unwrap(&sealed).unwrap().plain, b"hello");
    // The proof of one login is none for another.
    let (first, token) = Initiator::start(&held, None);
    let (second, _) = Initiator::start(&held, None);
    let reply = acceptor.accept(&token, None).unwrap().reply.unwrap();
    assert!(second.finish(&reply).is_err());
    assert!(first.finish(&reply).is_ok());
    // A changed byte anywhere is refused.
    let (_, token) = Initiator::start(&held, None);
    for at in 0..token.len() {
        let mut changed = token.clone();
        changed[at] ^= 1;
        if let Ok(accepted) = acceptor.accept(&changed, None) {
            // Only what nobody protects and nobody reads: versions of keys, options.
            assert_eq!(
                accepted.client.to_string(),
                "alice@CORP.CONTOSO.COM",
                "byte {at}"
            );
        }
    }
}

#[tokio::test]
async fn garbage_is_refused_and_the_next_client_served() {
    let dc = start().await;
    // No length is believed before the bytes are there.
    let mut huge = TcpStream::connect(dc.at).await.unwrap();
    huge.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    let mut told = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), huge.read_to_end(&mut told)).await;
    assert!(closed.is_ok(), "the connection is not closed");
    let refused = KrbError::read(&told[4..]).unwrap();
    assert_eq!(refused.code, ErrorCode::KRB_ERR_FIELD_TOOLONG);
    // What is no request gets no answer; a broken one is told so.
    let mut center = dc.center().await;
    assert!(
        center
            .ask(b"GET / HTTP/1.1\r\n\r\n".to_vec())
            .await
            .is_err()
    );
    let good = by_password(PASSWORD, 0).write();
    for at in (0..good.len()).step_by(7) {
        let answer = dc.center().await.ask(good[..at].to_vec()).await;
        if let Ok(answer) = answer {
            let refused = KrbError::read(&answer).expect("a refusal");
            assert_eq!(refused.code, ErrorCode::KRB_ERR_GENERIC, "{at} bytes");
        }
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for length in [0, 1, 100, 20_000] {
        socket.send_to(&vec![0x6a; length], dc.at).await.unwrap();
    }
    let mut center: Center = dc.center().await;
    login(&mut center, "alice", PASSWORD, REALM).await.unwrap();
}

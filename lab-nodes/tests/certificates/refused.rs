//! Servers and clients whose certificate is revoked, refused in the handshake.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use lab_nodes::http::dial;
use lab_nodes::revocation::{List, ListError, Revocation};
use lab_nodes::tls::ClientCertificate;
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::authority::{Ca, LIMIT, ran};

const REVOKED_AT: i64 = 1_700_000_000;

/// Greets every client that gets through the handshake, and hears its greeting.
async fn greeter(config: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(config.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                stream.write_all(b"hello").await?;
                stream.shutdown().await?;
                stream.read_to_end(&mut Vec::new()).await
            });
        }
    });
    at
}

/// What kind of handshake it took to be greeted.
async fn greeted(at: SocketAddr, config: &Arc<ClientConfig>) -> Result<HandshakeKind, String> {
    let stream = TcpStream::connect(at).await.unwrap();
    let mut stream = dial::tls(stream, config, "web.example")
        .await
        .map_err(|error| error.to_string())?;
    let mut heard = Vec::new();
    stream
        .read_to_end(&mut heard)
        .await
        .map_err(|error| error.to_string())?;
    assert_eq!(heard, b"hello");
    Ok(stream.get_ref().1.handshake_kind().unwrap())
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(LIMIT, async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

#[tokio::test]
async fn a_revoked_server_is_refused_also_where_its_session_could_be_resumed() {
    let mut ca = Ca::new();
    let (web, proxy) = (ca.issue("web.example"), ca.issue("proxy"));
    let trust = vec![ca.root.clone()];
    let server = Revocation::unchecked()
        .server_config(&web, &trust, ClientCertificate::NotAsked)
        .unwrap();
    let at = greeter(server).await;
    let revocation = Revocation::of_credential(&proxy);
    let client = revocation.client_config(&trust, Some(&proxy)).unwrap();
    // The authority is not up yet: nothing is known, and nobody waits for it.
    assert_eq!(greeted(at, &client).await, Ok(HandshakeKind::Full));
    assert_eq!(greeted(at, &client).await, Ok(HandshakeKind::Resumed));
    let mut version = revocation.version();
    let _running = ca.serve().await;
    ca.revoke("web.example", Some(REVOKED_AT));
    tokio::time::timeout(LIMIT, version.changed())
        .await
        .unwrap()
        .unwrap();
    let refused = greeted(at, &client).await.unwrap_err();
    assert!(refused.contains("Revoked"), "{refused}");
    // The list is asked for again when it is no longer fresh, and somebody is verified.
    ca.revoke("web.example", None);
    until("it is good again", async || {
        greeted(at, &client).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_revoked_client_is_refused_and_others_are_not() {
    let mut ca = Ca::new();
    let (web, good, bad) = (ca.issue("web.example"), ca.issue("good"), ca.issue("bad"));
    ca.revoke("bad", Some(REVOKED_AT));
    let _running = ca.serve().await;
    let trust = vec![ca.root.clone()];
    let revocation = Revocation::of_credential(&web);
    let server = revocation
        .server_config(&web, &trust, ClientCertificate::Asked)
        .unwrap();
    let at = greeter(server).await;
    let client = |own| Revocation::unchecked().client_config(&trust, own).unwrap();
    let mut version = revocation.version();
    assert!(greeted(at, &client(Some(&good))).await.is_ok());
    tokio::time::timeout(LIMIT, version.changed())
        .await
        .unwrap()
        .unwrap();
    let refused = greeted(at, &client(Some(&bad))).await.unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "{refused}");
    assert!(greeted(at, &client(Some(&good))).await.is_ok());
    assert!(greeted(at, &client(None)).await.is_ok());
    // A stock client is told by the same alert.
    let (crt, key, root) = (ca.path("bad.pem"), ca.path("bad.key"), ca.path("root.pem"));
    let (issuing, place) = (ca.path("issuing.pem"), at.to_string());
    let args = [
        "s_client",
        "-connect",
        &place,
        "-CAfile",
        &root,
        "-cert",
        &crt,
        "-key",
        &key,
        "-cert_chain",
        &issuing,
        "-ign_eof",
    ];
    let (_, text) = ran("openssl", &args).await;
    assert!(text.contains("alert certificate revoked"), "{text}");
}

#[tokio::test]
async fn a_list_of_somebody_else_or_changed_on_the_way_is_not_used() {
    let mut ca = Ca::new();
    let own = ca.issue("web.example");
    ca.revoke("web.example", Some(REVOKED_AT));
    let _running = ca.serve().await;
    let (url, path) = (ca.url("issuing.crl"), ca.path("list.der"));
    let (well, text) = ran("curl", &["-fsS", "-o", &path, &url]).await;
    assert!(well, "{text}");
    let list = std::fs::read(&path).unwrap();
    let authority = &own.chain[1];
    let read = List::read(&list, authority).unwrap();
    assert!(read.revokes(&own.chain[0]) && !read.revokes(authority));
    assert!(read.is_current_at(std::time::SystemTime::now()));
    let stranger = Ca::new();
    let other = stranger.issue("other");
    // Of the same name, with another key.
    assert!(matches!(
        List::read(&list, &other.chain[1]),
        Err(ListError::Signature)
    ));
    assert!(!read.revokes(&ca.root));
    for at in 0..list.len() {
        let mut changed = list.clone();
        changed[at] ^= 1;
        assert!(List::read(&changed, authority).is_err(), "byte {at}");
        assert!(List::read(&list[..at], authority).is_err(), "{at} bytes");
    }
}

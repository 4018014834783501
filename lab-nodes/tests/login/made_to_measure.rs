//! Messages that no stock client sends.

use std::net::SocketAddr;

use data_encoding::BASE64;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use lab_nodes::http::dial;
use lab_nodes::ntlm::initiator::{Purpose, Random};
use lab_nodes::ntlm::{Flags, Initiator, binding};
use lab_nodes::tls;
use tokio::task::JoinSet;

use crate::controller::PASSWORD;
use crate::site::{HOST, Stage};

/// A client's connection.
struct Client {
    sender: SendRequest<Full<Bytes>>,
    _task: JoinSet<()>,
}

impl Client {
    async fn connect(stage: &Stage) -> Self {
        let trust = [stage.authority.root.clone()];
        let config = tls::client_config(&trust, None).unwrap();
        let at: SocketAddr = stage.secure;
        let stream = dial::tls(dial::tcp(at).await.unwrap(), &config, HOST);
        let stream = TokioIo::new(stream.await.unwrap());
        let (sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let _ = connection.await;
        });
        Self {
            sender,
            _task: task,
        }
    }

    /// Status, `WWW-Authenticate` fields, body.
    async fn ask(&mut self, field: Option<&str>) -> (u16, Vec<String>, String) {
        let mut request = Request::get("/").header("host", HOST);
        if let Some(field) = field {
            request = request.header("authorization", field);
        }
        self.sender.ready().await.unwrap();
        let request = request.body(Full::default()).unwrap();
        let (head, body) = self
            .sender
            .send_request(request)
            .await
            .unwrap()
            .into_parts();
        let fields = head.headers.get_all("www-authenticate").iter();
        let fields = fields.map(|field| field.to_str().unwrap().to_owned());
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status.as_u16(),
            fields.collect(),
            String::from_utf8_lossy(&body).into_owned(),
        )
    }

    /// Sends the first message, and makes the third.
    async fn third(&mut self, scheme: &str, purpose: &Purpose) -> Vec<u8> {
        let who = Initiator {
            user: "alice".into(),
            domain: "CONTOSO".into(),
            password: PASSWORD.into(),
            workstation: "PC1".into(),
        };
        let first = who.negotiate(Flags::default());
        let (status, fields, _) = self.ask(Some(&field(scheme, &first))).await;
        assert_eq!((status, fields.len()), (401, 1), "{fields:?}");
        let second = fields[0].strip_prefix(&format!("{scheme} ")).unwrap();
        let second = BASE64.decode(second.as_bytes()).unwrap();
        let random = Random {
            challenge: [5; 8],
            session_key: [6; 16],
        };
        who.authenticate(&first, &second, purpose, random, 0)
            .unwrap()
            .0
    }
}

fn field(scheme: &str, token: &[u8]) -> String {
    format!("{scheme} {}", BASE64.encode(token))
}

#[tokio::test]
async fn a_third_message_counts_once_and_on_its_connection() {
    let stage = Stage::new().await;
    for scheme in ["NTLM", "Negotiate"] {
        let mut client = Client::connect(&stage).await;
        let third = client.third(scheme, &Purpose::default()).await;
        let login = field(scheme, &third);
        let (status, _, said) = client.ask(Some(&login)).await;
        assert!(
            status == 200 && said.starts_with("alice by ntlm"),
            "{scheme}: {said}"
        );
        assert_eq!(client.ask(None).await.0, 200, "the connection is logged in");
        // Once more on the same connection, which is nobody's then.
        assert_eq!(client.ask(Some(&login)).await.0, 401, "{scheme}");
        assert_eq!(client.ask(None).await.0, 401, "{scheme}");
        // On another, as it is and after a challenge of its own.
        let mut other = Client::connect(&stage).await;
        assert_eq!(other.ask(Some(&login)).await.0, 401, "{scheme}");
        other.third(scheme, &Purpose::default()).await;
        assert_eq!(other.ask(Some(&login)).await.0, 401, "{scheme}");
        assert_eq!(other.ask(None).await.0, 401, "{scheme}");
    }
}

#[tokio::test]
async fn a_changed_byte_is_refused() {
    let mut stage = Stage::new().await;
    let proof_at = |third: &[u8]| u32::from_le_bytes(third[24..28].try_into().unwrap()) as usize;
    for part in ["mic", "proof", "what it is made over", "user"] {
        let mut client = Client::connect(&stage).await;
        let mut third = client.third("NTLM", &Purpose::default()).await;
        let at = match part {
            "mic" => 72,
            "proof" => proof_at(&third),
            "user" => u32::from_le_bytes(third[40..44].try_into().unwrap()) as usize,
            _ => proof_at(&third) + 40,
        };
        third[at] ^= 1;
        assert_eq!(
            client.ask(Some(&field("NTLM", &third))).await.0,
            401,
            "{part}"
        );
        assert_eq!(client.ask(None).await.0, 401, "{part}");
    }
    assert_eq!(stage.logins().await.len(), 4);
}

#[tokio::test]
async fn a_login_that_is_bound_to_another_certificate_is_refused() {
    let stage = Stage::new().await;
    let elsewhere = stage.authority.credential(&["mallory.example"]);
    let purpose = Purpose {
        binding: Some((&binding::to_certificate(&elsewhere.chain[0])).into()),
        service: None,
    };
    let mut client = Client::connect(&stage).await;
    let third = client.third("NTLM", &purpose).await;
    assert_eq!(client.ask(Some(&field("NTLM", &third))).await.0, 401);
}

#[tokio::test]
async fn what_is_no_login_is_refused_and_the_connection_lives() {
    let stage = Stage::new().await;
    let mut client = Client::connect(&stage).await;
    let long = field(
        "NTLM",
        &[b"NTLMSSP\0\x03\0\0\0".to_vec(), vec![0; 40_000]].concat(),
    );
    for field in [
        "NTLM",
        "NTLM !!!!",
        "NTLM AAAA",
        "Negotiate TlRMTVNTUAAJAAAA",
        "Negotiate YII=",
        "Basic AAAA",
        "Basic //8=",
        "Digest username=alice",
        &long,
    ] {
        let (status, fields, _) = client.ask(Some(field)).await;
        assert_eq!((status, fields.len()), (401, 3), "{field}");
    }
    assert_eq!(client.ask(None).await.0, 401);
}

//! Logins at a server: curl, and MIT's GSS-API library as Python offers it.

use std::sync::Arc;

use data_encoding::BASE64;
use lab_nodes::kerberos::{Acceptor, ChannelBinding};
use lab_nodes::spnego::{Mechanism, NegTokenResponse, State, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{Client, PASSWORD, keytab, start};

/// Answers one request: with the client's name, or with why it has none.
async fn answer(mut stream: TcpStream, acceptor: Arc<Acceptor>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).expect("a head");
    let token = head
        .lines()
        .find_map(|line| line.strip_prefix("Authorization: Negotiate "));
    let (status, challenge, body) = match token {
        None => (
            "401 Unauthorized",
            "Negotiate".to_owned(),
            "who?".to_owned(),
        ),
        Some(token) => {
            let token = BASE64.decode(token.as_bytes()).expect("base64");
            let Ok(Token::Init(init)) = Token::read(&token) else {
                panic!("no first message of a negotiation: {head}");
            };
            assert!(init.mechanisms.contains(&Mechanism::Kerberos));
            match acceptor.accept(&init.token.expect("a token"), None) {
                Ok(accepted) => {
                    let response = NegTokenResponse {
                        state: Some(State::Completed),
                        mechanism: Some(Mechanism::Kerberos),
                        token: accepted.reply.clone(),
                        mic: None,
                    };
                    let challenge = format!("Negotiate {}", BASE64.encode(&response.write()));
                    (
                        "200 OK",
                        challenge,
                        format!("{} by {}\n", accepted.client, accepted.proof()),
                    )
                }
                Err(rejected) => ("403 Forbidden", "Negotiate".into(), rejected.to_string()),
            }
        }
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nWWW-Authenticate: {challenge}\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(response.as_bytes()).await;
}

#[tokio::test]
async fn curl_negotiates() {
    let dc = start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = Arc::new(Acceptor::new(keytab()));
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&acceptor)));
        }
    });
    let client = Client::new(dc.at, "");
    let curl = format!("curl -sS --fail-with-body --negotiate -u : http://localhost:{port}/");
    client.sh(&curl, "").await.fails();
    client.kinit("alice", PASSWORD).await.ok();
    client
        .sh(&curl, "")
        .await
        .ok()
        .says("alice@CORP.CONTOSO.COM by a ticket for HTTP/localhost, aes256-cts-hmac-sha1-96");
    server.abort();
}

/// What the other side of `messages_are_signed_and_sealed` does with MIT's library.
const PEER: &str = r#"
import socket, struct, sys, gssapi
def send(token): link.sendall(struct.pack(">I", len(token)) + token)
def receive():
    (length,) = struct.unpack(">I", link.recv(4, socket.MSG_WAITALL))
    return link.recv(length, socket.MSG_WAITALL)
link = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
name = gssapi.Name("HTTP@localhost", gssapi.NameType.hostbased_service)
binding = gssapi.raw.ChannelBindings(application_data=b"tls-server-end-point:" + bytes(32))
wrong = gssapi.raw.ChannelBindings(application_data=b"tls-server-end-point:" + bytes([1] * 32))
flag = gssapi.RequirementFlag
flags = [flag.mutual_authentication, flag.confidentiality, flag.integrity,
         flag.out_of_sequence_detection, flag.replay_detection]
send(gssapi.SecurityContext(name=name, usage="initiate", flags=flags, channel_bindings=wrong).step())
assert receive() == b"no"
context = gssapi.SecurityContext(name=name, usage="initiate", flags=flags, channel_bindings=binding)
token = context.step()
send(token)
context.step(receive())
assert context.complete
send(token)
assert receive() == b"no"
for seal in (True, False, True):
    message = context.wrap(b"hello", seal)
    send(message.message)
    answer = context.unwrap(receive())
    assert (answer.message, answer.encrypted) == (b"you said hello", seal), answer
send(context.get_signature(b"signed"))
context.verify_signature(b"signed too", receive())
print("all is well")
"#;

async fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_u32().await.expect("a length");
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await.expect("a message");
    bytes
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_u32(bytes.len() as u32).await.unwrap();
    stream.write_all(bytes).await.unwrap();
}

#[tokio::test]
async fn messages_are_signed_and_sealed() {
    let dc = start().await;
    let client = Client::new(dc.at, "");
    client.kinit("alice", PASSWORD).await.ok();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    std::fs::write(client.folder.join("peer.py"), PEER).unwrap();
    let server = tokio::spawn(async move {
        let acceptor = Acceptor::new(keytab());
        let binding = ChannelBinding::tls_server_end_point(&[0; 32]);
        let (mut stream, _) = listener.accept().await.unwrap();
        let token = receive(&mut stream).await;
        let rejected = acceptor.accept(&token, Some(&binding)).unwrap_err();
        assert!(rejected.reason.contains("another channel"), "{rejected}");
        send(&mut stream, b"no").await;

        let token = receive(&mut stream).await;
        let accepted = acceptor.accept(&token, Some(&binding)).unwrap();
        assert!(accepted.bound);
        send(&mut stream, &accepted.reply.unwrap()).await;
        let again = receive(&mut stream).await;
        assert_eq!(again, token);
        let rejected = acceptor.accept(&again, Some(&binding)).unwrap_err();
        assert!(rejected.reason.contains("KRB_AP_ERR_REPEAT"), "{rejected}");
        send(&mut stream, b"no").await;

        let mut context = accepted.context;
        for seal in [true, false, true] {
            let said = context.unwrap(&receive(&mut stream).await).unwrap();
            assert_eq!((said.plain.as_slice(), said.sealed), (&b"hello"[..], seal));
            let answer = context.wrap(b"you said hello", seal);
            send(&mut stream, &answer).await;
        }
        let mic = receive(&mut stream).await;
        assert_eq!(context.verify_mic(b"signed", &mic), Ok(()));
        let mic = context.mic(b"signed too");
        send(&mut stream, &mic).await;
    });
    let came = client
        .sh(&format!("/usr/bin/python3 peer.py {port}"), "")
        .await;
    server.await.unwrap();
    came.ok().says("all is well");
}

//! What a domain controller answers, and to whom; and how it is found again.

use std::net::SocketAddr;

use lab_core::service::{Conversation, Spans};
use lab_nodes::ldap::{Asked, Caller, Code, Extension};
use lab_nodes::login::question::{Bytes, Password, Question, Verdict};
use lab_nodes::login::{Controllers, Verification};
use lab_nodes::tls;

use crate::authority::Authority;
use crate::controller::{Controller, PASSWORD, accounts};

fn nowhere() -> Conversation {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    Conversation::tcp(nowhere, nowhere, &Spans::unwatched())
}

fn password(account: &str, password: &str) -> Question {
    Question::Password {
        account: account.into(),
        password: Password(password.into()),
    }
}

#[test]
fn only_a_node_that_shows_its_certificate_is_answered() {
    let authority = Authority::new();
    let verification = Verification::new(accounts());
    let node = authority.credential(&["sp-fe1.corp.contoso.com"]).chain[0].clone();
    let question = serde_json::to_vec(&password("alice", PASSWORD)).unwrap();
    for (secure, certificate, value, code) in [
        (true, Some(&node), &question[..], Code::SUCCESS),
        (true, None, &question, Code::INSUFFICIENT_ACCESS_RIGHTS),
        (
            false,
            Some(&node),
            &question,
            Code::INSUFFICIENT_ACCESS_RIGHTS,
        ),
        (true, Some(&node), b"{}", Code::PROTOCOL_ERROR),
        (true, Some(&node), b"\xff", Code::PROTOCOL_ERROR),
    ] {
        let caller = Caller {
            address: SocketAddr::from(([127, 0, 0, 1], 9)),
            secure,
            certificate: certificate.cloned(),
            conversation: nowhere(),
        };
        let answer = verification.answer(&Asked {
            value: Some(value),
            caller: &caller,
        });
        assert_eq!(answer.code, code);
        assert_eq!(answer.value.is_some(), code == Code::SUCCESS);
    }
}

#[test]
fn a_question_that_is_none_of_ntlm_is_refused_and_shows_no_secret() {
    let verification = Verification::new(accounts());
    let question = Question::Ntlm {
        user: "alice".into(),
        domain: String::new(),
        challenge: Bytes(vec![1, 2, 3]),
        response: Bytes(vec![]),
    };
    assert!(matches!(
        verification.judge(&question),
        Verdict::Refused { .. }
    ));
    let shown = format!(
        "{:?} {}",
        password("alice", PASSWORD),
        password("alice", PASSWORD)
    );
    assert!(!shown.contains(PASSWORD), "{shown}");
}

#[tokio::test]
async fn a_controller_that_comes_back_is_found_again() {
    let authority = Authority::new();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut first = Controller::start(&authority, accounts(), anywhere).await;
    let at = SocketAddr::from(([127, 0, 0, 1], first.port));
    let own = authority.credential(&["sp-fe1.corp.contoso.com"]);
    let config = tls::client_config(&[authority.root.clone()], Some(&*own)).unwrap();
    let controllers = Controllers::new(vec![first.peer.clone()], config).on_port(first.port);
    let conversation = nowhere();
    let ask = async || {
        controllers
            .ask(&password("alice", PASSWORD), &conversation)
            .await
    };
    assert!(matches!(ask().await, Ok(Verdict::Good { .. })));
    first.kill().await;
    let missing = ask().await.unwrap_err().to_string();
    assert!(
        missing.contains("dc1: ") && missing.contains("refused"),
        "{missing}"
    );
    // The kept connection is dead and another one opened.
    let _second = Controller::start(&authority, accounts(), at).await;
    assert!(matches!(ask().await, Ok(Verdict::Good { .. })));
}

#[tokio::test]
async fn a_controller_with_another_name_is_told_nothing() {
    let authority = Authority::new();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let controller = Controller::start(&authority, accounts(), anywhere).await;
    let own = authority.credential(&["sp-fe1.corp.contoso.com"]);
    let mut peer = controller.peer.clone();
    peer.fqdn = "dc2.corp.contoso.com".into();
    let config = tls::client_config(&[authority.root.clone()], Some(&*own)).unwrap();
    let controllers = Controllers::new(vec![peer.clone()], config).on_port(controller.port);
    let conversation = nowhere();
    let asked = controllers
        .ask(&password("alice", PASSWORD), &conversation)
        .await;
    assert!(
        asked
            .unwrap_err()
            .to_string()
            .contains("dc2.corp.contoso.com")
    );
    // And one that shows no certificate of its own is told nothing either.
    let config = tls::client_config(&[authority.root.clone()], None).unwrap();
    let controllers =
        Controllers::new(vec![controller.peer.clone()], config).on_port(controller.port);
    let asked = controllers
        .ask(&password("alice", PASSWORD), &conversation)
        .await;
    let refused = asked.unwrap_err().to_string();
    assert!(refused.contains("show their certificate"), "{refused}");
}

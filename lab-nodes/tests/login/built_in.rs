//! The built-in client of scenarios.

use lab_core::scenario::client::{Answer, Ask, Errand, HttpAsk, HttpLogin, LoginWay};

use crate::controller::PASSWORD;
use crate::site::Stage;

async fn ask(stage: &Stage, way: LoginWay, account: &str, password: &str) -> Answer {
    let login = HttpLogin {
        way,
        account: account.into(),
        password: password.into(),
        domain: "CONTOSO".into(),
        realm: "CORP.CONTOSO.COM".into(),
    };
    let http = HttpAsk {
        url: format!("http://{}/", stage.plain),
        method: "POST".into(),
        body: Some("hello".into()),
        login: Some(login),
        ..HttpAsk::default()
    };
    let errand = Errand {
        ask: Ask::Http(http),
        times: 1,
        limit: 10_000,
    };
    let mut answers = lab_nodes::client::run(errand).await;
    answers.remove(0)
}

#[tokio::test]
async fn it_logs_in_by_ntlm_and_its_messages_are_intact() {
    let stage = Stage::new().await;
    for account in ["alice", "CONTOSO\\alice", "alice@corp.contoso.com"] {
        let answer = ask(&stage, LoginWay::Ntlm, account, PASSWORD).await;
        assert_eq!(answer.failure, None);
        let said = "alice by ntlm, NTLMv2, messages intact, in [\"employees\"], sent 5";
        assert_eq!(
            (answer.status, answer.text.trim()),
            (Some(200), said),
            "{account}"
        );
    }
    let answer = ask(&stage, LoginWay::Ntlm, "alice", "wrong").await;
    assert_eq!(answer.status, Some(401));
}

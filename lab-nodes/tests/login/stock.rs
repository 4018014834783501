//! Stock clients: curl, and Python's requests with NTLM, which sends a MIC and a channel binding.

use std::sync::atomic::Ordering;

use lab_nodes::login::Way;
use tokio::process::Command;

use crate::controller::{LOCKS, PASSWORD};
use crate::site::{HOST, Stage, curl, url};

async fn run(program: &str, arguments: &[String]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .output()
        .await
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn by_curl(stage: &Stage, more: &[&str]) -> String {
    let mut arguments = curl(stage);
    arguments.extend(more.iter().map(|&one| one.to_owned()));
    if !more.iter().any(|one| one.starts_with("http")) {
        arguments.push(url(stage));
    }
    run("curl", &arguments).await
}

#[tokio::test]
async fn curl_logs_in_by_ntlm() {
    let mut stage = Stage::new().await;
    for name in [
        "CONTOSO\\alice",
        "alice",
        "Alice",
        "corp.contoso.com\\ALICE",
    ] {
        let user = format!("{name}:{PASSWORD}");
        let answer = by_curl(&stage, &["--ntlm", "-u", &user]).await;
        assert_eq!(
            answer, "alice by ntlm, NTLMv2, in [\"employees\"], sent 0\n [200]",
            "{name}"
        );
    }
    let login = ("ntlm".to_owned(), "alice".to_owned(), true);
    assert_eq!(stage.logins().await, vec![login; 4]);
    // A second request on the connection is not asked again.
    let user = format!("bob:{PASSWORD}");
    let asked = stage.controller.asked.load(Ordering::SeqCst);
    let twice = by_curl(&stage, &["--ntlm", "-u", &user, &url(&stage), &url(&stage)]).await;
    assert_eq!(twice.matches("bob by ntlm").count(), 2, "{twice}");
    assert_eq!(stage.controller.asked.load(Ordering::SeqCst), asked + 1);
    // All of them over one connection.
    assert_eq!(stage.controller.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_wrong_password_an_unknown_user_and_a_foreign_domain_are_refused() {
    let mut stage = Stage::new().await;
    for (way, user) in [
        ("--ntlm", "alice:wrong"),
        ("--ntlm", "mallory:Passw0rd!"),
        ("--ntlm", "FABRIKAM\\alice:Passw0rd!"),
        ("--basic", "alice:wrong"),
        ("--basic", "mallory:Passw0rd!"),
        ("--basic", "FABRIKAM\\alice:Passw0rd!"),
    ] {
        let answer = by_curl(&stage, &[way, "-u", user]).await;
        assert_eq!(answer, "You have to log in to see this.\n [401]", "{user}");
    }
    let logins = stage.logins().await;
    assert_eq!(logins.len(), 6);
    assert!(
        logins.iter().all(|(_, _, verified)| !verified),
        "{logins:?}"
    );
}

#[tokio::test]
async fn curl_logs_in_by_basic_and_only_inside_tls() {
    let stage = Stage::new().await;
    for name in [
        "CONTOSO\\alice",
        "alice",
        "alice@contoso.com",
        "alice@corp.contoso.com",
    ] {
        let user = format!("{name}:{PASSWORD}");
        let answer = by_curl(&stage, &["--basic", "-u", &user]).await;
        assert!(answer.starts_with("alice by basic"), "{name}: {answer}");
    }
    let plain = format!("http://{}/", stage.plain);
    let user = format!("alice:{PASSWORD}");
    let asked = by_curl(&stage, &["--basic", "-u", &user, "-i", &plain]).await;
    assert!(
        asked.contains("401 Unauthorized") && !asked.contains("Basic"),
        "{asked}"
    );
    let inside = by_curl(&stage, &["-i"]).await;
    let fields: Vec<&str> = inside
        .lines()
        .filter_map(|line| line.strip_prefix("www-authenticate: "))
        .collect();
    assert_eq!(
        fields,
        [
            "Negotiate",
            "NTLM",
            "Basic realm=\"corp.contoso.com\", charset=\"UTF-8\""
        ]
    );
}

#[tokio::test]
async fn a_body_is_sent_through_the_whole_login() {
    // Of several ways, curl takes Negotiate before it sees that it has no ticket.
    let stage = Stage::offering(&[Way::Ntlm, Way::Basic]).await;
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("upload-{}", std::process::id()));
    std::fs::write(&file, vec![b'x'; 300_000]).unwrap();
    let data = format!("@{}", file.display());
    let user = format!("alice:{PASSWORD}");
    for way in ["--ntlm", "--basic", "--anyauth"] {
        let more = [way, "-u", &user, "--data-binary", &data];
        let answer = by_curl(&stage, &more).await;
        assert!(answer.ends_with("sent 300000\n [200]"), "{way}: {answer}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn wrong_passwords_lock_an_account_for_every_method() {
    let stage = Stage::new().await;
    for _ in 0..LOCKS {
        by_curl(&stage, &["--ntlm", "-u", "bob:wrong"]).await;
    }
    let user = format!("bob:{PASSWORD}");
    for way in ["--ntlm", "--basic"] {
        let answer = by_curl(&stage, &[way, "-u", &user]).await;
        assert!(answer.ends_with("[401]"), "{way}: {answer}");
    }
    let user = format!("alice:{PASSWORD}");
    let answer = by_curl(&stage, &["--ntlm", "-u", &user]).await;
    assert!(answer.ends_with("[200]"), "{answer}");
}

#[tokio::test]
async fn nobody_is_refused_because_no_controller_answers() {
    let mut stage = Stage::new().await;
    let user = format!("alice:{PASSWORD}");
    let answer = by_curl(&stage, &["--ntlm", "-u", &user]).await;
    assert!(answer.ends_with("[200]"), "{answer}");
    stage.controller.kill().await;
    for way in ["--ntlm", "--basic"] {
        let answer = by_curl(&stage, &[way, "-u", &user]).await;
        assert!(
            answer.ends_with("no domain controller answers.\n [503]"),
            "{answer}"
        );
    }
    assert!(
        stage
            .logins()
            .await
            .iter()
            .all(|(_, _, verified)| *verified)
    );
}

/// requests-ntlm binds its login to the server's certificate and signs its messages.
#[tokio::test]
async fn python_logs_in_by_ntlm_with_a_mic_and_bound_to_the_connection() {
    let stage = Stage::offering(&[Way::Ntlm]).await;
    let script = format!(
        "import requests, requests_ntlm, socket\n\
         real = socket.getaddrinfo\n\
         socket.getaddrinfo = lambda host, *rest, **more: \
             real('127.0.0.1' if host == '{HOST}' else host, *rest, **more)\n\
         session = requests.Session()\n\
         session.trust_env = False\n\
         session.verify = '{}'\n\
         for password in ['{PASSWORD}', 'wrong']:\n\
         \x20   session.auth = requests_ntlm.HttpNtlmAuth('CONTOSO\\\\alice', password)\n\
         \x20   answer = session.post('{}', data=b'x' * 5000)\n\
         \x20   print(answer.status_code, answer.text.strip())\n\
         \x20   session.close()\n",
        stage.authority.root_file().display(),
        url(&stage),
    );
    let said = run(
        "/usr/bin/python3",
        &["-W".into(), "ignore".into(), "-c".into(), script],
    )
    .await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "200 alice by ntlm, NTLMv2, messages intact, bound to the TLS connection, \
             in [\"employees\"], sent 5000",
            "401 You have to log in to see this."
        ]
    );
}

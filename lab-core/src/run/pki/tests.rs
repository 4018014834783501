//! The authority, held against OpenSSL.
#![allow(clippy::unwrap_used)]

use super::*;

const PUBLISHED: Option<&str> = Some("http://crl.example/pki");

fn folder() -> PathBuf {
    let path = std::env::temp_dir().join(format!(
        "tierlab-pki-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn openssl(arguments: &[&str]) -> String {
    let output = std::process::Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl (package openssl) must be installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn openssl_agrees_on_the_hash_and_verifies_the_chain() {
    let state = folder();
    let authority = Authority::open(&state, "Con  toso", None).unwrap();
    let root = state.join("root-ca.crt");
    let hash = openssl(&[
        "x509",
        "-noout",
        "-subject_hash",
        "-in",
        root.to_str().unwrap(),
    ]);
    assert_eq!(hash.trim(), authority.root_hash);
    let plan = CertificatePlan {
        id: "node".into(),
        subject: "web.example".into(),
        names: vec!["web.example".into()],
        addresses: vec!["10.0.0.1".parse().unwrap()],
    };
    let credential = authority.issue("node", &plan).unwrap();
    let leaf = state.join("leaf.crt");
    std::fs::write(&leaf, &credential.chain).unwrap();
    let leaf = leaf.to_str().unwrap();
    openssl(&[
        "verify",
        "-x509_strict",
        "-verify_hostname",
        "web.example",
        "-CAfile",
        root.to_str().unwrap(),
        "-untrusted",
        leaf,
        leaf,
    ]);
    // The same authority is found again.
    let again = Authority::open(&state, "Con  toso", None).unwrap();
    assert_eq!(again.root, authority.root);
    std::fs::remove_dir_all(state).unwrap();
}

#[test]
fn an_authority_of_another_time_is_made_anew() {
    let state = folder();
    let now = OffsetDateTime::now_utc();
    for (made, lasts) in [
        (now, true),
        (now + Duration::days(30), false),
        (now - Duration::days(3300), false),
    ] {
        let before = Pair::make(&state, "lab", None, made).unwrap();
        let found = Authority::open(&state, "lab", None).unwrap();
        assert_eq!(found.root == before.root, lasts, "made at {made}");
    }
    std::fs::remove_dir_all(state).unwrap();
}

#[test]
fn an_authority_whose_parts_do_not_fit_is_made_anew() {
    let (state, other) = (folder(), folder().join("other"));
    std::fs::create_dir_all(&other).unwrap();
    Authority::open(&other, "lab", None).unwrap();
    for name in [
        "root-ca.crt",
        "root-ca.key",
        "issuing-ca.crt",
        "issuing-ca.key",
    ] {
        let stranger = std::fs::read(other.join(name)).unwrap();
        for bytes in [
            &stranger[..],
            &stranger[..stranger.len() / 2],
            b"",
            b"\xff\0",
        ] {
            let before = Authority::open(&state, "lab", None).unwrap();
            std::fs::write(state.join(name), bytes).unwrap();
            let found = Authority::open(&state, "lab", None).unwrap();
            assert_ne!(found.root, before.root, "{name}: {} bytes", bytes.len());
            found.trust().unwrap();
        }
    }
    std::fs::remove_dir_all(state).unwrap();
}

fn plan(id: &str) -> CertificatePlan {
    CertificatePlan {
        id: id.into(),
        subject: "web.example".into(),
        names: vec!["web.example".into()],
        addresses: Vec::new(),
    }
}

fn path(state: &Path, name: &str, content: &[u8]) -> String {
    let path = state.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn certificates_say_where_revocation_is_published() {
    let state = folder();
    let authority = Authority::open(&state, "lab", PUBLISHED).unwrap();
    let chain = authority.issue("web", &plan("node")).unwrap().chain;
    let leaf = path(&state, "leaf.crt", chain.as_bytes());
    let text = openssl(&["x509", "-noout", "-text", "-in", &leaf]);
    for wanted in [
        "URI:http://crl.example/pki/issuing.crl",
        "OCSP - URI:http://crl.example/pki/ocsp",
        "CA Issuers - URI:http://crl.example/pki/issuing.crt",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing: {text}");
    }
    let issuing = state.join("issuing-ca.crt");
    let text = openssl(&["x509", "-noout", "-text", "-in", issuing.to_str().unwrap()]);
    for wanted in [
        "URI:http://crl.example/pki/root.crl",
        "CA Issuers - URI:http://crl.example/pki/root.crt",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing: {text}");
    }
    assert!(!text.contains("OCSP"), "the root answers nobody: {text}");
    // The root's list is its own, and revokes nothing.
    let list = path(&state, "root.crl", &authority.root_list);
    let root = state.join("root-ca.crt");
    let said = openssl(&[
        "crl",
        "-inform",
        "DER",
        "-noout",
        "-text",
        "-CAfile",
        root.to_str().unwrap(),
        "-in",
        &list,
    ]);
    assert!(said.contains("No Revoked Certificates"), "{said}");
    std::fs::remove_dir_all(state).unwrap();
}

#[test]
fn an_authority_that_published_elsewhere_keeps_its_root() {
    let state = folder();
    let mut roots = Vec::new();
    for (at, published) in [
        None,
        PUBLISHED,
        Some("http://other.example"),
        PUBLISHED,
        None,
    ]
    .into_iter()
    .enumerate()
    {
        let authority = Authority::open(&state, "lab", published).unwrap();
        let chain = authority.issue("web", &plan("node")).unwrap().chain;
        let leaf = path(&state, "leaf.crt", chain.as_bytes());
        let root = state.join("root-ca.crt");
        openssl(&[
            "verify",
            "-x509_strict",
            "-CAfile",
            root.to_str().unwrap(),
            "-untrusted",
            &leaf,
            &leaf,
        ]);
        let text = openssl(&["x509", "-noout", "-text", "-in", &leaf]);
        let says = published.map_or("no URI", |base| base);
        assert_eq!(text.contains(says), published.is_some(), "{at}: {text}");
        let issuing = state.join("issuing-ca.crt");
        let text = openssl(&["x509", "-noout", "-text", "-in", issuing.to_str().unwrap()]);
        assert_eq!(text.contains(says), published.is_some(), "{at}: {text}");
        roots.push(authority.root);
    }
    roots.dedup();
    assert_eq!(roots.len(), 1);
    std::fs::remove_dir_all(state).unwrap();
}

#[test]
fn a_user_is_a_client_with_a_principal_name() {
    let state = folder();
    let authority = Authority::open(&state, "lab", PUBLISHED).unwrap();
    let user = UserCertificatePlan {
        id: "alice".into(),
        subject: "Alice Adams".into(),
        principal: "alice@corp.example".into(),
        mail: Some("alice@example".into()),
    };
    let chain = authority.issue_to_user("pc1", &user).unwrap().chain;
    let leaf = path(&state, "leaf.crt", chain.as_bytes());
    let text = openssl(&["x509", "-noout", "-text", "-in", &leaf]);
    for wanted in [
        "Subject: CN = Alice Adams",
        "1.3.6.1.4.1.311.20.2.3::alice@corp.example",
        "email:alice@example",
        "TLS Web Client Authentication",
    ] {
        let squeezed = |text: &str| text.replace([' ', '\n'], "");
        let told = squeezed(&text.replace("UPN:", "1.3.6.1.4.1.311.20.2.3:"));
        assert!(
            told.contains(&squeezed(wanted)),
            "{wanted} is missing: {text}"
        );
    }
    assert!(!text.contains("TLS Web Server"), "{text}");
    std::fs::remove_dir_all(state).unwrap();
}

#[test]
fn what_was_issued_is_known_and_issued_once() {
    let state = folder();
    let authority = Authority::open(&state, "lab", None).unwrap();
    let first = authority.issue("web", &plan("node")).unwrap();
    let again = authority.issue("web", &plan("node")).unwrap();
    assert_eq!(
        first.key, again.key,
        "a node that is born again has its key"
    );
    let mut other = plan("node");
    other.names.push("www.example".into());
    let changed = authority.issue("web", &other).unwrap();
    assert_ne!(first.key, changed.key);
    authority.issue("web", &plan("web")).unwrap();
    authority.issue("sql", &plan("node")).unwrap();
    let none = authority.issued(|_, _| false);
    let names = none.iter().map(|one| (one.node.as_str(), one.id.as_str()));
    let names: Vec<_> = names.collect();
    assert_eq!(names, [("sql", "node"), ("web", "node"), ("web", "web")]);
    assert!(none.iter().all(|one| one.revoked.is_none()));
    let some = authority.issued(|node, id| (node, id) == ("web", "node"));
    let revoked: Vec<bool> = some.iter().map(|one| one.revoked.is_some()).collect();
    assert_eq!(revoked, [false, true, false]);
    let leaf = path(&state, "leaf.crt", changed.chain.as_bytes());
    let serial = openssl(&["x509", "-noout", "-serial", "-in", &leaf]);
    let serial = serial.trim().trim_start_matches("serial=").to_lowercase();
    let ours: String = some[1]
        .serial
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(ours, serial);
    std::fs::remove_dir_all(state).unwrap();
}

#[test]
fn a_clock_that_jumped_is_told_and_a_node_born_then_gets_what_is_valid() {
    let state = folder();
    let authority = Authority::open(&state, "lab", None).unwrap();
    let credential = authority.issue("web", &plan("node")).unwrap();
    let now = OffsetDateTime::now_utc();
    let ledger = authority.ledger.borrow();
    let asked = Asked::ForServer(plan("node"));
    for (jump, valid) in [
        (0, true),
        (390, true),
        (400, false),
        (-3, false),
        (-800, false),
    ] {
        let then = now + Duration::days(jump);
        let known = ledger.credential("web", "node", &asked, then);
        let known = known.map(|known| known.key.clone());
        assert_eq!(known, valid.then(|| credential.key.clone()), "{jump} days");
        let trouble = ledger.clock_trouble(then);
        assert_eq!(trouble.is_none(), valid, "{jump} days: {trouble:?}");
        if let Some(trouble) = trouble {
            assert!(trouble.contains(&then.date().to_string()), "{trouble}");
        }
    }
    std::fs::remove_dir_all(state).unwrap();
}

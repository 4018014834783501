//! Lists and OCSP, as stock clients get and verify them.

use crate::authority::{Ca, ran, well};

const REVOKED_AT: i64 = 1_700_000_000;

#[tokio::test]
async fn c11_openssl_verifies_a_chain_against_the_lists() {
    let mut ca = Ca::new();
    ca.issue("good");
    ca.issue("bad");
    ca.revoke("bad", Some(REVOKED_AT));
    let _running = ca.serve().await;
    let mut lists = String::new();
    for name in ["issuing", "root"] {
        let der = ca.path(&format!("{name}.crl"));
        let url = ca.url(&format!("{name}.crl"));
        let got = ran("curl", &["-fsS", "-o", &der, "-w", "%{content_type}", &url]).await;
        assert_eq!(well(got), "application/pkix-crl");
        let args = ["crl", "-inform", "DER", "-in", &der];
        lists += &well(ran("openssl", &args).await);
        let crt = ca.path(&format!("{name}.crt"));
        let url = ca.url(&format!("{name}.crt"));
        well(ran("curl", &["-fsS", "-o", &crt, &url]).await);
        let args = ["x509", "-inform", "DER", "-noout", "-in", &crt];
        well(ran("openssl", &args).await);
    }
    let lists = ca.write("lists.pem", lists.as_bytes());
    let (root, issuing) = (ca.path("root.pem"), ca.path("issuing.pem"));
    let verify = async |name: &str| {
        let leaf = ca.path(&format!("{name}.pem"));
        ran(
            "openssl",
            &[
                "verify",
                "-crl_check_all",
                "-CRLfile",
                &lists,
                "-CAfile",
                &root,
                "-untrusted",
                &issuing,
                &leaf,
            ],
        )
        .await
    };
    well(verify("good").await);
    let (verified, text) = verify("bad").await;
    assert!(!verified && text.contains("certificate revoked"), "{text}");
    let der = ca.path("issuing.crl");
    let args = [
        "crl", "-inform", "DER", "-in", &der, "-noout", "-text", "-CAfile", &issuing,
    ];
    let text = well(ran("openssl", &args).await);
    for wanted in ["verify OK", "X509v3 CRL Number", "Nov 14 22:13:20 2023 GMT"] {
        assert!(text.contains(wanted), "{wanted} is missing: {text}");
    }
}

async fn ocsp(ca: &Ca, names: &[&str], more: &[&str]) -> (bool, String) {
    let (root, issuing, url) = (ca.path("root.pem"), ca.path("issuing.pem"), ca.url("ocsp"));
    let leaves: Vec<String> = names
        .iter()
        .map(|name| ca.path(&format!("{name}.pem")))
        .collect();
    let mut args = vec![
        "ocsp",
        "-issuer",
        &issuing,
        "-CAfile",
        &root,
        "-verify_other",
        &issuing,
        "-url",
        &url,
        "-resp_text",
    ];
    args.extend(more);
    for leaf in &leaves {
        args.extend(["-cert", leaf]);
    }
    ran("openssl", &args).await
}

#[tokio::test]
async fn c11_openssl_asks_by_ocsp() {
    let mut ca = Ca::new();
    for name in ["good", "bad", "forgotten"] {
        ca.issue(name);
    }
    ca.revoke("bad", Some(REVOKED_AT));
    let _running = ca.serve().await;
    let text = well(ocsp(&ca, &["good", "bad"], &[]).await);
    for wanted in [
        "Response verify OK",
        "good.pem: good",
        "bad.pem: revoked",
        "Revocation Time: Nov 14 22:13:20 2023 GMT",
        "OCSP Nonce",
        "OCSP No Check",
        "CN = test OCSP Responder",
    ] {
        let told = text.replace(" = ", "=");
        assert!(
            told.contains(&wanted.replace(" = ", "=")),
            "{wanted} is missing: {text}"
        );
    }
    assert!(!text.contains("WARNING"), "{text}");
    let text = well(ocsp(&ca, &["good"], &["-no_nonce", "-sha256"]).await);
    assert!(text.contains("good.pem: good"), "{text}");
    // Of another issuer, and a number that was never given.
    let stranger = Ca::new();
    stranger.issue("stranger");
    let leaf = stranger.path("stranger.pem");
    let (issuing, url) = (ca.path("issuing.pem"), ca.url("ocsp"));
    let (other, theirs) = (stranger.path("issuing.pem"), leaf);
    for args in [
        ["-issuer", &other, "-cert", &theirs],
        ["-issuer", &issuing, "-serial", "0x123456789"],
    ] {
        // No responder may speak for an issuer that did not delegate to it.
        let mut all = vec!["ocsp", "-noverify", "-url", &url];
        all.extend(args);
        let text = well(ran("openssl", &all).await);
        assert!(text.contains(": unknown"), "{text}");
    }
    // Taken back: good again at once.
    ca.revoke("bad", None);
    let text = well(ocsp(&ca, &["bad"], &[]).await);
    assert!(text.contains("bad.pem: good"), "{text}");
}

#[tokio::test]
async fn a_question_by_get_is_answered_and_kept() {
    let mut ca = Ca::new();
    ca.issue("good");
    let _running = ca.serve().await;
    let (issuing, leaf, root) = (
        ca.path("issuing.pem"),
        ca.path("good.pem"),
        ca.path("root.pem"),
    );
    let (request, answer) = (ca.path("request.der"), ca.path("answer.der"));
    let args = [
        "ocsp",
        "-issuer",
        &issuing,
        "-cert",
        &leaf,
        "-no_nonce",
        "-reqout",
        &request,
    ];
    well(ran("openssl", &args).await);
    let der = std::fs::read(&request).unwrap();
    let base64 = data_encoding::BASE64.encode(&der);
    let encoded = base64
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    for path in [base64, encoded] {
        let url = ca.url(&format!("ocsp/{path}"));
        let args = ["-fsS", "-D", "-", "-o", &answer, &url];
        let head = well(ran("curl", &args).await).to_lowercase();
        assert!(
            head.contains("content-type: application/ocsp-response"),
            "{head}"
        );
        assert!(head.contains("cache-control: max-age="), "{head}");
        let args = [
            "ocsp",
            "-respin",
            &answer,
            "-issuer",
            &issuing,
            "-cert",
            &leaf,
            "-CAfile",
            &root,
            "-verify_other",
            &issuing,
            "-no_nonce",
        ];
        let text = well(ran("openssl", &args).await);
        assert!(text.contains("good.pem: good"), "{text}");
    }
}

#[tokio::test]
async fn a_list_is_sent_again_only_when_it_changed() {
    let mut ca = Ca::new();
    ca.issue("web");
    let _running = ca.serve().await;
    let url = ca.url("issuing.crl");
    let get = async |tag: &str| {
        let tag = format!("If-None-Match: {tag}");
        let format = "%{http_code} %header{etag}";
        let args = ["-sS", "-o", "/dev/null", "-w", format, "-H", &tag, &url];
        let text = well(ran("curl", &args).await);
        let (code, tag) = text.split_once(' ').unwrap();
        (code.to_owned(), tag.to_owned())
    };
    let (code, tag) = get("none").await;
    assert_eq!(code, "200");
    assert_eq!(get(&tag).await.0, "304");
    ca.revoke("web", Some(REVOKED_AT));
    let (code, newer) = get(&tag).await;
    assert_eq!(code, "200");
    assert_ne!(newer, tag);
}

#[tokio::test]
async fn what_is_no_question_is_refused_in_the_protocols_own_words() {
    let mut ca = Ca::new();
    ca.issue("good");
    let _running = ca.serve().await;
    let url = ca.url("ocsp");
    let answer = ca.path("answer.der");
    let large = ca.write("large", &vec![0x30; 16 << 10]);
    let huge = ca.write("huge", &vec![0x30; (16 << 10) + 1]);
    let empty = ca.write("empty", b"");
    for body in [&empty, &large] {
        let body = format!("@{body}");
        let args = [
            "-fsS",
            "-o",
            &answer,
            "-H",
            "Content-Type: application/ocsp-request",
            "--data-binary",
            &body,
            &url,
        ];
        well(ran("curl", &args).await);
        assert_eq!(
            std::fs::read(&answer).unwrap(),
            [0x30, 3, 0x0a, 1, 1],
            "malformedRequest"
        );
    }
    let status = async |arguments: &[&str]| {
        let mut args = vec![
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--path-as-is",
        ];
        args.extend(arguments);
        ran("curl", &args).await.1
    };
    let huge = format!("@{huge}");
    assert_eq!(status(&["--data-binary", &huge, &url]).await, "413");
    assert_eq!(status(&[&url]).await, "405", "GET without a question");
    assert_eq!(status(&["-X", "PUT", &ca.url("issuing.crl")]).await, "405");
    assert_eq!(status(&[&ca.url("ocsp/nonsense!")]).await, "200");
    assert_eq!(status(&[&ca.url("issuing.key")]).await, "404");
    assert_eq!(status(&[&ca.url("../../etc/passwd")]).await, "404");
    let outside = format!("http://{}/pkix/issuing.crl", ca.at);
    assert_eq!(status(&[&outside]).await, "404");
    assert_eq!(
        status(&["-H", "Host: www.example", &ca.url("issuing.crl")]).await,
        "421"
    );
    assert_eq!(
        status(&["-H", "Host: crl.example", &ca.url("issuing.crl")]).await,
        "200"
    );
    let text = well(ocsp(&ca, &["good"], &[]).await);
    assert!(text.contains("good.pem: good"), "it lives: {text}");
}

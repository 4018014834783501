//! X8: a token that is genuine, but not for here and now.

use std::time::Duration;

use lab_nodes::http::form;
use lab_nodes::saml::{Refusal, SignedBy, Signer, Version};
use lab_nodes::ws_federation::{
    Denied, RelyingParty, RelyingPartySettings, SeenHere, TrustedProvider,
};

use crate::tokens::{ISSUER, REALM, REPLY, Stage, now};

const BOTH: [Version; 2] = [Version::V11, Version::V20];
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn x8_a_token_has_its_time() {
    let stage = Stage::new();
    for version in BOTH {
        let old = stage.issue(version, &stage.signer, |issue| {
            issue.now = now().before(HOUR);
            issue.authenticated = issue.now;
        });
        assert!(matches!(stage.verify(&old), Err(Refusal::Expired(_))));
        let early = stage.issue(version, &stage.signer, |issue| {
            issue.now = now().after(HOUR)
        });
        assert!(matches!(stage.verify(&early), Err(Refusal::NotYet(_))));
        let unborn = stage.issue(version, &stage.signer, |issue| {
            issue.authenticated = now().after(HOUR);
        });
        assert!(matches!(stage.verify(&unborn), Err(Refusal::NotYet(_))));
        // Clocks differ by up to half a minute.
        let just = stage.issue(version, &stage.signer, |issue| {
            issue.now = now().before(Duration::from_secs(610));
            issue.authenticated = issue.now;
        });
        assert!(stage.verify(&just).is_ok());
        let strict = stage.verify_by(&just, &stage.by, |expected| expected.skew = Duration::ZERO);
        assert!(matches!(strict, Err(Refusal::Expired(_))));
    }
}

#[test]
fn x8_a_token_is_for_one_site() {
    let stage = Stage::new();
    for version in BOTH {
        let other = stage.issue(version, &stage.signer, |issue| issue.audience = "urn:other");
        assert_eq!(
            stage.verify(&other),
            Err(Refusal::Audience("urn:other".into()))
        );
    }
    let elsewhere = stage.issue(Version::V20, &stage.signer, |issue| {
        issue.recipient = "https://other.example/";
    });
    assert!(matches!(
        stage.verify(&elsewhere),
        Err(Refusal::Recipient(_))
    ));
    let answer = stage.issue(Version::V20, &stage.signer, |issue| {
        issue.in_response_to = Some("_other");
    });
    assert!(matches!(
        stage.verify(&answer),
        Err(Refusal::Authentication(_))
    ));
    let mine = stage.verify_by(&answer, &stage.by, |expected| {
        expected.in_response_to = Some("_other");
    });
    assert!(mine.is_ok());
}

#[test]
fn x8_a_token_is_from_a_trusted_provider() {
    let stage = Stage::new();
    let rogue = stage
        .authority
        .credential(&["token-signing.rogue-idp.example"]);
    let rogue = Signer::new(&rogue).unwrap();
    for version in BOTH {
        let honest = stage.issue(version, &rogue, |issue| {
            issue.issuer = "http://rogue-idp.example/"
        });
        assert_eq!(
            stage.verify(&honest),
            Err(Refusal::Issuer("http://rogue-idp.example/".into()))
        );
        // It may say that it is another; the certificate that the lab's CA gave it does not.
        let lies = stage.issue(version, &rogue, |_| {});
        assert!(matches!(stage.verify(&lies), Err(Refusal::Signer(_))));
        let mistaken = stage.issue(version, &stage.signer, |issue| issue.issuer = "http://x/");
        assert!(matches!(stage.verify(&mistaken), Err(Refusal::Issuer(_))));
    }
}

#[test]
fn x8_a_certificate_of_that_name_counts_only_from_the_trusted_authority() {
    let (stage, other) = (Stage::new(), Stage::new());
    let token = other.token(Version::V11);
    assert!(matches!(stage.verify(&token), Err(Refusal::Signer(_))));
    assert!(other.verify(&token).is_ok());
    // The true certificate beside one that did sign: the trusted key is the certificate's.
    let chain = stage.signer.certificates()[0].clone();
    let mixed = token.replace(&other.signer.certificates()[0], &chain);
    assert_eq!(stage.verify(&mixed), Err(Refusal::Signature));
    // A certificate that is valid no more.
    let late = stage.verify_by(&stage.token(Version::V11), &stage.by, |expected| {
        expected.now = lab_nodes::saml::Instant::read("9998-01-01T00:00:00Z").unwrap();
    });
    assert!(matches!(
        late,
        Err(Refusal::Signer(_) | Refusal::Expired(_))
    ));
    // No wildcard speaks for a signer.
    let wild = Signer::new(&stage.authority.credential(&["*.idp.fabrikam.com"])).unwrap();
    let wild = stage.issue(Version::V11, &wild, |_| {});
    assert!(matches!(stage.verify(&wild), Err(Refusal::Signer(_))));
}

fn party(stage: &Stage) -> RelyingParty {
    let provider = TrustedProvider {
        name: "Fabrikam".into(),
        issuer: ISSUER.into(),
        sign_in: "https://idp.fabrikam.com/adfs/ls/".into(),
        signed_by: SignedBy::Named(crate::tokens::SIGNING.into()),
    };
    let settings = RelyingPartySettings::new(REALM, REPLY, vec![provider]);
    RelyingParty::new(settings, std::slice::from_ref(&stage.authority.root))
}

#[tokio::test]
async fn x8_a_token_logs_in_once() {
    let stage = Stage::new();
    let (party, seen) = (party(&stage), SeenHere::default());
    let token = stage.token(Version::V11);
    let body = form::write([
        ("wa", "wsignin1.0"),
        ("wresult", token.as_str()),
        ("wctx", "/sites/plans"),
    ]);
    let accepted = party
        .accept_at(body.as_bytes(), &seen, now())
        .await
        .unwrap();
    assert_eq!(accepted.claims.subject, "pat@fabrikam.com");
    assert_eq!(
        (accepted.provider.as_str(), accepted.return_to.as_str()),
        ("Fabrikam", "/sites/plans")
    );
    let again = party.accept_at(body.as_bytes(), &seen, now()).await;
    assert_eq!(again, Err(Denied::Token(Refusal::Replayed)));
    // A forged token does not burn the id of a genuine one.
    let token = stage.token(Version::V11);
    let forged = token.replace("pat@", "eve@");
    for (token, good) in [(&forged, false), (&token, true)] {
        let body = form::write([("wa", "wsignin1.0"), ("wresult", token.as_str())]);
        let accepted = party.accept_at(body.as_bytes(), &seen, now()).await;
        assert_eq!(accepted.is_ok(), good, "{accepted:?}");
    }
}

#[tokio::test]
async fn what_is_no_sign_in_response_is_refused() {
    let stage = Stage::new();
    let (party, seen) = (party(&stage), SeenHere::default());
    for body in [
        &b""[..],
        b"wa=wsignin1.0",
        b"wresult=x",
        b"wa=wsignout1.0&wresult=x",
        b"\xff\xfe",
        b"wa=wsignin1.0&wa=wsignin1.0&wresult=x",
        b"wa=wsignin1.0&wresult=%ff",
    ] {
        let denied = party.accept_at(body, &seen, now()).await;
        assert!(
            matches!(denied, Err(Denied::Form(_))),
            "{body:?}: {denied:?}"
        );
    }
    for result in [
        "",
        "x",
        "<a/>",
        "<a",
        "<saml:Assertion/>",
        &"<a>".repeat(1000),
    ] {
        let body = form::write([("wa", "wsignin1.0"), ("wresult", result)]);
        let denied = party.accept_at(body.as_bytes(), &seen, now()).await;
        assert!(
            matches!(denied, Err(Denied::Token(Refusal::Malformed(_)))),
            "{result}: {denied:?}"
        );
    }
}

#[test]
fn the_way_to_the_provider_says_who_asks_and_where_to_come_back() {
    let stage = Stage::new();
    let party = party(&stage);
    let provider = &party.providers()[0];
    assert_eq!(
        party.redirect(provider, "/sites/plans?a=b"),
        "https://idp.fabrikam.com/adfs/ls/?wa=wsignin1.0&wtrealm=urn%3Asharepoint%3Apartnerweb\
         &wctx=%2Fsites%2Fplans%3Fa%3Db&wreply=https%3A%2F%2Fpartnerweb.contoso.com%2F_trust%2F"
    );
    assert!(
        party
            .redirect(provider, "https://rogue.example/")
            .contains("&wctx=%2F&")
    );
    assert!(party.sign_out(provider).contains("?wa=wsignout1.0&"));
}

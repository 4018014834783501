//! X8: tokens that somebody worked on. Whatever is done to a genuine token, nobody becomes another.

use lab_nodes::saml::{Refusal, SignedBy, Signer, Version};

use crate::tokens::{Stage, now};

const EVE: &str = "eve@fabrikam.com";
const PAT: &str = "pat@fabrikam.com";

/// The assertion in a document, as it stands there.
fn assertion(document: &str) -> &str {
    let begin = document.find("<saml:Assertion").unwrap();
    let end = document.find("</saml:Assertion>").unwrap() + "</saml:Assertion>".len();
    &document[begin..end]
}

/// The signature in an assertion.
fn signature(assertion: &str) -> &str {
    let begin = assertion.find("<ds:Signature ").unwrap();
    let end = assertion.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    &assertion[begin..end]
}

fn id(assertion: &str) -> &str {
    let name = if assertion.contains("AssertionID=") {
        "AssertionID=\""
    } else {
        " ID=\""
    };
    let begin = assertion.find(name).unwrap() + name.len();
    &assertion[begin..begin + assertion[begin..].find('"').unwrap()]
}

/// What an attacker would like to be read: about eve, unsigned, with the same id or another.
fn forged(genuine: &str, same_id: bool) -> String {
    let evil = genuine.replace(signature(genuine), "").replace(PAT, EVE);
    if same_id {
        evil
    } else {
        evil.replace(id(genuine), "_evil")
    }
}

fn into(outer: &str, inner: &str) -> String {
    let at = outer.rfind("</saml:Assertion>").unwrap();
    format!("{}{inner}{}", &outer[..at], &outer[at..])
}

/// The eight forms of signature wrapping (Somorovsky and others, "On Breaking SAML: Be Whoever You
/// Want to Be", as SAML Raider numbers them). The first two wrap a signed response.
fn wrapped(form: u8, document: &str, same_id: bool) -> String {
    let genuine = assertion(document);
    let (signature, evil) = (signature(genuine), forged(genuine, same_id));
    let unsigned = genuine.replace(signature, "");
    let object = |inner: &str| {
        signature.replace(
            "</ds:Signature>",
            &format!("<ds:Object>{inner}</ds:Object></ds:Signature>"),
        )
    };
    let body = match form {
        3 => format!("{evil}{genuine}"),
        4 => into(&evil, genuine),
        5 => format!("{}{unsigned}", into(&evil, signature)),
        6 => into(
            &evil,
            &signature.replace("</ds:Signature>", &format!("{unsigned}</ds:Signature>")),
        ),
        7 => format!("<samlp:Extensions>{evil}</samlp:Extensions>{genuine}"),
        8 => into(&evil, &object(&unsigned)),
        _ => unreachable!(),
    };
    document.replace(genuine, &body)
}

#[test]
fn x8_signature_wrapping_is_refused() {
    let stage = Stage::new();
    for version in [Version::V11, Version::V20] {
        for same_id in [true, false] {
            for form in 3..=8 {
                let genuine = stage.token(version);
                assert!(stage.verify(&genuine).is_ok());
                let attack = wrapped(form, &genuine, same_id);
                assert!(attack.contains(EVE) && attack.contains(PAT));
                let refused = stage.verify(&attack);
                assert!(
                    matches!(refused, Err(Refusal::Coverage(_) | Refusal::Malformed(_))),
                    "XSW{form}, same id {same_id}: {refused:?}"
                );
            }
        }
    }
}

#[test]
fn x8_wrapping_of_a_signed_response_is_refused() {
    let stage = Stage::new();
    // A response that is signed as a whole, with an assertion that is not.
    let document = stage.token(Version::V20);
    let genuine = assertion(&document);
    let unsigned = document.replace(signature(genuine), "");
    let response_id = &unsigned[unsigned.find(" ID=\"").unwrap() + 5..][..33];
    let skeleton = stage.signer.skeleton(response_id);
    let template = unsigned.replace("<samlp:Status>", &format!("{skeleton}<samlp:Status>"));
    let signed = stage.signer.sign(template).unwrap();
    let refused = stage.verify(&signed);
    assert!(matches!(refused, Err(Refusal::Coverage(_))), "{refused:?}");
    let signature = signature(&signed);
    let original = signed.replace(signature, "");
    let evil = original.replace(PAT, EVE).replace(response_id, "_evil");
    let inside = signature.replace("</ds:Signature>", &format!("{original}</ds:Signature>"));
    let end = evil.rfind("</samlp:Response>").unwrap();
    let first = format!("{}{inside}{}", &evil[..end], &evil[end..]);
    let second = format!("{}{signature}{original}{}", &evil[..end], &evil[end..]);
    for (form, attack) in [(1, first), (2, second)] {
        let refused = stage.verify(&attack);
        assert!(
            matches!(refused, Err(Refusal::Coverage(_))),
            "XSW{form}: {refused:?}"
        );
    }
}

#[test]
fn x8_a_signature_of_something_else_is_refused() {
    let stage = Stage::new();
    for version in [Version::V11, Version::V20] {
        let document = stage.token(version);
        let genuine = assertion(&document);
        let signature = signature(genuine);
        let reference = format!("URI=\"#{}\"", id(genuine));
        let everything = document.replace(&reference, "URI=\"\"");
        let file = document.replace(&reference, "URI=\"Cargo.toml\"");
        let elsewhere = document.replace(genuine, "");
        let beside = document.replace(
            genuine,
            &format!("{}{signature}", genuine.replace(signature, "")),
        );
        let begin = document.find("<ds:Reference ").unwrap();
        let end = document.find("</ds:Reference>").unwrap() + "</ds:Reference>".len();
        let twice = document.replace(&document[begin..end], &document[begin..end].repeat(2));
        let xpath = document.replacen(
            "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>",
            "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\">\
             <ds:XPath>false()</ds:XPath></ds:Transform>",
            1,
        );
        for attack in [everything, file, beside, twice, xpath] {
            let refused = stage.verify(&attack);
            assert!(
                matches!(refused, Err(Refusal::Coverage(_))),
                "{refused:?}\n{attack}"
            );
        }
        assert!(matches!(
            stage.verify(&elsewhere),
            Err(Refusal::Malformed(_))
        ));
    }
}

#[test]
fn x8_an_unsigned_token_is_refused_and_so_is_another_key() {
    let stage = Stage::new();
    for version in [Version::V11, Version::V20] {
        let document = stage.token(version);
        let unsigned = document.replace(signature(assertion(&document)), "");
        assert_eq!(stage.verify(&unsigned), Err(Refusal::Unsigned));
        // A key that the token brings along is no key.
        let credential = stage.authority.credential(&["eve.example"]);
        let eve = Signer::new(&credential).unwrap();
        let brought = stage.issue(version, &eve, |issue| issue.subject = EVE);
        assert!(matches!(stage.verify(&brought), Err(Refusal::Signer(_))));
        let trusted = stage.authority.credential(&["imported.example"]);
        let pinned = SignedBy::Pinned(trusted.chain[0].to_vec());
        assert_eq!(
            stage.verify_by(&brought, &pinned, |_| {}),
            Err(Refusal::Signature)
        );
    }
}

#[test]
fn x8_weak_and_unknown_algorithms_are_refused() {
    let stage = Stage::new();
    let document = stage.token(Version::V11);
    for (good, bad) in [
        (
            "2001/04/xmldsig-more#ecdsa-sha256",
            "2000/09/xmldsig#rsa-sha1",
        ),
        (
            "2001/04/xmldsig-more#ecdsa-sha256",
            "2001/04/xmldsig-more#ecdsa-sha1",
        ),
        (
            "2001/04/xmldsig-more#ecdsa-sha256",
            "2001/04/xmldsig-more#hmac-sha256",
        ),
        ("2001/04/xmldsig-more#ecdsa-sha256", "nonsense"),
        ("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1"),
    ] {
        assert!(document.contains(good));
        let refused = stage.verify(&document.replace(good, bad));
        assert!(
            matches!(refused, Err(Refusal::Algorithm(_))),
            "{bad}: {refused:?}"
        );
    }
    let other = document.replace("10/xml-exc-c14n#", "10/xml-exc-c14n#WithComments");
    assert!(stage.verify(&other).is_err());
}

#[test]
fn x8_comments_entities_and_the_like_are_refused() {
    let stage = Stage::new();
    for version in [Version::V11, Version::V20] {
        let document = stage.token(version);
        // A canonical form leaves comments out: the signature still holds, and a reader that takes
        // the first piece of text reads another name.
        let comment = document.replacen(
            ">pat@fabrikam.com<",
            ">pat@fabrikam.com<!--x-->.eve.example<",
            1,
        );
        let inside = document.replacen(">pat@fabrikam.com<", ">pat@<!---->fabrikam.com<", 1);
        let section = document.replacen(">pat@fabrikam.com<", "><![CDATA[pat@fabrikam.com]]><", 1);
        let instruction = document.replacen(">pat@fabrikam.com<", ">pat@<?x y?>fabrikam.com<", 1);
        let bomb = format!(
            "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>{document}"
        );
        let file = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>{}",
            document.replacen(PAT, "&f;", 1)
        );
        let ids = format!("<!DOCTYPE a [<!ATTLIST saml:Assertion x ID #IMPLIED>]>{document}");
        for attack in [comment, inside, section, instruction, bomb, file, ids] {
            let refused = stage.verify(&attack);
            assert!(matches!(refused, Err(Refusal::Trick(_))), "{refused:?}");
        }
        let unknown = document.replacen(PAT, "&f;", 1);
        assert!(matches!(stage.verify(&unknown), Err(Refusal::Malformed(_))));
        let declared = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{document}");
        assert!(stage.verify(&declared).is_ok());
    }
}

#[test]
fn x8_a_changed_byte_changes_nobody() {
    let stage = Stage::new();
    for version in [Version::V11, Version::V20] {
        let document = stage.token(version);
        let genuine = stage.verify(&document).unwrap();
        let (mut refused, mut same) = (0, 0);
        for at in (0..document.len()).step_by(3) {
            let mut bytes = document.clone().into_bytes();
            bytes[at] ^= 1;
            match stage.verify(std::str::from_utf8(&bytes).unwrap()) {
                // Outside of what is signed, such as the lifetime that the wrapping repeats.
                Ok(claims) => {
                    assert_eq!(claims, genuine, "byte {at}");
                    same += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(
            refused > 4 * same,
            "{refused} refused, {same} without effect"
        );
        for value in [
            PAT,
            "partners",
            "editors",
            "urn:sharepoint",
            "bearer",
            "Parker",
        ] {
            for (at, _) in assertion(&document).match_indices(value) {
                let at = document.find("<saml:Assertion").unwrap() + at;
                let mut bytes = document.clone().into_bytes();
                bytes[at] ^= 1;
                let refused = stage.verify(std::str::from_utf8(&bytes).unwrap());
                assert_eq!(refused, Err(Refusal::Signature), "{value}");
            }
        }
    }
}

#[test]
fn x8_what_was_cut_off_or_is_too_long_is_refused() {
    let stage = Stage::new();
    let document = stage.token(Version::V11);
    for length in (0..document.len()).step_by(7) {
        assert!(stage.verify(&document[..length]).is_err(), "{length} bytes");
    }
    let long = document.replace(PAT, &"x".repeat(300 << 10));
    assert!(matches!(stage.verify(&long), Err(Refusal::TooLong(_))));
    let deep = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
    assert!(matches!(stage.verify(&deep), Err(Refusal::Malformed(_))));
}

#[test]
fn x8_a_token_that_says_less_is_refused() {
    let stage = Stage::new();
    let signed_again = |document: &str, from: &str, to: &str| {
        let genuine = assertion(document);
        let skeleton = stage.signer.skeleton(id(genuine));
        let changed = genuine
            .replace(signature(genuine), &skeleton)
            .replace(from, to);
        stage.signer.sign(changed).unwrap()
    };
    for version in [Version::V11, Version::V20] {
        let document = stage.token(version);
        assert!(stage.verify(&signed_again(&document, "", "")).is_ok());
        let genuine = assertion(&document);
        let login = if version == Version::V11 {
            "AuthenticationStatement"
        } else {
            "AuthnStatement"
        };
        let begin = genuine.find(&format!("<saml:{login}")).unwrap();
        let close = format!("</saml:{login}>");
        let end = genuine.find(&close).unwrap() + close.len();
        let nobody = signed_again(&document, &genuine[begin..end], "");
        assert!(matches!(
            stage.verify(&nobody),
            Err(Refusal::Authentication(_))
        ));
        let key = signed_again(&document, "cm:bearer", "cm:holder-of-key");
        assert!(matches!(
            stage.verify(&key),
            Err(Refusal::Authentication(_))
        ));
        let until = &genuine[genuine.find("<saml:Conditions").unwrap()..];
        let until = &until[until.find("NotOnOrAfter").unwrap()..];
        let until = &until[..until.find('>').unwrap()];
        let ever = signed_again(&document, until, "");
        assert!(
            matches!(stage.verify(&ever), Err(Refusal::Malformed(_))),
            "{ever}"
        );
        let begin = genuine.find("<saml:AudienceRestriction").unwrap();
        let end = genuine.find("</saml:Conditions>").unwrap();
        let anybody = signed_again(&document, &genuine[begin..end], "");
        assert_eq!(
            stage.verify(&anybody),
            Err(Refusal::Audience("nobody".into()))
        );
    }
    let status = stage
        .token(Version::V20)
        .replace("status:Success", "status:Responder");
    assert!(matches!(stage.verify(&status), Err(Refusal::Status(_))));
    assert!(now() > now().before(std::time::Duration::from_secs(1)));
}

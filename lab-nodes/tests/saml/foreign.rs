//! Others read our tokens, and we read theirs: xmlsec1 (libxmlsec, OpenSSL) and python3-saml.

use lab_nodes::saml::{Refusal, SignedBy, Version};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::authority::run;
use crate::tokens::{ISSUER, REALM, REPLY, Stage, now};

/// How xmlsec1 learns which attribute is the id of an assertion.
fn id_attribute(version: Version) -> [&'static str; 2] {
    match version {
        Version::V11 => [
            "--id-attr:AssertionID",
            "urn:oasis:names:tc:SAML:1.0:assertion:Assertion",
        ],
        Version::V20 => [
            "--id-attr:ID",
            "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
        ],
    }
}

#[test]
fn xmlsec1_verifies_our_tokens() {
    let stage = Stage::new();
    for version in [Version::V11, Version::V20] {
        let token = stage.token(version);
        for (name, token, good) in [
            ("good.xml", token.clone(), true),
            ("changed.xml", token.replace("editors", "writers"), false),
        ] {
            let file = stage.authority.write(name, &token);
            let [attribute, node] = id_attribute(version);
            let arguments = [
                "--verify",
                attribute,
                node,
                "--trusted-pem",
                "root.pem",
                file.to_str().unwrap(),
            ];
            let (valid, said) = run("xmlsec1", &arguments, file.parent().unwrap());
            assert_eq!(valid, good, "{version:?}, {name}: {said}");
        }
    }
}

/// Checks a response with python3-saml in strict mode: signature, schema, audience, recipient, times.
const PYTHON: &str = r#"
import base64, sys
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
certificate, realm, reply, issuer = sys.argv[1:5]
settings = OneLogin_Saml2_Settings({
    "strict": True,
    "sp": {"entityId": realm, "assertionConsumerService": {"url": reply}},
    "idp": {"entityId": issuer, "singleSignOnService": {"url": "https://idp.fabrikam.com/adfs/ls/"},
            "x509cert": certificate},
    "security": {"wantAssertionsSigned": True, "rejectDeprecatedAlgorithm": True},
})
message = base64.b64encode(sys.stdin.buffer.read() if len(sys.argv) < 6 else open(sys.argv[5], "rb").read())
response = OneLogin_Saml2_Response(settings, message.decode())
host, path = reply[len("https://"):].split("/", 1)
request = {"https": "on", "http_host": host, "script_name": "/" + path}
if not response.is_valid(request):
    sys.exit(response.get_error())
print(response.get_nameid(), sorted(response.get_attributes().items()))
"#;

#[test]
fn python3_saml_accepts_our_responses() {
    let stage = Stage::new();
    let script = stage.authority.write("check.py", PYTHON);
    let token = stage.token(Version::V20);
    let late = stage.issue(Version::V20, &stage.signer, |issue| {
        issue.audience = "urn:other"
    });
    for (token, good) in [
        (token.clone(), true),
        (token.replace("pat@", "eve@"), false),
        (late, false),
    ] {
        let file = stage.authority.write("response.xml", &token);
        let certificate = &stage.signer.certificates()[0];
        let arguments = [
            script.to_str().unwrap(),
            certificate,
            REALM,
            REPLY,
            ISSUER,
            file.to_str().unwrap(),
        ];
        let (valid, said) = run("/usr/bin/python3", &arguments, file.parent().unwrap());
        assert_eq!(valid, good, "{said}");
        assert!(
            !good || said.contains("pat@fabrikam.com") && said.contains("'editors'"),
            "{said}"
        );
    }
}

/// A token as another product makes it: other prefixes, white space, attributes in another order.
fn template(version: Version, signature: &str, digest: &str) -> String {
    let (begin, end) = (
        now().before(std::time::Duration::from_secs(5)),
        now().after(std::time::Duration::from_secs(300)),
    );
    let signature = format!(
        "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\">
  <SignedInfo>
    <CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\" />
    <SignatureMethod Algorithm=\"{signature}\" />
    <Reference URI=\"#_of-another-make\">
      <Transforms>
        <Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\" />
        <Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\" />
      </Transforms>
      <DigestMethod Algorithm=\"{digest}\" />
      <DigestValue />
    </Reference>
  </SignedInfo>
  <SignatureValue />
  <KeyInfo><X509Data><X509Certificate /></X509Data></KeyInfo>
</Signature>"
    );
    match version {
        Version::V11 => format!(
            "<t:RequestSecurityTokenResponseCollection xmlns:t=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\">
<t:RequestSecurityTokenResponse><t:RequestedSecurityToken>
<Assertion IssueInstant=\"{begin}\" Issuer=\"{ISSUER}\" AssertionID='_of-another-make' MinorVersion=\"1\"
  MajorVersion=\"1\" xmlns=\"urn:oasis:names:tc:SAML:1.0:assertion\">
  <Conditions NotOnOrAfter=\"{end}\" NotBefore=\"{begin}\">
    <AudienceRestrictionCondition>
      <Audience>{REALM}</Audience>
    </AudienceRestrictionCondition>
  </Conditions>
  <AttributeStatement>
    <Subject><SubjectConfirmation><ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer</ConfirmationMethod></SubjectConfirmation></Subject>
    <Attribute AttributeName=\"emailaddress\" AttributeNamespace=\"http://schemas.xmlsoap.org/ws/2005/05/identity/claims\">
      <AttributeValue>käthe@fabrikam.com</AttributeValue>
    </Attribute>
  </AttributeStatement>
  <AuthenticationStatement AuthenticationMethod=\"urn:federation:authentication:windows\" AuthenticationInstant=\"{begin}\">
    <Subject><SubjectConfirmation><ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer</ConfirmationMethod></SubjectConfirmation></Subject>
  </AuthenticationStatement>
  {signature}
</Assertion></t:RequestedSecurityToken></t:RequestSecurityTokenResponse></t:RequestSecurityTokenResponseCollection>"
        ),
        Version::V20 => format!(
            "<?xml version=\"1.0\"?>
<p:Response xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_r\" Version=\"2.0\" IssueInstant=\"{begin}\">
<p:Status><p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></p:Status>
<a:Assertion xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\" Version=\"2.0\" IssueInstant=\"{begin}\" ID=\"_of-another-make\">
  <a:Issuer> {ISSUER} </a:Issuer>{signature}
  <a:Subject><a:NameID>käthe@fabrikam.com</a:NameID>
    <a:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">
      <a:SubjectConfirmationData NotOnOrAfter=\"{end}\" Recipient=\"{REPLY}\"/></a:SubjectConfirmation></a:Subject>
  <a:Conditions NotOnOrAfter=\"{end}\"><a:AudienceRestriction><a:Audience>urn:x</a:Audience><a:Audience>{REALM}</a:Audience></a:AudienceRestriction></a:Conditions>
  <a:AuthnStatement AuthnInstant=\"{begin}\"/>
</a:Assertion></p:Response>"
        ),
    }
}

#[test]
fn we_verify_the_tokens_of_xmlsec1() {
    let stage = Stage::new();
    let folder = stage.authority.file("");
    let (made, said) = run(
        "openssl",
        &[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "rsa.key", "-out",
            "rsa.crt", "-days", "2", "-subj", "/CN=rsa",
        ],
        &folder,
    );
    assert!(made, "{said}");
    let (certificate, key) = stage.authority.issue(&[crate::tokens::SIGNING]);
    stage.authority.write("ec.crt", &certificate.pem());
    stage.authority.write("ec.key", &key.serialize_pem());
    let more = "http://www.w3.org/2001/04/xmldsig-more";
    let (sha256, sha1) = (
        "http://www.w3.org/2001/04/xmlenc#sha256",
        "http://www.w3.org/2000/09/xmldsig#sha1",
    );
    for (key, signature, digest, good) in [
        ("rsa", format!("{more}#rsa-sha256"), sha256, true),
        (
            "rsa",
            format!("{more}#rsa-sha512"),
            "http://www.w3.org/2001/04/xmlenc#sha512",
            true,
        ),
        ("ec", format!("{more}#ecdsa-sha256"), sha256, true),
        (
            "rsa",
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1".to_owned(),
            sha1,
            false,
        ),
        ("rsa", format!("{more}#rsa-sha256"), sha1, false),
    ] {
        for version in [Version::V11, Version::V20] {
            let file = stage
                .authority
                .write("template.xml", &template(version, &signature, digest));
            let [attribute, node] = id_attribute(version);
            let keys = format!("{key}.key,{key}.crt");
            let arguments = [
                "--sign",
                attribute,
                node,
                "--privkey-pem",
                &keys,
                "--output",
                "signed.xml",
                file.to_str().unwrap(),
            ];
            let (signed, said) = run("xmlsec1", &arguments, &folder);
            assert!(signed, "{said}");
            let token = std::fs::read_to_string(stage.authority.file("signed.xml")).unwrap();
            let pem = std::fs::read(stage.authority.file(&format!("{key}.crt"))).unwrap();
            let pinned = CertificateDer::from_pem_slice(&pem).unwrap();
            let pinned = SignedBy::Pinned(pinned.to_vec());
            let claims = stage.verify_by(&token, &pinned, |_| {});
            if good {
                assert_eq!(claims.unwrap().subject, "käthe@fabrikam.com");
                let changed = token.replace("the@fabrikam.com", "tho@fabrikam.com");
                let refused = stage.verify_by(&changed, &pinned, |_| {});
                assert_eq!(refused, Err(Refusal::Signature));
            } else {
                assert!(matches!(claims, Err(Refusal::Algorithm(_))), "{claims:?}");
            }
            // Whoever is trusted by a name shows the certificate for it.
            let named = stage.verify(&token);
            assert_eq!(named.is_ok(), key == "ec", "{named:?}");
        }
    }
}

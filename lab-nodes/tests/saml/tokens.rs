//! Tokens as the identity provider makes them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use lab_nodes::saml::{
    self, Claims, Expected, Instant, Issue, Refusal, SignedBy, Signer, Version, claim_types,
};
use lab_nodes::ws_federation;

use crate::authority::Authority;

pub const ISSUER: &str = "http://idp.fabrikam.com/adfs/services/trust";
pub const REALM: &str = "urn:sharepoint:partnerweb";
pub const REPLY: &str = "https://partnerweb.contoso.com/_trust/";
pub const SIGNING: &str = "token-signing.idp.fabrikam.com";

/// An identity provider and who trusts it.
pub struct Stage {
    pub authority: Authority,
    pub signer: Signer,
    pub by: SignedBy,
}

impl Stage {
    pub fn new() -> Self {
        let authority = Authority::new();
        let signer = Signer::new(&authority.credential(&[SIGNING])).unwrap();
        Self {
            authority,
            signer,
            by: SignedBy::Named(SIGNING.to_owned()),
        }
    }

    /// A document with a signed token about pat, as it goes over the wire.
    pub fn token(&self, version: Version) -> String {
        self.issue(version, &self.signer, |_| {})
    }

    /// The same, by another key, or with something changed.
    pub fn issue(
        &self,
        version: Version,
        signer: &Signer,
        change: impl FnOnce(&mut Issue<'_>),
    ) -> String {
        let id = saml::random_id().unwrap();
        let values = BTreeMap::from([
            (
                claim_types::EMAIL.to_owned(),
                vec!["pat@fabrikam.com".to_owned()],
            ),
            (
                claim_types::NAME.to_owned(),
                vec!["Pat <\"Parker\"> & co".to_owned()],
            ),
            (
                claim_types::ROLE.to_owned(),
                vec!["partners".to_owned(), "editors".to_owned()],
            ),
        ]);
        let mut issue = Issue {
            version,
            id: &id,
            issuer: ISSUER,
            audience: REALM,
            recipient: REPLY,
            in_response_to: None,
            subject: "pat@fabrikam.com",
            values: &values,
            authenticated: now(),
            now: now(),
            lifetime: Duration::from_secs(600),
        };
        change(&mut issue);
        let assertion = issue.signed(signer).unwrap();
        match version {
            Version::V11 => ws_federation::response(&issue, &assertion),
            Version::V20 => saml::response(&issue, &assertion).unwrap(),
        }
    }

    pub fn verify(&self, xml: &str) -> Result<Claims, Refusal> {
        self.verify_by(xml, &self.by, |_| {})
    }

    pub fn verify_by(
        &self,
        xml: &str,
        by: &SignedBy,
        change: impl FnOnce(&mut Expected<'_>),
    ) -> Result<Claims, Refusal> {
        let trusted = [(ISSUER, by)];
        let roots = [self.authority.root.clone()];
        let mut expected = Expected {
            trusted: &trusted,
            roots: &roots,
            audience: REALM,
            recipient: REPLY,
            in_response_to: None,
            now: now(),
            skew: Duration::from_secs(30),
        };
        change(&mut expected);
        saml::verify(xml, &expected)
    }
}

pub fn now() -> Instant {
    Instant::new(SystemTime::now())
}

#[test]
fn f2_a_token_says_who_somebody_is() {
    let stage = Stage::new();
    for version in [Version::V11, Version::V20] {
        let claims = stage.verify(&stage.token(version)).unwrap();
        assert_eq!(claims.issuer, ISSUER);
        assert_eq!(claims.subject, "pat@fabrikam.com");
        assert_eq!(claims.email(), Some("pat@fabrikam.com"));
        assert_eq!(claims.name(), "Pat <\"Parker\"> & co");
        assert_eq!(claims.roles(), ["partners", "editors"]);
        assert_eq!(claims.upn(), None);
        assert!(claims.until > now() && claims.authenticated <= now());
    }
}

#[test]
fn a_pinned_certificate_is_trusted_without_its_authority() {
    let stage = Stage::new();
    let credential = stage.authority.credential(&["any.example"]);
    let signer = Signer::new(&credential).unwrap();
    let by = SignedBy::Pinned(credential.chain[0].to_vec());
    let token = stage.issue(Version::V11, &signer, |_| {});
    let claims = stage.verify_by(&token, &by, |expected| expected.roots = &[]);
    assert_eq!(claims.unwrap().subject, "pat@fabrikam.com");
    let other = stage.token(Version::V11);
    assert_eq!(
        stage.verify_by(&other, &by, |_| {}),
        Err(Refusal::Signature)
    );
}

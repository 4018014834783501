//! The relying party.

use std::time::{Duration, SystemTime};

use lab_core::observe::Deed;
use lab_core::service::Conversation;
use rustls::pki_types::CertificateDer;

use super::seen::SeenTokens;
use super::trusted::{RelyingPartySettings, TrustedProvider};
use crate::http::form::{self, Form};
use crate::saml::{self, Claims, Expected, Instant, Refusal, SignedBy};

/// The side that takes tokens.
pub struct RelyingParty {
    settings: RelyingPartySettings,
    roots: Vec<CertificateDer<'static>>,
}

/// A token that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it says.
    pub claims: Claims,
    /// What [`TrustedProvider::name`] says of who made it.
    pub provider: String,
    /// Where on this site the client wanted to go: a path, never another site.
    pub return_to: String,
}

/// Why nobody was logged in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The form is no answer of a provider.
    #[error("this is no sign-in response: {0}")]
    Form(String),
    /// The token.
    #[error("{0}")]
    Token(#[from] Refusal),
}

impl RelyingParty {
    /// With the roots of the lab's CA ([`lab_core::service::Context::trust`]).
    pub fn new(settings: RelyingPartySettings, roots: &[CertificateDer<'static>]) -> Self {
        Self {
            settings,
            roots: roots.to_vec(),
        }
    }

    /// Whom it trusts.
    pub fn providers(&self) -> &[TrustedProvider] {
        &self.settings.providers
    }

    /// Where to send somebody who shall log in at this provider and come back to this path.
    pub fn redirect(&self, provider: &TrustedProvider, return_to: &str) -> String {
        let fields = form::write([
            ("wa", "wsignin1.0"),
            ("wtrealm", self.settings.realm.as_str()),
            ("wctx", own_path(return_to)),
            ("wreply", self.settings.reply.as_str()),
        ]);
        format!("{}?{fields}", provider.sign_in)
    }

    /// Where to send somebody who signed out here, so that the provider forgets them, too.
    pub fn sign_out(&self, provider: &TrustedProvider) -> String {
        let fields = form::write([
            ("wa", "wsignout1.0"),
            ("wtrealm", self.settings.realm.as_str()),
            ("wreply", self.settings.reply.as_str()),
        ]);
        format!("{}?{fields}", provider.sign_in)
    }

    /// Takes the body of a POST to the reply address, verifies the token in it, and tells of the
    /// login, whether the token holds or not.
    ///
    /// # Errors
    /// Why nobody was logged in.
    pub async fn accept(
        &self,
        body: &[u8],
        seen: &impl SeenTokens,
        conversation: &Conversation,
    ) -> Result<Accepted, Denied> {
        let now = Instant::new(SystemTime::now());
        let accepted = self.accept_at(body, seen, now).await;
        match &accepted {
            Ok(accepted) => {
                tracing::info!(
                    "{} was logged in by {}",
                    accepted.claims.subject,
                    accepted.provider
                );
                conversation.tell(|| Deed::Login {
                    method: "saml".to_owned(),
                    principal: accepted.claims.subject.clone(),
                    verified: true,
                    proof: format!(
                        "token {} of {}, signed by {}",
                        accepted.claims.token,
                        accepted.claims.issuer,
                        self.signer(&accepted.claims.issuer)
                    ),
                });
            }
            Err(denied) => {
                tracing::warn!("a sign-in was refused: {denied}");
                conversation.tell(|| Deed::Login {
                    method: "saml".to_owned(),
                    principal: "unknown".to_owned(),
                    verified: false,
                    proof: denied.to_string(),
                });
            }
        }
        accepted
    }

    /// The same at another time, telling nobody.
    ///
    /// # Errors
    /// Why nobody is logged in.
    pub async fn accept_at(
        &self,
        body: &[u8],
        seen: &impl SeenTokens,
        now: Instant,
    ) -> Result<Accepted, Denied> {
        let form = Form::read(body).map_err(|error| Denied::Form(error.to_string()))?;
        if form.get("wa") != Some("wsignin1.0") {
            return Err(Denied::Form("wa is not wsignin1.0".to_owned()));
        }
        let result = form
            .get("wresult")
            .ok_or_else(|| Denied::Form("there is no wresult".to_owned()))?;
        let trusted: Vec<(&str, &SignedBy)> = self
            .settings
            .providers
            .iter()
            .map(|provider| (provider.issuer.as_str(), &provider.signed_by))
            .collect();
        let skew = Duration::from_secs(self.settings.skew);
        let claims = saml::verify(
            result,
            &Expected {
                trusted: &trusted,
                roots: &self.roots,
                audience: &self.settings.realm,
                recipient: &self.settings.reply,
                in_response_to: None,
                now,
                skew,
            },
        )?;
        // As long as the token may be accepted.
        let remembered = claims.until.after(skew);
        let token = format!("{} {}", claims.issuer, claims.token);
        if !seen.first(&token, remembered).await {
            return Err(Refusal::Replayed.into());
        }
        let provider = self.settings.providers.iter();
        let provider = provider
            .filter(|provider| provider.issuer == claims.issuer)
            .map(|provider| provider.name.clone())
            .next();
        Ok(Accepted {
            provider: provider.unwrap_or_default(),
            return_to: own_path(form.get("wctx").unwrap_or_default()).to_owned(),
            claims,
        })
    }

    fn signer(&self, issuer: &str) -> String {
        let mut providers = self.settings.providers.iter();
        let by = providers.find(|provider| provider.issuer == issuer);
        match by.map(|provider| &provider.signed_by) {
            Some(SignedBy::Named(name)) => name.clone(),
            _ => "the certificate that was imported".to_owned(),
        }
    }
}

/// A path of this site; anything else, such as another site, is its start page. Browsers read `\` as
/// `/`, and leave out control characters.
pub(super) fn own_path(path: &str) -> &str {
    let harmless = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if path.starts_with('/') && !path.starts_with("//") && harmless && path.len() <= 2048 {
        path
    } else {
        "/"
    }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for path in ["/", "/sites/partners?x=//y", "/_layouts/15/start.aspx#/"] {
            assert_eq!(own_path(path), path);
        }
        for path in [
            "",
            "https://rogue.example/",
            "//rogue.example",
            "/\\rogue.example",
            "/\t/rogue",
            "\\\\rogue",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie: x=y",
        ] {
            assert_eq!(own_path(path), "/", "{path}");
        }
    }
}

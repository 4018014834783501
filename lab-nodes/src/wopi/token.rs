//! Access tokens ([MS-WOPI] §2.2.2): what a user may do with one document, and until when, sealed
//! by a key that every front end of the host knows and nobody else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use lab_core::service::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::storage::User;

/// How long a token is good for: a working day.
pub const TOKEN_LASTS: Duration = Duration::from_secs(10 * 60 * 60);
/// Longest token that is looked at, in bytes.
const LONGEST: usize = 16 << 10;

/// What a token permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// To read the document.
    View,
    /// To write it, too.
    Edit,
}

/// What stands in a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who.
    pub user: User,
    /// The host's identifier of the document.
    pub file: String,
    /// What they may do.
    pub permission: Permission,
    /// Seconds since the Unix epoch when it ends.
    pub until: u64,
}

/// A token as the host's page hands it to the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// `access_token`.
    pub text: String,
    /// `access_token_ttl`: when it ends, in milliseconds since the Unix epoch.
    pub ttl: u64,
}

/// Why a token is not honoured; all are the same to who shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is not one of ours, or was changed.
    #[error("the access token was not issued here")]
    Foreign,
    /// Its time is over.
    #[error("the access token has expired")]
    Expired,
    /// It is for another document.
    #[error("the access token is for another document")]
    OtherFile,
}

/// Issues tokens and reads them.
pub struct Tokens {
    key: Option<LessSafeKey>,
    random: SystemRandom,
}

impl Tokens {
    /// All who share the secret read each other's tokens.
    pub fn new(secret: &Secret) -> Self {
        Self {
            key: UnboundKey::new(&AES_256_GCM, secret.bytes())
                .ok()
                .map(LessSafeKey::new),
            random: SystemRandom::new(),
        }
    }

    /// A token for this user and document, good for [`TOKEN_LASTS`]. None: the generator failed.
    pub fn issue(
        &self,
        user: &User,
        file: &str,
        permission: Permission,
        now: SystemTime,
    ) -> Option<Token> {
        let until = seconds(now) + TOKEN_LASTS.as_secs();
        let grant = Grant {
            user: user.clone(),
            file: file.to_owned(),
            permission,
            until,
        };
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = serde_json::to_vec(&grant).ok()?;
        self.key
            .as_ref()?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed,
            )
            .ok()?;
        let whole = [&nonce[..], &sealed].concat();
        Some(Token {
            text: BASE64URL_NOPAD.encode(&whole),
            ttl: until * 1000,
        })
    }

    /// What a token permits with this document.
    ///
    /// # Errors
    /// It is another's, of another document, or its time is over.
    pub fn read(&self, text: &str, file: &str, now: SystemTime) -> Result<Grant, BadToken> {
        let grant = self.open(text).ok_or(BadToken::Foreign)?;
        if seconds(now) >= grant.until {
            return Err(BadToken::Expired);
        }
        if grant.file != file {
            return Err(BadToken::OtherFile);
        }
        Ok(grant)
    }

    fn open(&self, text: &str) -> Option<Grant> {
        if text.len() > LONGEST {
            return None;
        }
        let whole = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (nonce, sealed) = whole.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let opened = self
            .key
            .as_ref()?
            .open_in_place(nonce, Aad::empty(), &mut sealed)
            .ok()?;
        serde_json::from_slice(opened).ok()
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> User {
        User {
            id: "CONTOSO\\alice".into(),
            name: "Alice Adams".into(),
            claims: vec!["employees".into()],
        }
    }

    #[test]
    fn a_token_is_for_one_user_one_document_and_a_time() {
        let tokens = Tokens::new(&Secret::new([7; 32]));
        let now = SystemTime::now();
        let token = tokens
            .issue(&alice(), "a", Permission::View, now)
            .expect("a token");
        let grant = tokens.read(&token.text, "a", now).expect("it is honoured");
        assert_eq!((grant.user, grant.permission), (alice(), Permission::View));
        assert_eq!(token.ttl, grant.until * 1000);
        assert_eq!(tokens.read(&token.text, "b", now), Err(BadToken::OtherFile));
        assert_eq!(
            tokens.read(&token.text, "a", now + TOKEN_LASTS),
            Err(BadToken::Expired)
        );
        let others = Tokens::new(&Secret::new([8; 32]));
        assert_eq!(others.read(&token.text, "a", now), Err(BadToken::Foreign));
    }

    #[test]
    fn a_changed_token_is_foreign() {
        let tokens = Tokens::new(&Secret::new([7; 32]));
        let now = SystemTime::now();
        let token = tokens
            .issue(&alice(), "a", Permission::View, now)
            .expect("a token");
        assert!(!token.text.contains("alice"));
        for at in 0..token.text.len() {
            let mut text = token.text.clone().into_bytes();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(text).expect("text");
            assert_eq!(tokens.read(&text, "a", now), Err(BadToken::Foreign), "{at}");
        }
        for text in ["", "A", "!!", &"A".repeat(20_000)] {
            assert_eq!(tokens.read(text, "a", now), Err(BadToken::Foreign));
        }
    }
}

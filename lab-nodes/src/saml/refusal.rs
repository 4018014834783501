//! Why a token is refused.

/// Why a token is refused: a sentence for the page and the log. None of them tells a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is longer than what is read.
    #[error("the token is longer than {0} bytes")]
    TooLong(usize),
    /// It is not well-formed, or has another shape than a token.
    #[error("the token cannot be read: {0}")]
    Malformed(String),
    /// It is a kind of document that nobody needs for a token, and that has been used for tricks.
    #[error("the token contains {0}")]
    Trick(&'static str),
    /// Nothing in it is signed.
    #[error("the token is not signed")]
    Unsigned,
    /// The signature covers something else, or more than one thing.
    #[error("the signature is not that of the whole token: {0}")]
    Coverage(String),
    /// An algorithm that is not accepted.
    #[error("the token is signed with {0}, which is not accepted")]
    Algorithm(String),
    /// It is signed by somebody else.
    #[error("the token is not signed by {0}")]
    Signer(String),
    /// The signature does not hold.
    #[error("the signature of the token does not hold: it was changed, or signed with another key")]
    Signature,
    /// Nobody here trusts its issuer.
    #[error("the issuer {0} is not trusted")]
    Issuer(String),
    /// It is for somebody else.
    #[error("the token is for {0}, not for this site")]
    Audience(String),
    /// It was sent to the wrong place.
    #[error("the token was made to be sent to {0}")]
    Recipient(String),
    /// Not yet valid.
    #[error("the token is not valid before {0}")]
    NotYet(String),
    /// No longer valid.
    #[error("the token expired at {0}")]
    Expired(String),
    /// It was used before.
    #[error("the token was used before")]
    Replayed,
    /// It does not say that, how and when somebody logged in.
    #[error("the token does not say who logged in: {0}")]
    Authentication(String),
    /// The provider did not log anybody in.
    #[error("the identity provider answered {0}")]
    Status(String),
}

//! The passive requestor profile of WS-Federation 1.2 (§13), as AD FS and SharePoint 2013 speak it:
//! a browser carries a token of SAML 1.1 from an identity provider to a relying party.
//!
//! - [`Door`]: stands before a site: sends people to a provider and gives them a session that all
//!   front ends share;
//! - [`RelyingParty`]: makes the way to the provider, takes what comes back;
//! - [`TrustedProvider`]: what it knows of a provider;
//! - [`SeenTokens`]: its memory of tokens that were used;
//! - [`response`]: what the provider sends.

mod door;
mod relying_party;
mod response;
mod seen;
mod trusted;

pub use door::{Door, Passed, SIGN_OUT, TRUST};
pub use relying_party::{Accepted, Denied, RelyingParty};
pub use response::response;
pub use seen::{SeenHere, SeenTokens};
pub use trusted::{RelyingPartySettings, TrustedProvider};

//! Logging in to the servers of a domain by HTTP, as they see it.
//!
//! - [`Methods`]: which ways in a lab file's options offer;
//! - [`Login`]: from them and the lab to what a service needs, carried in its settings;
//! - [`Guard`]: of a running service; a [`Door`] of it stands before each connection, since NTLM
//!   authenticates connections ([MS-NTHT] §3.1.1), and says of each request who asks;
//! - [`attempt`], with [`negotiation`]: a login by tokens, as far as it goes without asking anybody;
//! - [`question`]: what a member server and a domain controller say to each other, as an extended
//!   operation of LDAP ([`extended`]);
//! - [`Controllers`]: asks the first of them that answers, over a connection that is kept;
//! - [`Verification`]: what the controller answers.
//!
//! A service calls [`Door::admit`] with each request:
//!
//! ```ignore
//! let door = guard.door(&visitor);                       // once a connection
//! let admitted = match door.admit(request).await {       // each request
//!     Ok(admitted) => admitted,
//!     Err(response) => return response,                  // 401 with challenges, or 503
//! };
//! let mut response = page_for(&admitted.identity, admitted.request);
//! admitted.answer.apply(&mut response);                  // the server's own proof, if there is one
//! ```
//!
//! A server knows no passwords: it asks a domain controller. For Kerberos it has the key of its own
//! service account, and asks the controller only who the account is.

pub mod attempt;
mod basic;
mod controllers;
mod door;
pub mod extended;
mod guard;
mod identity;
mod methods;
pub mod negotiation;
pub mod question;
mod setup;
mod verification;

pub use controllers::{Controllers, Unavailable};
pub use door::{Admitted, Door, Entry, Farewell};
pub use guard::Guard;
pub use identity::{Denied, Identity, Method};
pub use methods::{Methods, Way};
pub use setup::{CONTROLLERS, Login};
pub use verification::Verification;

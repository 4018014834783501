//! The lab's directory as its services know it: the domain, its accounts, who runs under which.
//!
//! Pure: computed from the lab while it is planned, carried in the settings of services. What
//! verifies a login is in `domain_controller`, what asks for one in `login`.

mod account;
mod domain;
mod sid;

pub use account::{Account, Kind, Person, State};
pub use domain::{Domain, Membership};
pub use sid::{NoSid, Sid};

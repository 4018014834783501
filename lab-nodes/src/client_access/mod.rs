//! What a Client Access server decides before it sends a request on to the mailbox's home: which
//! virtual directory it is for, who asks, and whether their session still holds. No I/O.
//!
//! - [`VirtualDirectory`]: the virtual directories (N5) and the logins that each takes;
//! - [`Logon`]: what the logon page posts to `/owa/auth.owa`;
//! - [`Sessions`]: the cookies of a forms login, sealed so that every server which shares the
//!   secret reads them and none keeps anything (B2);
//! - [`rts`]: control PDUs of RPC over HTTP;
//! - [`canary`]: what a page has to repeat, so that another site can't make requests in its name.

pub mod canary;
mod directory;
mod logon;
pub mod rts;
mod session;

pub use directory::{Entrance, VirtualDirectory};
pub use logon::{BadLogon, Computer, Logon};
pub use session::{NoSession, Session, Sessions};

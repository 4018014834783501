//! WOPI ([MS-WOPI]): how an Office Web Apps farm reads and writes documents of a host. The host
//! side is a module that any product uses which has documents; the farm is `office_web_apps`.
//!
//! - `storage`: what a host keeps, the trait that a product implements;
//! - `token`: what a user may do with one document, sealed.

mod storage;
mod token;

pub use storage::{Document, LOCK_HOLDS, Lock, Refused, Storage, User};
pub use token::{BadToken, Grant, Permission, TOKEN_LASTS, Token, Tokens};

//! WOPI ([MS-WOPI]): how an Office Web Apps farm reads and writes documents of a host. The host
//! side is a module that any product uses which has documents; the farm is `office_web_apps`.
//!
//! Of both sides, bytes to types:
//! - `request`: what a request asks of a host;
//! - `discovery`: what a farm can do, and its keys;
//! - `proof`, `keys`: how the farm signs its requests;
//! - `reach`: asking the other side.
//!
//! Of the host:
//! - `storage`: what it keeps, the trait that a product implements; `memory`: in memory;
//! - `token`: what a user may do with one document, sealed;
//! - `locks`: what becomes of a lock; pure;
//! - `farm`: what it knows of the farm;
//! - `host`: requests and their answers.

mod discovery;
mod farm;
mod host;
mod keys;
mod locks;
mod memory;
mod proof;
mod reach;
mod request;
mod storage;
mod token;

pub use discovery::{Action, DISCOVERY, Discovery};
pub use farm::Farm;
pub use host::{Host, ITEM_VERSION, LOCK, LOCK_FAILURE, SERVER_ERROR};
pub use keys::{ProofKey, PublicKey};
pub use locks::{Wish, decide};
pub use memory::Memory;
pub use proof::{BadProof, PROOF, PROOF_OLD, PublicKeys, TIMESTAMP, message, prove, verify};
pub use reach::{Reach, Reached};
pub use request::{Ask, BadAsk, Operation, decoded, parameter};
pub use storage::{Document, LOCK_HOLDS, Lock, Refused, Storage, User};
pub use token::{BadToken, Grant, Permission, TOKEN_LASTS, Token, Tokens};

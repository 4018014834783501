//! What a service is: the engine defines it here, `lab-nodes` implements it, the
//! `lab` command hands the [`Catalogue`] to the engine.
//!
//! A service is used in four moments, by different processes:
//! - [`Service::setup`], pure, while a lab file is checked and planned;
//! - [`Service::run`], in a process of its own inside the node;
//! - [`Service::probe`], in the keeper, with sockets of another node;
//! - [`Service::options_schema`], when the schema is printed.

mod authority;
mod context;
mod probe;
mod spans;

pub use authority::{Authority, Issued};
pub use context::{Context, Credential, Listener, NetworkRequest, Report, Secret};
pub use probe::{Connect, Kept, Probe, ProbeError};
pub use spans::{Conversation, Item, Spans, Told, Watched};

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::check::{Lab, Node};
use crate::plan::{CertificatePlan, Listen, Peer};

/// A service of the catalogue.
pub trait Service: Send + Sync + 'static {
    /// Name in lab files (`tier-web`).
    fn name(&self) -> &'static str;

    /// One line for people.
    fn about(&self) -> &'static str;

    /// JSON schema of its options.
    fn options_schema(&self) -> Value;

    /// From its options and the lab to all it needs. Pure.
    ///
    /// # Errors
    /// Every mistake in the options, each with the JSON pointer of the option.
    fn setup(&self, request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>>;

    /// Works until [`Context::shutdown`] says stop, or fails.
    fn run(&self, context: Context) -> BoxFuture<'static, Result<(), ServiceError>>;

    /// One exchange of the service's own protocol, seen to succeed from another node.
    fn probe(&self, probe: Probe) -> BoxFuture<'static, Result<(), ProbeError>>;
}

/// What a service is asked at set-up.
pub struct SetupRequest<'a> {
    /// Options as written; an empty object if there are none.
    pub options: &'a Value,
    /// The node it shall run on.
    pub node: &'a Node,
    /// The whole lab.
    pub lab: &'a Lab,
}

/// What a service needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setup {
    /// Handed to [`Service::run`] as [`Context::settings`]. A change of it alone is told to
    /// the running service, which is not restarted.
    pub settings: Value,
    /// Sockets bound for it.
    pub listens: Vec<Listen>,
    /// Certificates issued for it, besides the node's own (`node`).
    pub certificates: Vec<CertificatePlan>,
    /// Names of the secrets it shares with whoever asks for the same name: the long-term key of
    /// an account that a server and its key distribution center both know.
    pub secrets: Vec<String>,
    /// Most bytes that it stores ([`Context::store`]); 0: it stores nothing.
    pub store: u64,
    /// It speaks for the lab's certificate authority: it gets [`Context::authority`].
    pub authority: bool,
    /// Other nodes it talks to.
    pub peers: BTreeMap<String, Vec<Peer>>,
}

/// A mistake in a service's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError {
    /// JSON pointer of the option (`/asks/0`); empty for the whole.
    pub pointer: String,
    /// What is wrong, a sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Why a service ended on its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ServiceError {
    /// A sentence.
    pub message: String,
}

impl ServiceError {
    /// Makes one from anything that can be shown.
    pub fn new(message: impl std::fmt::Display) -> Self {
        Self {
            message: message.to_string(),
        }
    }
}

/// All services the engine may start.
#[derive(Clone, Copy)]
pub struct Catalogue {
    services: &'static [&'static dyn Service],
}

impl Catalogue {
    /// From a list; names must differ.
    pub const fn new(services: &'static [&'static dyn Service]) -> Self {
        Self { services }
    }

    /// The service of that name.
    pub fn get(&self, name: &str) -> Option<&'static dyn Service> {
        self.services
            .iter()
            .copied()
            .find(|service| service.name() == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'static dyn Service> {
        self.services.iter().copied()
    }
}

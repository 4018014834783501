//! `domain-controller`: the directory of the lab as its clients meet it: Kerberos on 88 (UDP and
//! TCP), LDAP on 389 and 636, which also verifies logins for member servers.
//!
//! - `settings`: options and lab → what it knows;
//! - `accounts`: the store that every protocol verifies logins with, lock-out included;
//! - `controller`: the store and what goes with it, handed to the server of each protocol;
//! - `kdc`: the key distribution center, and `doors`, its sockets;
//! - `ldap`: the directory's tree, and the logins that lead to it, for the server of [`crate::ldap`];
//! - `run`: all protocols, until it is told to stop.

pub mod accounts;
mod controller;
mod doors;
mod kdc;
mod ldap;
mod probe;
mod run;
pub mod settings;

pub use accounts::{Accounts, Entry, Refusal};
pub use controller::Controller;
pub use kdc::Kdc;

use futures::FutureExt;
use futures::future::BoxFuture;
use lab_core::service::{
    Context, OptionError, Probe, ProbeError, Service, ServiceError, Setup, SetupRequest,
};
use serde_json::Value;

use crate::directory::Domain;

/// The service.
pub struct DomainController;

impl Service for DomainController {
    fn name(&self) -> &'static str {
        Domain::CONTROLLER
    }

    fn about(&self) -> &'static str {
        "the lab's directory: Kerberos and LDAP for its accounts"
    }

    fn options_schema(&self) -> Value {
        settings::schema()
    }

    fn setup(&self, request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
        settings::setup(request)
    }

    fn run(&self, context: Context) -> BoxFuture<'static, Result<(), ServiceError>> {
        run::run(context).boxed()
    }

    fn probe(&self, probe: Probe) -> BoxFuture<'static, Result<(), ProbeError>> {
        async move {
            probe::run(probe.clone()).await?;
            crate::ldap::probe(&probe).await
        }
        .boxed()
    }
}

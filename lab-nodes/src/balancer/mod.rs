//! `balancer`: the load balancer and reverse proxy of a node, for all VIPs that the lab file
//! puts on it (B1 to B5). Layer 7 ends TLS here and sends requests on over new connections;
//! layer 4 is done by the kernel, this service says with which members.
//!
//! - `setup`: from the lab's VIPs to `settings`;
//! - `pool`, `health`, `announce`: members, whether they are well, and who is told;
//! - `affinity`, `publish`: which member, and which paths;
//! - `device`: VIPs, sites and pools as they are now;
//! - `visit`, `link`, `exchange`: a client's connection, those it owns to the members,
//!   and what happens to the heads of requests and responses on the way;
//! - `probe`: the health check from another node.

mod affinity;
mod announce;
mod device;
mod exchange;
mod health;
mod link;
mod pool;
mod probe;
mod publish;
mod run;
mod settings;
mod setup;
mod visit;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use lab_core::service::{
    Context, OptionError, Probe, ProbeError, Service, ServiceError, Setup, SetupRequest,
};
use serde_json::{Value, json};

use crate::http::accept::Visitor;

/// Answered by the balancer itself: 200 when every pool has a healthy member, else 503.
const HEALTH: &str = "/.well-known/tierlab/health";

/// The service `balancer`.
pub struct LoadBalancer;

impl LoadBalancer {
    /// The heads of a request and of the response to it as they leave a balancer on `node`, and
    /// whether the client's connection is tied to the member's by a login; none for a request
    /// that it answers itself, because it names no host or its path has two readings.
    /// `published`: the paths of the site, all if it is empty.
    pub fn pass(
        request: Request<()>,
        response: Response<()>,
        visitor: &Visitor,
        published: &[String],
        node: &str,
    ) -> Option<(Request<()>, Response<()>, bool)> {
        crate::http::host::of(&request)?;
        publish::longest(published, request.uri().path()).ok()??;
        let (mut asked, ()) = request.into_parts();
        let (mut answered, ()) = response.into_parts();
        let login = exchange::authenticates_connection(&asked.headers)
            || exchange::asks_for_connection_login(&answered);
        exchange::outbound(&mut asked, visitor, node);
        exchange::inbound(&mut answered, node);
        Some((
            Request::from_parts(asked, ()),
            Response::from_parts(answered, ()),
            login,
        ))
    }

    /// The values of a cookie in a request's fields (RFC 6265 §5.4).
    pub fn cookies<'h>(
        headers: &'h HeaderMap,
        name: &'h str,
    ) -> impl Iterator<Item = &'h str> + use<'h> {
        affinity::cookies(headers)
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

impl Service for LoadBalancer {
    fn name(&self) -> &'static str {
        "balancer"
    }

    fn about(&self) -> &'static str {
        "A load balancer and reverse proxy for the VIPs that stand on its node"
    }

    fn options_schema(&self) -> Value {
        json!({ "type": "object", "properties": {}, "additionalProperties": false })
    }

    fn setup(&self, request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
        setup::setup(request)
    }

    fn run(&self, context: Context) -> BoxFuture<'static, Result<(), ServiceError>> {
        run::run(context).boxed()
    }

    fn probe(&self, probe: Probe) -> BoxFuture<'static, Result<(), ProbeError>> {
        probe::probe(probe).boxed()
    }
}

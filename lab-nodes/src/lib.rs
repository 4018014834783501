//! The services of Tierlab, one module a product. A service never touches a
//! namespace, a route or a rule: it asks the engine (see [`lab_core::service`]).
#![forbid(unsafe_code)]

pub mod balancer;
pub mod client;
pub mod directory;
pub mod dns;
pub mod http;
pub mod office_web_apps;
pub mod tier_web;
pub mod tls;
pub mod wopi;

use lab_core::service::{Catalogue, Service};

/// Every service of this project.
pub static CATALOGUE: Catalogue = Catalogue::new(SERVICES);

static SERVICES: &[&dyn Service] = &[
    &dns::Dns,
    &tier_web::TierWeb,
    &balancer::LoadBalancer,
    &office_web_apps::OfficeWebApps,
];

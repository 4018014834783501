//! The services of Tierlab, one module a product. A service never touches a
//! namespace, a route or a rule: it asks the engine (see [`lab_core::service`]).
#![forbid(unsafe_code)]

pub mod balancer;
pub mod certificate_services;
pub mod client;
pub mod der;
pub mod directory;
pub mod dns;
pub mod domain_controller;
pub mod http;
pub mod kerberos;
pub mod ldap;
pub mod login;
pub mod ntlm;
pub mod revocation;
pub mod spnego;
pub mod tier_web;
pub mod tls;

use lab_core::service::{Catalogue, Service};

/// Every service of this project.
pub static CATALOGUE: Catalogue = Catalogue::new(SERVICES);

static SERVICES: &[&dyn Service] = &[
    &dns::Dns,
    &tier_web::TierWeb,
    &balancer::LoadBalancer,
    &certificate_services::CertificateServices,
    &domain_controller::DomainController,
];

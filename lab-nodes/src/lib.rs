//! The services of Tierlab, one module a product. A service never touches a
//! namespace, a route or a rule: it asks the engine (see [`lab_core::service`]).
#![forbid(unsafe_code)]

pub mod application_tier;
pub mod balancer;
pub mod certificate_services;
pub mod client;
pub mod client_access;
pub mod der;
pub mod directory;
pub mod distributed_cache;
pub mod dns;
pub mod domain_controller;
pub mod http;
pub mod identity_provider;
pub mod kerberos;
pub mod ldap;
pub mod login;
pub mod ntlm;
pub mod office_web_apps;
pub mod revocation;
pub mod saml;
pub mod sharepoint;
pub mod sharepoint_batch;
pub mod sharepoint_search;
pub mod spnego;
pub mod sql_client;
pub mod sql_server;
pub mod tds;
pub mod tier_web;
pub mod tls;
pub mod wopi;
pub mod ws_federation;

use lab_core::service::{Catalogue, Service};

/// Every service of this project.
pub static CATALOGUE: Catalogue = Catalogue::new(SERVICES);

static SERVICES: &[&dyn Service] = &[
    &dns::Dns,
    &tier_web::TierWeb,
    &balancer::LoadBalancer,
    &certificate_services::CertificateServices,
    &domain_controller::DomainController,
    &identity_provider::IdentityProvider,
    &office_web_apps::OfficeWebApps,
    &sharepoint::SharePointFrontEnd,
    &sharepoint_batch::SharePointBatch,
    &sharepoint_search::SharePointSearch,
    &sql_server::SqlServer,
];

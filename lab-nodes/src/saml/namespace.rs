//! XML namespaces.

/// SAML 1.1 assertions.
pub const SAML11: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
/// SAML 2.0 assertions.
pub const SAML20: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// SAML 2.0 protocol.
pub const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// XML signatures.
pub const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

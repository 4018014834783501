//! What the lab's certificate authority issues beyond the certificates that follow from the lab.

use super::record::record;
use super::{Many, Spanned};

record! {
    /// What the lab's certificate authority writes into every certificate.
    Certificates, "the certificates" {
        /// Where revocation lists, OCSP and the authority's own certificates are found
        /// (`http://crl.example.com/pki`); nothing is said of revocation unless given.
        published: Option<Spanned<String>>,
    }
}

record! {
    /// A certificate of a node, put below `/etc/tierlab` under its name as `.crt` and `.key`.
    Certificate, "a certificate" {
        /// The user of the directory whom it is for: a client's certificate.
        user: Option<Spanned<String>>,
        /// The host names that it is for: a server's certificate.
        names: Many<Spanned<String>>,
        /// It is revoked from the beginning.
        revoked: Option<bool>,
    }
}

//! Claim types, as AD FS names them ([MS-MWBF] and the identity claims of WS-Federation).

/// E-mail address: the identity claim of partners at SharePoint.
pub const EMAIL: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress";
/// User principal name.
pub const UPN: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn";
/// Display name.
pub const NAME: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name";
/// Role.
pub const ROLE: &str = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role";

use crate::http::form::{Form, FormError};
use crate::login::question::Password;

/// The bit of `flags` that says "this is a private computer".
const PRIVATE: u32 = 4;
/// Longest field that is looked at, in bytes.
const LONGEST: usize = 2048;

/// Whose computer the user says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Computer {
    /// Others use it, too: the session soon ends when nothing is done.
    Public,
    /// The user's own.
    Private,
}

/// What the logon page posts to `/owa/auth.owa`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logon {
    /// `username`: `CONTOSO\alice`, `alice@contoso.com` or `alice`.
    pub username: String,
    /// `password`.
    pub password: Password,
    /// Path and query of where to go when it holds.
    pub destination: String,
    /// From `flags`.
    pub computer: Computer,
}

/// Why something posted is no logon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLogon {
    /// No form.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The form lacks this field.
    #[error("the logon form has no field `{0}`")]
    Missing(&'static str),
    /// A field has more than 2048 bytes.
    #[error("the field `{0}` of the logon form is too long")]
    TooLong(&'static str),
    /// `flags` is no number.
    #[error("the field `flags` of the logon form is no number")]
    Flags,
    /// It leads to another site.
    #[error("the field `destination` of the logon form leads elsewhere than to this site")]
    Elsewhere,
}

impl Logon {
    /// Reads a posted body; `host` is the one that was asked.
    ///
    /// # Errors
    /// It is not what the logon page posts, or leads away from this host.
    pub fn read(body: &[u8], host: &str) -> Result<Self, BadLogon> {
        let form = Form::read(body)?;
        let field = |name: &'static str| match form.get(name) {
            None => Err(BadLogon::Missing(name)),
            Some(value) if value.len() > LONGEST => Err(BadLogon::TooLong(name)),
            Some(value) => Ok(value.to_owned()),
        };
        let flags = match field("flags") {
            Ok(flags) => flags.parse::<u32>().map_err(|_| BadLogon::Flags)?,
            Err(BadLogon::Missing(_)) => 0,
            Err(other) => return Err(other),
        };
        Ok(Self {
            destination: local(&field("destination")?, host).ok_or(BadLogon::Elsewhere)?,
            username: field("username")?,
            password: Password(field("password")?),
            computer: match flags & PRIVATE {
                0 => Computer::Public,
                _ => Computer::Private,
            },
        })
    }
}

/// Path and query of a destination on this host: no other site may use the page to send people on.
fn local(destination: &str, host: &str) -> Option<String> {
    if destination
        .chars()
        .any(|one| one.is_control() || one == '\\')
    {
        return None;
    }
    let path = match destination.get(..8) {
        Some(scheme) if scheme.eq_ignore_ascii_case("https://") => {
            let rest = &destination[8..];
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            if !authority.eq_ignore_ascii_case(host) {
                return None;
            }
            if path.is_empty() { "/owa/" } else { path }
        }
        _ => destination,
    };
    // What begins with two slashes names a host (RFC 3986 §4.2).
    (path.starts_with('/') && !path.starts_with("//") && path.is_ascii()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "mail.contoso.com";

    fn body(destination: &str, flags: &str) -> String {
        crate::http::form::write([
            ("destination", destination),
            ("flags", flags),
            ("forcedownlevel", "0"),
            ("username", "CONTOSO\\alice"),
            ("password", "Passw0rd!"),
            ("passwordText", ""),
            ("isUtf8", "1"),
        ])
    }

    #[test]
    fn what_the_logon_page_posts_is_read() {
        let posted = body("https://mail.contoso.com/owa/?a=b", "4");
        let logon = Logon::read(posted.as_bytes(), HOST).expect("a logon");
        assert_eq!(logon.username, "CONTOSO\\alice");
        assert_eq!(logon.destination, "/owa/?a=b");
        assert_eq!(logon.computer, Computer::Private);
        assert!(!format!("{logon:?}").contains("Passw0rd"));
        let logon = Logon::read(body("/ecp/", "0").as_bytes(), HOST).expect("a logon");
        assert_eq!(
            (logon.destination.as_str(), logon.computer),
            ("/ecp/", Computer::Public)
        );
    }

    #[test]
    fn nobody_is_led_to_another_site() {
        for destination in [
            "https://evil.example/owa/",
            "http://mail.contoso.com/owa/",
            "//evil.example/",
            "/\\evil.example",
            "https://mail.contoso.com@evil.example/",
            "owa",
            "",
            "https://mail.contoso.com//evil.example/",
            "/owa/\r\nSet-Cookie: a=b",
            "javascript:x",
        ] {
            let read = Logon::read(body(destination, "0").as_bytes(), HOST);
            assert_eq!(read, Err(BadLogon::Elsewhere), "{destination}");
        }
    }

    #[test]
    fn what_is_no_logon_is_refused_with_its_reason() {
        assert_eq!(
            Logon::read(b"", HOST),
            Err(BadLogon::Missing("destination"))
        );
        assert_eq!(
            Logon::read(b"destination=/owa/&username=a", HOST),
            Err(BadLogon::Missing("password"))
        );
        assert_eq!(
            Logon::read(body("/owa/", "x").as_bytes(), HOST),
            Err(BadLogon::Flags)
        );
        let long = format!("destination=/owa/&username={}&password=", "a".repeat(2049));
        assert_eq!(
            Logon::read(long.as_bytes(), HOST),
            Err(BadLogon::TooLong("username"))
        );
    }
}

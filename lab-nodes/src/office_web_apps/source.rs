//! Which document a browser asks for: a WOPISrc, which anybody can write. Only documents of the
//! farm's hosts are ever asked for, by HTTPS on port 443.

use hyper::Uri;

/// Longest WOPISrc, in bytes.
const LONGEST: usize = 2048;

/// A document at a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The host's name, in lower case; one of those that are allowed.
    pub host: String,
    /// The path of the document at that host.
    pub path: String,
}

/// Why a WOPISrc is not asked for: a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadSource {
    #[error("The address of the document is missing or malformed.")]
    Malformed,
    #[error("{0} is not one of the hosts whose documents are shown here.")]
    Host(String),
}

impl Source {
    pub fn read(text: &str, hosts: &[String]) -> Result<Self, BadSource> {
        if text.len() > LONGEST {
            return Err(BadSource::Malformed);
        }
        let uri: Uri = text.parse().map_err(|_| BadSource::Malformed)?;
        let authority = uri.authority().ok_or(BadSource::Malformed)?;
        let path = uri.path();
        let lower = path.to_ascii_lowercase();
        let strange = ["..", "%2e", "%2f", "%5c", "//", "%00"];
        if uri.scheme_str() != Some("https")
            || authority.as_str().contains('@')
            || uri.query().is_some()
            || !path.contains("/files/")
            || path.ends_with('/')
            || strange.iter().any(|strange| lower.contains(strange))
        {
            return Err(BadSource::Malformed);
        }
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(443);
        if !hosts.contains(&host) || port != 443 || authority.as_str().ends_with(':') {
            return Err(BadSource::Host(authority.as_str().to_owned()));
        }
        Ok(Self {
            host,
            path: path.to_owned(),
        })
    }

    /// As it is written in forms.
    pub fn text(&self) -> String {
        format!("https://{}{}", self.host, self.path)
    }

    /// The request target of an operation, with the token of the user.
    pub fn target(&self, more: &str, token: &str) -> String {
        let token = percent_encoding::utf8_percent_encode(token, &TOKEN);
        format!("{}{more}?access_token={token}", self.path)
    }
}

/// What stands for itself in a token of a query (RFC 3986 §2.3).
const TOKEN: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documents_of_the_hosts_are_asked_for() {
        let hosts = ["teams.contoso.com".to_owned()];
        let read = |text: &str| Source::read(text, &hosts);
        let source =
            read("https://Teams.contoso.com/_vti_bin/wopi.ashx/files/7").expect("a source");
        assert_eq!(
            source.text(),
            "https://teams.contoso.com/_vti_bin/wopi.ashx/files/7"
        );
        for host in [
            "https://169.254.169.254/wopi/files/1",
            "https://localhost/wopi/files/1",
            "https://teams.contoso.com:8443/wopi/files/1",
            "https://teams.contoso.com.evil.example/wopi/files/1",
        ] {
            assert!(matches!(read(host), Err(BadSource::Host(_))), "{host}");
        }
        for text in [
            "",
            "/wopi/files/1",
            "http://teams.contoso.com/wopi/files/1",
            "file:///wopi/files/1",
            "https://teams.contoso.com@evil.example/wopi/files/1",
            "https://evil.example@teams.contoso.com/wopi/files/1",
            "https://teams.contoso.com/wopi/files/../../admin",
            "https://teams.contoso.com/wopi/files/%2e%2e/admin",
            "https://teams.contoso.com/wopi/files/1?x=y",
            "https://teams.contoso.com/admin",
            "https://teams.contoso.com/wopi/files/",
            &format!("https://teams.contoso.com/wopi/files/{}", "x".repeat(3000)),
        ] {
            assert_eq!(read(text), Err(BadSource::Malformed), "{text}");
        }
    }
}

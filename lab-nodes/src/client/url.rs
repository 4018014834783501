//! URLs, as far as a client of HTTP needs them.

use hyper::Uri;

/// A URL of `http` or `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// With TLS.
    pub tls: bool,
    /// Host, lower case, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path and query, at least `/`.
    pub target: String,
}

impl Url {
    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split('#').next().unwrap_or(text);
        let uri: Uri = text.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let host = authority
            .host()
            .trim_matches(['[', ']'])
            .to_ascii_lowercase();
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Some(Self {
            tls,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            host: (!host.is_empty()).then_some(host)?,
            target: if target.is_empty() {
                "/".into()
            } else {
                target.into()
            },
        })
    }

    /// Where a redirection from here leads (RFC 9110 §10.2.2).
    pub fn join(&self, location: &str) -> Option<Self> {
        let scheme = |text: &str| {
            text.chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        if location
            .split_once("://")
            .is_some_and(|(before, _)| scheme(before))
        {
            return Self::parse(location);
        }
        let scheme = if self.tls { "https" } else { "http" };
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let location = location.split('#').next().unwrap_or_default();
        let target = match location.strip_prefix('/') {
            Some(_) => location.to_owned(),
            None if location.starts_with('?') => format!("{}{location}", self.path()),
            None => {
                let path = self.target.split('?').next().unwrap_or("/");
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{location}")
            }
        };
        target.parse::<hyper::http::uri::PathAndQuery>().ok()?;
        Some(Self {
            target,
            ..self.clone()
        })
    }

    /// The value of the Host field.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// `HOST:PORT` to connect to; with what is given in its place.
    pub fn place(&self, instead: Option<&str>) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        let Some(instead) = instead else {
            return format!("{host}:{}", self.port);
        };
        let has_port = instead.rsplit_once(':').is_some_and(|(host, port)| {
            port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
        });
        match has_port {
            true => instead.to_owned(),
            false if instead.contains(':') => format!("[{instead}]:{}", self.port),
            false => format!("{instead}:{}", self.port),
        }
    }

    /// The path alone.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("/")
    }
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn urls_are_read_and_joined() {
        let url = Url::parse("https://Mail.Example/owa/a?x=1#top").expect("a URL");
        assert_eq!(
            (url.host.as_str(), url.port, url.target.as_str()),
            ("mail.example", 443, "/owa/a?x=1")
        );
        assert_eq!(url.authority(), "mail.example");
        let next = |location| {
            url.join(location)
                .map(|url| format!("{} {}", url.authority(), url.target))
        };
        assert_eq!(next("b").as_deref(), Some("mail.example /owa/b"));
        assert_eq!(next("/b").as_deref(), Some("mail.example /b"));
        assert_eq!(next("//other/b").as_deref(), Some("other /b"));
        assert_eq!(next("http://other:8080/").as_deref(), Some("other:8080 /"));
        assert_eq!(next("?y=2").as_deref(), Some("mail.example /owa/a?y=2"));
        let back = "/login?to=https://other/";
        assert_eq!(next(back), Some(format!("mail.example {back}")));
        assert_eq!(next("ftp://other/"), None);
        for wrong in ["mail.example", "ftp://x/", "https:///", "https://u@x/", ""] {
            assert_eq!(Url::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn another_place_keeps_the_port_unless_it_has_one() {
        let url = Url::parse("https://mail.example/").expect("a URL");
        assert_eq!(url.place(None), "mail.example:443");
        assert_eq!(url.place(Some("10.0.0.1")), "10.0.0.1:443");
        assert_eq!(url.place(Some("10.0.0.1:8443")), "10.0.0.1:8443");
        assert_eq!(url.place(Some("2001:db8::1")), "[2001:db8::1]:443");
        assert_eq!(url.place(Some("[2001:db8::1]:8443")), "[2001:db8::1]:8443");
    }
}

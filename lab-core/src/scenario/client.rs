//! What the built-in clients are asked, and what they answer: JSON in, JSON out. They run inside a
//! node, as a program of their own; `lab-nodes` has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::wishes::Fails;

/// Longest body, output or conversation that is kept, in bytes.
pub const LONGEST_TEXT: usize = 1 << 20;

/// What a client shall do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// What is asked.
    pub ask: Ask,
    /// How often, each time by a connection of its own.
    pub times: u32,
    /// Milliseconds that each may take.
    pub limit: u64,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// By HTTP/1.1, with TLS for `https`.
    Http(HttpAsk),
    /// A name server.
    Dns(DnsAsk),
    /// For a TCP connection: `HOST:PORT`.
    Tcp(String),
    /// For an answer to a datagram.
    Udp(UdpAsk),
    /// A mail server.
    Smtp(SmtpAsk),
}

/// A request by HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAsk {
    /// The URL.
    pub url: String,
    /// The method.
    pub method: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<String>,
    /// Follow redirections, ten at most.
    pub follow: bool,
    /// Who logs in, and how.
    pub login: Option<HttpLogin>,
    /// `HOST` or `HOST:PORT` to connect to in place of the URL's.
    pub connect: Option<String>,
    /// What servers left here before.
    pub cookies: Vec<Cookie>,
}

/// Somebody who logs in by HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpLogin {
    /// How.
    pub way: LoginWay,
    /// The account: `alice`, or as a server takes it (`alice@example.com`).
    pub account: String,
    /// Its password.
    pub password: String,
    /// NetBIOS name of the lab's domain; empty: it has none.
    pub domain: String,
    /// Kerberos realm of the lab's domain; empty: it has none.
    pub realm: String,
}

/// How somebody logs in by HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginWay {
    /// Name and password in the request (RFC 7617).
    #[default]
    Basic,
    /// NTLM.
    Ntlm,
    /// Kerberos, by Negotiate (RFC 4559).
    Negotiate,
    /// Name and password in the page's form.
    Forms,
}

/// A cookie (RFC 6265), as far as a lab needs it: for one host, or a domain and all below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookie {
    /// Host or domain, lower case.
    pub domain: String,
    /// For all below the domain, too.
    pub below: bool,
    /// Path it is for.
    pub path: String,
    /// Only by TLS.
    pub secure: bool,
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpAsk {
    /// `HOST:PORT`.
    pub to: String,
    /// What is sent; nothing but the headers where absent.
    pub body: Option<String>,
}

/// A question about a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsAsk {
    /// The name.
    pub name: String,
    /// Record type.
    pub kind: String,
    /// The server; the node's own where absent.
    pub server: Option<String>,
    /// By TCP from the start.
    pub tcp: bool,
}

/// A conversation by SMTP (RFC 5321).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpAsk {
    /// `HOST` or `HOST:PORT`.
    pub server: String,
    /// Sender.
    pub from: Option<String>,
    /// Recipients.
    pub to: Vec<String>,
    /// The message.
    pub data: Option<String>,
    /// Ask for TLS (RFC 3207).
    pub starttls: bool,
}

/// What came of it, once for each time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Microseconds it took.
    pub micros: u64,
    /// Why there is no answer: the word of [`Fails`], and a sentence.
    pub failure: Option<(String, String)>,
    /// HTTP's status; SMTP's last code.
    pub status: Option<u16>,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, answers of a name server one a line, or conversation; invalid UTF-8 replaced.
    pub text: String,
    /// The text is longer than what is kept.
    pub cut: bool,
    /// Response code of a name server.
    pub code: Option<String>,
    /// Answers of a name server, as in a zone file.
    pub answers: Vec<String>,
    /// The server's certificate.
    pub certificate: Option<SeenCertificate>,
    /// The cookies that are there now.
    pub cookies: Vec<Cookie>,
}

impl Answer {
    /// None, and why.
    pub fn failed(why: Fails, sentence: impl std::fmt::Display) -> Self {
        Self {
            failure: Some((why.word().to_owned(), sentence.to_string())),
            ..Self::default()
        }
    }

    /// A header field's values.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What a certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenCertificate {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// DNS names and addresses it is for.
    pub names: Vec<String>,
}

/// The answers of one errand.
pub type Answers = Vec<Answer>;

/// Cookies by the node whose clients have them.
pub type Jars = BTreeMap<String, Vec<Cookie>>;

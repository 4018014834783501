//! What a scenario file says.

use serde_json::{Value as Json, json};

use crate::model::record::{record, words};
use crate::model::units::Time;
use crate::model::{Decode, Diagnostic, Many, Map, Spanned, Tree, Value};

use super::wishes::Wishes;

/// The newest version of the format this engine reads.
pub const VERSION: u64 = 1;

record! {
    /// A scenario: what is done from the nodes of a lab, and what must come of it.
    File, "a scenario" {
        /// Version of the format; 1 unless given.
        version: Option<Spanned<u64>>,
        /// What it proves, in a line.
        title: Spanned<String>,
        /// The requirements it covers (`F12`).
        covers: Many<Spanned<String>>,
        /// What there is to learn from it.
        about: Option<String>,
        /// Words to choose scenarios by.
        tags: Many<Spanned<String>>,
        /// The node that each step starts from, unless the step names one.
        from: Option<Spanned<String>>,
        /// The user of the directory that steps log in as, unless the step names one.
        user as "as": Option<Spanned<String>>,
        /// No other scenario runs meanwhile; those with faults never share their lab.
        alone: Option<bool>,
        /// How long each step may take; 30 s unless given.
        timeout: Option<Time>,
        /// Texts that steps use as `${name}`.
        variables: Map<String>,
        /// The scenario is done once for each of these, with these variables besides.
        cases: Vec<Map<String>>,
        /// Steps before; if one fails, the scenario has failed.
        setup: Steps,
        /// The steps, one after the other; the first that fails ends them.
        steps: Steps,
        /// Steps after, whatever happened; faults still in force are healed after them.
        teardown: Steps,
    }
}

/// Steps, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps(pub Vec<Step>);

impl std::ops::Deref for Steps {
    type Target = [Step];
    fn deref(&self) -> &[Step] {
        &self.0
    }
}

impl Decode for Steps {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        Vec::decode(tree, diagnostics).map(Self)
    }
    fn schema() -> Json {
        // Steps hold steps: the schema of one stands apart.
        json!({ "type": "array", "items": { "$ref": "#/$defs/step" } })
    }
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

record! {
    /// One thing that is done, and what must come of it: one of `run`, `http`, `browse`, `dns`, `tcp`, `udp`, `smtp`, `pool`, `fault`, `heal`.
    Step, "a step" {
        /// What it is for, in a line.
        name: Option<String>,
        /// The node it starts from.
        from: Option<Spanned<String>>,
        /// The user it logs in as.
        user as "as": Option<Spanned<String>>,
        /// A program of the host: a list of words, or one line for the shell.
        run: Option<CommandLine>,
        /// A request by HTTP: an URL.
        http: Option<Spanned<String>>,
        /// As `http`; redirections are followed, as a browser does.
        browse: Option<Spanned<String>>,
        /// A question about a name.
        dns: Option<Spanned<String>>,
        /// A TCP connection: `HOST:PORT`.
        tcp: Option<Spanned<String>>,
        /// A datagram, and what answers it: `HOST:PORT`.
        udp: Option<Spanned<String>>,
        /// A conversation by SMTP: `HOST` or `HOST:PORT`.
        smtp: Option<Spanned<String>>,
        /// The members of a balancer's pool, as the balancer sees them.
        pool: Option<Spanned<String>>,
        /// Breaks something, in the words of `lab fault`: `kill cas1`, `link core vip`, `stop dc1 dns`, `drain cas1`.
        fault: Option<Spanned<String>>,
        /// Mends a fault, in the same words, or `all` that this scenario broke.
        heal: Option<Spanned<String>>,

        /// `http`: the method; GET unless given.
        method: Option<Spanned<String>>,
        /// `http`: further header fields.
        headers: Map<String>,
        /// `http`, `udp`: what is sent; a datagram is empty unless given.
        body: Option<Spanned<String>>,
        /// `http`: how to log in as the user.
        login: Option<Spanned<Login>>,
        /// `http`: the password to log in with, where it is not the one that the directory has; the
        /// user may be one that the directory does not know then.
        password: Option<Spanned<String>>,
        /// `http`: the address (`HOST` or `HOST:PORT`) to connect to in place of the URL's.
        connect: Option<Spanned<String>>,
        /// `dns`: record type; A unless given.
        kind as "type": Option<Spanned<String>>,
        /// `dns`: the server asked; the node's own unless given.
        server: Option<Spanned<String>>,
        /// `dns`: `udp` or `tcp`; UDP unless given, TCP where an answer does not fit.
        over: Option<Spanned<String>>,
        /// `smtp`: sender of the envelope.
        mail_from: Option<Spanned<String>>,
        /// `smtp`: recipient of the envelope.
        rcpt_to: Many<Spanned<String>>,
        /// `smtp`: the message; nothing is sent without one.
        data: Option<Spanned<String>>,
        /// `smtp`: asks for TLS (RFC 3207).
        starttls: Option<bool>,

        /// Asks so many times, each by a connection of its own; 1 unless given, at most 1000.
        times: Option<Spanned<u64>>,
        /// Asks again until it is as expected, for so long at most.
        wait: Option<Spanned<Time>>,
        /// How long it may take.
        timeout: Option<Spanned<Time>>,
        /// `fault`: steps that must go on working from before it until it is healed, or the steps end.
        meanwhile: Steps,
        /// In `meanwhile`: the longest time without success that is allowed; none unless given.
        outage: Option<Spanned<Time>>,
        /// What must come of it; that it succeeds, unless given.
        expect: Option<Wishes>,
    }
}

words! {
    /// How to log in.
    Login, "how to log in" {
        /// Name and password in the request (RFC 7617).
        Basic = "basic",
        /// NTLM.
        Ntlm = "ntlm",
        /// Kerberos, by Negotiate (RFC 4559).
        Negotiate = "negotiate",
        /// Name and password in the page's form.
        Forms = "forms",
    }
}

/// A program with its arguments, or a line for the shell.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandLine {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// It was one line: `argv` hands it to the shell.
    pub line: Option<String>,
}

impl Decode for CommandLine {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        if let Value::Scalar { text, .. } = &tree.value {
            return Some(Self {
                argv: vec!["sh".into(), "-c".into(), text.clone()],
                line: Some(text.clone()),
            });
        }
        let argv: Vec<String> = crate::model::OneOrMore::decode(tree, diagnostics)?.0;
        Some(Self { argv, line: None })
    }
    fn schema() -> Json {
        json!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": ["string", "number"] }, "minItems": 1 },
        ] })
    }
}

/// JSON Schema 2020-12 of a scenario file.
pub fn schema() -> Json {
    let mut schema = File::schema();
    if let Json::Object(root) = &mut schema {
        root.insert(
            "$schema".into(),
            "https://json-schema.org/draft/2020-12/schema".into(),
        );
        root.insert("title".into(), "Tierlab scenario".into());
        root.insert("$defs".into(), json!({ "step": Step::schema() }));
    }
    schema
}

//! Expectations as they are written.

use serde_json::{Value as Json, json};

use crate::model::record::{record, words};
use crate::model::units::{Share, Time};
use crate::model::{Decode, Diagnostic, Many, Map, Spanned, Tree};

record! {
    /// What must come of a step; all of it must hold.
    Wishes, "an expectation" {
        /// `run`: the exit status; 0 unless given.
        exit: Option<Spanned<u8>>,
        /// `http`: the status, or one of several; below 400 unless given. `smtp`: the last reply's code.
        status: Many<Spanned<u64>>,
        /// It does not come to an answer, and why.
        fails: Option<Spanned<Fails>>,
        /// Texts within the output, the body, the answers.
        contains: Many<Spanned<String>>,
        /// Texts that are not within it.
        lacks: Many<Spanned<String>>,
        /// Regular expressions that match within it.
        matches: Many<Spanned<String>>,
        /// All of it, white space at its ends left out.
        equals: Option<Spanned<String>>,
        /// `run`: texts within what it wrote to stderr.
        complains: Many<Spanned<String>>,
        /// `http`: header fields, each a regular expression that matches within the value.
        header: Map<Spanned<String>>,
        /// `http`, `run`: values within JSON, by JSON pointer (RFC 6901): `{ /nodes/0: core }`.
        json: Map<Spanned<String>>,
        /// `http`, `smtp`: the server's certificate.
        certificate: Option<CertificateWish>,
        /// `dns`: the answers, in any order, as in a zone file; `[]`: there is none.
        answers: Option<Answers>,
        /// `dns`: the response code; NOERROR unless given.
        code: Option<Spanned<String>>,
        /// The way it took: `gateway > lb > cas* > mbx1`. Routers may be left out, `...` stands for anything, `{a,b}` for either.
        path: Option<Spanned<String>>,
        /// Nodes that it did not come by.
        never: Many<Spanned<String>>,
        /// A rule that dropped it.
        dropped: Option<Decided>,
        /// Rules that let it pass.
        permitted: Many<Decided>,
        /// Who was found to be asking, and how.
        authenticated: Option<AuthenticatedWish>,
        /// How requests were spread over members.
        balance: Option<Balance>,
        /// By node and rule, by how many packets its counter grew at least; 0: not at all.
        counters: Map<Map<Spanned<u64>>>,
        /// `pool`: states by member: `healthy`, `down`, `drained`.
        members: Map<Spanned<String>>,
        /// It took no longer.
        within: Option<Spanned<Time>>,
        /// What happened on the way, in this order: texts within lines like `lb: logged in alice by basic`; before a colon stands a node, or a pattern like `cas*`.
        order: Vec<Spanned<String>>,
    }
}

words! {
    /// Why a step does not come to an answer.
    Fails, "why it fails" {
        /// For whatever reason.
        Any = "any",
        /// The name leads nowhere.
        Name = "name",
        /// The connection was refused.
        Refused = "refused",
        /// No answer in time.
        Timeout = "timeout",
        /// There is no way.
        Unreachable = "unreachable",
        /// TLS failed, the certificate is not good or another's.
        Tls = "tls",
        /// What came is not of the protocol, or it broke off.
        Protocol = "protocol",
    }
}

impl Fails {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Name => "name",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
        }
    }
}

record! {
    /// What a server's certificate says.
    CertificateWish, "a certificate" {
        /// A text within the subject.
        subject: Option<Spanned<String>>,
        /// A text within the issuer's name.
        issuer: Option<Spanned<String>>,
        /// Names that it is for.
        names: Many<Spanned<String>>,
    }
}

record! {
    /// A rule that decided.
    Decided, "a rule's decision" {
        /// The node.
        at: Spanned<String>,
        /// The rule's id; any unless given.
        by: Option<Spanned<String>>,
    }
}

record! {
    /// A login that was verified.
    AuthenticatedWish, "a login" {
        /// `basic`, `ntlm`, `negotiate`, `forms` …
        method: Option<Spanned<String>>,
        /// Who.
        principal: Option<Spanned<String>>,
        /// The node that verified it.
        at: Option<Spanned<String>>,
    }
}

record! {
    /// How requests were spread.
    Balance, "a balance" {
        /// The members, nodes: `cas*`.
        among: Spanned<String>,
        /// How many of them were chosen.
        members: Option<Spanned<u64>>,
        /// The least share that each chosen one got.
        least: Option<Share>,
        /// The greatest share that each chosen one got.
        most: Option<Share>,
    }
}

/// Answers of a name server: a list that may be empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers(pub Vec<String>);

impl Decode for Answers {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        Many::decode(tree, diagnostics).map(|many| Self(many.0))
    }
    fn schema() -> Json {
        json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
    }
}

//! A connection's messages, one after the other: a state machine, whose sockets are elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use lab_core::observe::Deed;

use super::bind::{Layer, Next, Pending, Simple, simple};
use super::extended::{self, Done};
use super::matching::{Shown, Test};
use super::search::Running;
use super::server::{SICILY, Server};
use super::wire::{Answer, Filter, Operation, Outcome, Proof, Request, Response, Search};
use super::{Caller, Code, base, controls, schema};
use crate::directory::Person;

/// Most searches that a connection may have running.
const MOST_RUNNING: usize = 16;
/// Longest message of a client that has not said who it is: a Kerberos ticket fits well.
const LONGEST_UNKNOWN: usize = 64 << 10;
/// Longest message of one that has.
const LONGEST_KNOWN: usize = 1 << 20;

/// A connection as its messages made it.
pub struct Session {
    server: Arc<Server>,
    caller: Caller,
    who: Option<Person>,
    pending: Option<Pending>,
    running: VecDeque<Running>,
    has_layer: bool,
}

/// What a message leads to, besides its answers.
pub enum Turn {
    /// The next one.
    Next,
    /// TLS, when the answers are out.
    StartTls,
    /// This protects what follows, when the answers are out.
    Protect(Layer),
    /// The connection's end, when the answers are out.
    Close,
}

impl Session {
    /// A new connection.
    pub fn new(server: Arc<Server>, caller: Caller) -> Self {
        Self {
            server,
            caller,
            who: None,
            pending: None,
            running: VecDeque::new(),
            has_layer: false,
        }
    }

    /// What all connections share.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Who is at the other end.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The connection is inside TLS from here on.
    pub fn now_secure(&mut self, certificate: Option<rustls::pki_types::CertificateDer<'static>>) {
        self.caller.secure = true;
        self.caller.certificate = certificate;
        // What was said before was not protected (RFC 4513 §3.1.5 leaves it to the server).
        self.who = None;
        self.pending = None;
    }

    /// Longest message that is taken now, in bytes.
    pub fn longest(&self) -> usize {
        let trusted = self.who.is_some() || self.caller.certificate.is_some();
        if trusted {
            LONGEST_KNOWN
        } else {
            LONGEST_UNKNOWN
        }
    }

    /// Whether another message may come: there is an end to what a client may ask for at once.
    pub fn has_room(&self) -> bool {
        self.running.len() < MOST_RUNNING
    }

    /// Whether a client has said who it is.
    pub fn is_known(&self) -> bool {
        self.who.is_some()
    }

    /// Whether TLS may begin now.
    ///
    /// # Errors
    /// It has, or something else must end first (RFC 4511 §4.14.1).
    pub fn may_start_tls(&self) -> Result<(), Outcome> {
        let refuse = |message: &str| Err(Outcome::new(Code::OPERATIONS_ERROR, message));
        if self.caller.secure {
            refuse("00000000: LdapErr: the connection is inside TLS")
        } else if self.has_layer {
            refuse("00000000: LdapErr: the connection is protected by a login")
        } else if !self.running.is_empty() || self.pending.is_some() {
            refuse("00000000: LdapErr: other operations have not ended")
        } else {
            Ok(())
        }
    }

    /// Who the client is, as RFC 4532 has it and AD writes it; empty for nobody.
    pub fn authorization_identity(&self) -> String {
        let netbios = &self.server.accounts.domain.netbios;
        self.who
            .as_ref()
            .map_or_else(String::new, |who| format!("u:{netbios}\\{}", who.account))
    }

    /// Takes one whole message; appends the answers that are ready at once.
    pub fn take(&mut self, message: &[u8], out: &mut Vec<u8>) -> Turn {
        let Request {
            id,
            operation,
            controls,
        } = match Request::read(message) {
            Ok(request) => request,
            Err(why) => return self.hang_up(Code::PROTOCOL_ERROR, why, out),
        };
        // A login goes on with a bind, and ends with anything else (RFC 4513 §5.2.1.2).
        let pending = self.pending.take();
        if !matches!(operation, Operation::Search(_))
            && let Some(outcome) = controls
                .iter()
                .find_map(|control| controls::understood(control).err())
        {
            return refuse(id, &operation, outcome, out);
        }
        match operation {
            Operation::Unbind => Turn::Close,
            Operation::Abandon(other) => {
                self.running.retain(|running| running.id != other);
                Turn::Next
            }
            Operation::Bind {
                version,
                name,
                proof,
            } => self.bind(id, version, &name, proof, pending, out),
            Operation::Search(search) => {
                self.search(id, &search, &controls, out);
                Turn::Next
            }
            Operation::Compare {
                name,
                attribute,
                value,
            } => {
                let outcome = self.compare(&name, attribute, value);
                Response::new(id, Answer::Compared(outcome)).write(out);
                Turn::Next
            }
            Operation::Change { response, .. } => {
                let outcome = if self.who.is_some() {
                    Outcome::new(
                        Code::INSUFFICIENT_ACCESS_RIGHTS,
                        "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0",
                    )
                } else {
                    unbound()
                };
                Response::new(id, Answer::Changed(response, outcome)).write(out);
                Turn::Next
            }
            Operation::Extended { oid, value } => {
                match extended::answer(self, id, &oid, value.as_deref()) {
                    Done::Answered(response) => {
                        response.write(out);
                        Turn::Next
                    }
                    Done::StartTls(response) => {
                        response.write(out);
                        Turn::StartTls
                    }
                }
            }
        }
    }

    /// Goes on with what is running, and appends what it came to; false: nothing is running.
    pub fn advance(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(running) = self.running.front_mut() else {
            return false;
        };
        running.advance(&self.server, out);
        if let Some(code) = running.ended {
            self.caller.conversation.tell(|| Deed::Served {
                asked: running.asked.clone(),
                host: None,
                answer: format!("{code}, {} entries", running.sent),
                micros: micros(running.began),
            });
            self.running.pop_front();
        }
        true
    }

    /// Says why the connection ends (RFC 4511 §4.4.1).
    pub fn hang_up(&self, code: Code, why: impl std::fmt::Display, out: &mut Vec<u8>) -> Turn {
        tracing::info!("{}: hung up: {why}", self.caller.address);
        Response::notice(code, why.to_string()).write(out);
        Turn::Close
    }

    fn bind(
        &mut self,
        id: i32,
        version: i64,
        name: &str,
        proof: Proof,
        pending: Option<Pending>,
        out: &mut Vec<u8>,
    ) -> Turn {
        // Whatever was running is abandoned, and whoever it was is forgotten (RFC 4511 §4.2.1).
        self.running.clear();
        self.who = None;
        let answer = |outcome: Outcome| {
            let answer = Answer::Bind {
                outcome,
                token: None,
            };
            Response::new(id, answer)
        };
        if version != 3 {
            let message = "this is LDAP version 3";
            answer(Outcome::new(Code::PROTOCOL_ERROR, message)).write(out);
            return Turn::Next;
        }
        match proof {
            Proof::Password(password) => {
                let outcome = match simple(name, &password, &self.caller, &self.server) {
                    Simple::Anonymous => Outcome::success(),
                    Simple::Known(person) => {
                        self.who = Some(person);
                        Outcome::success()
                    }
                    Simple::Refused(outcome) => outcome,
                };
                answer(outcome).write(out);
                Turn::Next
            }
            // Layers do not stand on layers.
            _ if self.has_layer => {
                let message = "00000000: LdapErr: the connection is protected by an earlier login";
                answer(Outcome::new(Code::OPERATIONS_ERROR, message)).write(out);
                Turn::Next
            }
            Proof::Sasl { mechanism, token } => {
                let pending = pending.filter(|pending| pending.mechanism == mechanism);
                let pending = pending.or_else(|| self.begin(&mechanism));
                let Some(pending) = pending else {
                    let message = "00002027: LdapErr: DSID-0C090618, comment: Invalid Authentication method, data 0, v3839";
                    answer(Outcome::new(Code::AUTH_METHOD_NOT_SUPPORTED, message)).write(out);
                    return Turn::Next;
                };
                let token = token.unwrap_or_default();
                self.next_token(id, pending, &token, false, out)
            }
            Proof::SicilyDiscovery => {
                let known = self.server.mechanism(SICILY).is_some();
                let token = if known { SICILY.as_bytes() } else { b"" };
                sicily(id, &Outcome::success(), token).write(out);
                Turn::Next
            }
            Proof::SicilyNegotiate(token) => match self.begin(SICILY) {
                Some(pending) => self.next_token(id, pending, &token, true, out),
                None => {
                    let outcome = Outcome::new(Code::AUTH_METHOD_NOT_SUPPORTED, "");
                    sicily(id, &outcome, b"").write(out);
                    Turn::Next
                }
            },
            Proof::SicilyResponse(token) => {
                match pending.filter(|pending| pending.mechanism == SICILY) {
                    Some(pending) => self.next_token(id, pending, &token, true, out),
                    None => {
                        let outcome = Outcome::new(Code::OPERATIONS_ERROR, "no login has begun");
                        sicily(id, &outcome, b"").write(out);
                        Turn::Next
                    }
                }
            }
            Proof::Unknown => {
                let message = "the bind is of no known kind";
                answer(Outcome::new(Code::AUTH_METHOD_NOT_SUPPORTED, message)).write(out);
                Turn::Next
            }
        }
    }

    fn begin(&self, mechanism: &str) -> Option<Pending> {
        let acceptor = self.server.mechanism(mechanism)?.begin(&self.caller);
        let (method, negotiates) = match mechanism {
            "GSSAPI" => ("gssapi", true),
            "GSS-SPNEGO" => ("gss-spnego", false),
            _ => ("ntlm", false),
        };
        Some(Pending::new(mechanism, method, negotiates, acceptor))
    }

    fn next_token(
        &mut self,
        id: i32,
        pending: Pending,
        token: &[u8],
        by_sicily: bool,
        out: &mut Vec<u8>,
    ) -> Turn {
        let (outcome, token, layer) = match pending.take(token, &self.caller) {
            Next::Continue(token, pending) => {
                self.pending = Some(pending);
                // Sicily has no such code: its second answer is a success ([MS-ADTS] §5.1.1.1.3).
                let outcome = if by_sicily {
                    Outcome::success()
                } else {
                    Outcome::new(Code::SASL_BIND_IN_PROGRESS, "")
                };
                (outcome, Some(token), None)
            }
            Next::Done {
                person,
                token,
                layer,
            } => {
                self.who = Some(person);
                (Outcome::success(), token, layer)
            }
            Next::Refused { outcome, token } => (outcome, token, None),
        };
        if by_sicily {
            sicily(id, &outcome, token.as_deref().unwrap_or_default()).write(out);
        } else {
            Response::new(id, Answer::Bind { outcome, token }).write(out);
        }
        match layer {
            Some(layer) => {
                self.has_layer = true;
                Turn::Protect(layer)
            }
            None => Turn::Next,
        }
    }

    fn search(
        &mut self,
        id: i32,
        search: &Search,
        controls: &[super::wire::Control],
        out: &mut Vec<u8>,
    ) {
        let began = Instant::now();
        match Running::begin(id, search, controls, self.who.is_some(), &self.server) {
            Ok(running) => self.running.push_back(running),
            Err(outcome) => {
                self.caller.conversation.tell(|| Deed::Served {
                    asked: format!("search {} {}", search.scope, search.base),
                    host: None,
                    answer: outcome.code.to_string(),
                    micros: micros(began),
                });
                Response::new(id, Answer::Found(outcome)).write(out);
            }
        }
    }

    fn compare(&self, name: &str, attribute: String, value: Vec<u8>) -> Outcome {
        if self.who.is_none() {
            return unbound();
        }
        let directory = self.server.directory();
        let entry = match base::find(name, &directory.tree) {
            Ok(entry) => entry,
            Err(outcome) => return outcome,
        };
        let shown = Shown::new(entry, &self.server.accounts);
        let known = schema::attribute(&attribute);
        if known.is_none_or(|known| shown.values(known.name).is_empty()) {
            let message = "00000057: AttErr: problem 1001 (NO_ATTRIBUTE_OR_VAL), data 0";
            return Outcome::new(Code::NO_SUCH_ATTRIBUTE, message);
        }
        let test = Test::new(&Filter::Equal(attribute, value), &directory.contents);
        let same = test.holds(&shown) == Some(true);
        let code = if same {
            Code::COMPARE_TRUE
        } else {
            Code::COMPARE_FALSE
        };
        Outcome::new(code, "")
    }
}

fn sicily(id: i32, outcome: &Outcome, token: &[u8]) -> Response {
    let answer = Answer::Sicily {
        code: outcome.code,
        token: token.to_vec(),
        message: outcome.message.clone(),
    };
    Response::new(id, answer)
}

fn unbound() -> Outcome {
    Outcome::new(Code::OPERATIONS_ERROR, super::search::BIND_FIRST)
}

/// Refuses an operation for a control of its own, in the words of its kind.
fn refuse(id: i32, operation: &Operation, outcome: Outcome, out: &mut Vec<u8>) -> Turn {
    let answer = match operation {
        // These have no answers; their criticality counts for nothing (RFC 4511 §4.1.11).
        Operation::Unbind => return Turn::Close,
        Operation::Abandon(_) => return Turn::Next,
        Operation::Bind { .. } => Answer::Bind {
            outcome,
            token: None,
        },
        Operation::Search(_) => Answer::Found(outcome),
        Operation::Compare { .. } => Answer::Compared(outcome),
        Operation::Change { response, .. } => Answer::Changed(*response, outcome),
        Operation::Extended { .. } => Answer::Extended {
            outcome,
            oid: None,
            value: None,
        },
    };
    Response::new(id, answer).write(out);
    Turn::Next
}

fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

//! Binds by a mechanism, whose tokens go back and forth (RFC 4513 §5.2, RFC 4752, [MS-ADTS]
//! §5.1.1.1.2 and §5.1.1.1.3).

use lab_core::observe::Deed;

use super::super::Caller;
use super::super::sasl::{Acceptor, Established, Protection, Refused, Step};
use super::layer::{Layer, Sealing};
use super::refusal;
use crate::directory::Person;
use crate::ldap::Code;
use crate::ldap::wire::Outcome;

/// Largest protected message that this server says it takes.
const LARGEST: u32 = 0x1_0000;
/// Bits of the layers that a side offers or chooses (RFC 4752 §3.3).
const NONE: u8 = 1;
const SIGNED: u8 = 2;
const SEALED: u8 = 4;
/// Most tokens of a login.
const MOST_TOKENS: u32 = 8;

/// A login that has begun.
pub struct Pending {
    /// The mechanism, as the client named it.
    pub mechanism: String,
    method: &'static str,
    /// Layers are negotiated after the login, in words of their own.
    negotiates: bool,
    stage: Stage,
    tokens: u32,
}

enum Stage {
    /// The mechanism has more to say.
    Tokens(Box<dyn Acceptor>),
    /// The client's last token is still to come: it is empty.
    Acknowledge(Box<Held>),
    /// The client's choice of a layer is still to come.
    Choice(Box<Held>, u8),
}

struct Held {
    person: Person,
    proof: String,
    protection: Box<dyn Protection>,
}

/// What comes next.
pub enum Next {
    /// This token goes to the client, which sends another one.
    Continue(Vec<u8>, Pending),
    /// The client is this one.
    Done {
        /// Who.
        person: Person,
        /// Its last token.
        token: Option<Vec<u8>>,
        /// Protects what follows.
        layer: Option<Layer>,
    },
    /// It does not hold.
    Refused {
        /// Why.
        outcome: Outcome,
        /// The mechanism's words for it.
        token: Option<Vec<u8>>,
    },
}

impl Pending {
    /// A login by this mechanism; `negotiates`: by the layer negotiation of RFC 4752.
    pub fn new(
        mechanism: &str,
        method: &'static str,
        negotiates: bool,
        acceptor: Box<dyn Acceptor>,
    ) -> Self {
        Self {
            mechanism: mechanism.to_owned(),
            method,
            negotiates,
            stage: Stage::Tokens(acceptor),
            tokens: 0,
        }
    }

    /// Takes the client's next token.
    pub fn take(mut self, token: &[u8], caller: &Caller) -> Next {
        self.tokens += 1;
        if self.tokens > MOST_TOKENS {
            return self.refuse(Refused::protocol("the login has too many tokens"), caller);
        }
        match self.stage {
            Stage::Tokens(mut acceptor) => match acceptor.step(token) {
                Step::Continue(token) => {
                    self.stage = Stage::Tokens(acceptor);
                    Next::Continue(token, self)
                }
                Step::Refused(refused) => {
                    self.stage = Stage::Tokens(acceptor);
                    self.refuse(refused, caller)
                }
                Step::Done(held) if self.negotiates => {
                    self.stage = Stage::Tokens(acceptor);
                    self.offer_later(held, caller)
                }
                Step::Done(held) => {
                    self.stage = Stage::Tokens(acceptor);
                    self.by_flags(held, caller)
                }
            },
            Stage::Acknowledge(held) if token.is_empty() => {
                self.stage = Stage::Acknowledge(held);
                self.offer(caller)
            }
            Stage::Acknowledge(held) => {
                self.stage = Stage::Acknowledge(held);
                self.refuse(Refused::protocol("a token follows the last one"), caller)
            }
            Stage::Choice(held, offered) => {
                let Self { method, .. } = self;
                chosen(*held, offered, token, method, caller)
            }
        }
    }

    fn refuse(self, refused: Refused, caller: &Caller) -> Next {
        refuse(self.method, refused, caller)
    }

    /// The mechanism is through; where it answers, the client acknowledges with an empty token
    /// before layers are offered.
    fn offer_later(mut self, held: Established, caller: &Caller) -> Next {
        let Some(protection) = held.protection else {
            return self.refuse(Refused::protocol("the mechanism protects nothing"), caller);
        };
        self.stage = Stage::Acknowledge(Box::new(Held {
            person: held.person,
            proof: held.proof,
            protection,
        }));
        match held.token {
            Some(token) => Next::Continue(token, self),
            None => self.offer(caller),
        }
    }

    fn offer(mut self, caller: &Caller) -> Next {
        let Stage::Acknowledge(mut held) = self.stage else {
            return refuse(self.method, Refused::protocol("out of turn"), caller);
        };
        // A layer inside TLS is refused by AD ([MS-ADTS] §5.1.1.1.2).
        let layers = if caller.secure {
            NONE
        } else {
            NONE | SIGNED | SEALED
        };
        let mut offer = LARGEST.to_be_bytes();
        offer[0] = layers;
        if caller.secure {
            // Without a layer there is nothing to be large (RFC 4752 §3.3).
            offer = [layers, 0, 0, 0];
        }
        let token = held.protection.wrap(&offer, false);
        self.stage = Stage::Choice(held, layers);
        Next::Continue(token, self)
    }

    /// SPNEGO and NTLM: the flags of the login say what protects messages.
    fn by_flags(self, held: Established, caller: &Caller) -> Next {
        let sealing = match (held.confidentiality, held.integrity) {
            (true, _) => Some(Sealing::Sealed),
            (false, true) => Some(Sealing::Signed),
            (false, false) => None,
        };
        if sealing.is_some() && caller.secure {
            let outcome = Outcome::new(
                Code::UNWILLING_TO_PERFORM,
                "00002029: LdapErr: DSID-0C09016D, comment: Cannot bind using sign/seal on a \
                 connection on which TLS or SSL is in effect, data 0, v3839",
            );
            return Next::Refused {
                outcome,
                token: None,
            };
        }
        let layer = match (sealing, held.protection) {
            (None, _) => None,
            (Some(sealing), Some(protection)) => {
                Some(Layer::new(protection, sealing, LARGEST as usize))
            }
            (Some(_), None) => {
                return self.refuse(Refused::protocol("the login protects nothing"), caller);
            }
        };
        done(
            self.method,
            held.person,
            &held.proof,
            held.token,
            layer,
            caller,
        )
    }
}

/// The client's choice: a layer, how much it takes, and who it wants to be.
fn chosen(
    mut held: Held,
    offered: u8,
    token: &[u8],
    method: &'static str,
    caller: &Caller,
) -> Next {
    let broken = |reason: &str| {
        let mut refused = Refused::protocol(reason);
        refused.principal = held.person.account.clone();
        refuse(method, refused, caller)
    };
    let choice = match held.protection.unwrap(token) {
        Ok((choice, _)) => choice,
        Err(reason) => return broken(&reason),
    };
    let Some((head, identity)) = choice.split_first_chunk::<4>() else {
        return broken("the choice of a layer is cut off");
    };
    let [layer, size @ ..] = *head;
    if layer.count_ones() != 1 || layer & offered == 0 {
        return broken("the layer chosen was not offered");
    }
    let identity = String::from_utf8_lossy(identity);
    if !is_own(&identity, &held.person) {
        return broken("it wants to be somebody else");
    }
    let size = size
        .iter()
        .fold(0, |size, byte| size << 8 | usize::from(*byte));
    let sealing = match layer {
        SEALED => Some(Sealing::Sealed),
        SIGNED => Some(Sealing::Signed),
        _ => None,
    };
    let layer = sealing.map(|sealing| Layer::new(held.protection, sealing, size));
    done(method, held.person, &held.proof, None, layer, caller)
}

/// Whether an authorization identity (RFC 4513 §5.2.1.8) is the client's own.
fn is_own(identity: &str, person: &Person) -> bool {
    let name = identity.strip_prefix("u:").unwrap_or(identity);
    let name = name.rsplit_once('\\').map_or(name, |(_, name)| name);
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    name.is_empty() || name.eq_ignore_ascii_case(&person.account)
}

fn done(
    method: &'static str,
    person: Person,
    proof: &str,
    token: Option<Vec<u8>>,
    layer: Option<Layer>,
    caller: &Caller,
) -> Next {
    caller.conversation.tell(|| Deed::Login {
        method: method.into(),
        principal: person.account.clone(),
        verified: true,
        proof: proof.to_owned(),
    });
    Next::Done {
        person,
        token,
        layer,
    }
}

fn refuse(method: &'static str, refused: Refused, caller: &Caller) -> Next {
    tracing::info!("{}: {method}: {}", caller.address, refused.reason);
    let outcome = refusal(refused.data);
    caller.conversation.tell(|| Deed::Login {
        method: method.into(),
        principal: refused.principal,
        verified: false,
        proof: refused.reason,
    });
    Next::Refused {
        outcome,
        token: refused.token,
    }
}

impl Refused {
    /// The tokens are not those of a login; SEC_E_INVALID_TOKEN's Win32 error.
    pub fn protocol(reason: &str) -> Self {
        Self {
            token: None,
            principal: String::new(),
            reason: reason.to_owned(),
            data: 0x57,
        }
    }
}

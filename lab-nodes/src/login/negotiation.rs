//! SPNEGO as a server does it (RFC 4178 §4.2, §5): which mechanism, and what is wrapped around its
//! tokens. It knows no mechanism from inside.

use crate::spnego::{Mechanism, NegTokenResponse, State, Token};

/// What a server can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Kerberos.
    pub kerberos: bool,
    /// NTLM.
    pub ntlm: bool,
}

/// A negotiation that goes on; tokens that come without one stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiation {
    wrapped: Option<Wrapped>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrapped {
    chosen: Mechanism,
    /// The client's list, as it sent it.
    list: Vec<u8>,
    /// The client would have liked another one better: it must sign the list, or somebody may have
    /// shortened it on the way.
    to_be_signed: bool,
    announced: bool,
}

/// What a client's token leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// This goes back.
    Answer(Vec<u8>),
    /// A token of Kerberos, and a signature of the list.
    Kerberos(Vec<u8>, Option<Vec<u8>>),
    /// A message of NTLM, and a signature of the list.
    Ntlm(Vec<u8>, Option<Vec<u8>>),
}

impl Negotiation {
    /// Takes the client's next token; one that begins anew does.
    ///
    /// # Errors
    /// It is none, or wants what is not offered; a sentence.
    pub fn take(&mut self, bytes: &[u8], offer: Offer) -> Result<Turn, String> {
        match Token::read(bytes).map_err(|error| error.to_string())? {
            Token::Ntlm(message) if offer.ntlm => {
                self.wrapped = None;
                Ok(Turn::Ntlm(message, None))
            }
            Token::Kerberos(token) if offer.kerberos => {
                self.wrapped = None;
                Ok(Turn::Kerberos(token, None))
            }
            Token::Ntlm(_) | Token::Kerberos(_) => Err("that mechanism is not offered".into()),
            Token::Init(init) => {
                let chosen = init.mechanisms.iter().find(|one| match one {
                    Mechanism::Kerberos | Mechanism::MsKerberos => offer.kerberos,
                    Mechanism::Ntlm => offer.ntlm,
                    Mechanism::Other => false,
                });
                let chosen = *chosen.ok_or("it wants no mechanism that is offered")?;
                let preferred = init.mechanisms.first() == Some(&chosen);
                self.wrapped = Some(Wrapped {
                    chosen,
                    list: init.mechanism_list,
                    to_be_signed: !preferred,
                    announced: false,
                });
                match init.token {
                    Some(token) if preferred => Ok(turn(chosen, token, init.mic)),
                    // Its token is for the one that it likes best.
                    _ => Ok(Turn::Answer(self.more(None))),
                }
            }
            Token::Response(response) => {
                let wrapped = self.wrapped.as_ref();
                let chosen = wrapped.ok_or("it goes on with what did not begin")?.chosen;
                if response.state == Some(State::Rejected) {
                    return Err("the client gave up".into());
                }
                let token = response.token.ok_or("it says nothing")?;
                Ok(turn(chosen, token, response.mic))
            }
        }
    }

    /// A token of the mechanism, after which the client sends another one.
    pub fn more(&mut self, token: Option<Vec<u8>>) -> Vec<u8> {
        let Some(wrapped) = &mut self.wrapped else {
            return token.unwrap_or_default();
        };
        let state = match wrapped.to_be_signed && !wrapped.announced {
            true => State::RequestMic,
            false => State::Incomplete,
        };
        let mechanism = (!wrapped.announced).then_some(wrapped.chosen);
        wrapped.announced = true;
        NegTokenResponse {
            state: Some(state),
            mechanism,
            token,
            mic: None,
        }
        .write()
    }

    /// The last token: the login held. None: nothing needs to go back.
    pub fn done(&self, token: Option<Vec<u8>>, mic: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let Some(wrapped) = &self.wrapped else {
            return token;
        };
        let last = NegTokenResponse {
            state: Some(State::Completed),
            mechanism: (!wrapped.announced).then_some(wrapped.chosen),
            token,
            mic,
        };
        Some(last.write())
    }

    /// The list of mechanisms that is signed; none where nothing is negotiated.
    pub fn list(&self) -> Option<&[u8]> {
        self.wrapped.as_ref().map(|wrapped| wrapped.list.as_slice())
    }

    /// Whether the list must be signed.
    pub fn must_be_signed(&self) -> bool {
        let wrapped = self.wrapped.as_ref();
        wrapped.is_some_and(|wrapped| wrapped.to_be_signed)
    }
}

fn turn(chosen: Mechanism, token: Vec<u8>, mic: Option<Vec<u8>>) -> Turn {
    match chosen {
        Mechanism::Ntlm => Turn::Ntlm(token, mic),
        _ => Turn::Kerberos(token, mic),
    }
}

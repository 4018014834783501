//! Extended operations of the server's own.

use super::session::Session;
use super::wire::{Answer, Outcome, Response};
use super::{Asked, Code};

/// STARTTLS (RFC 4511 §4.14).
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Who am I? (RFC 4532).
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
/// Longest value of a plugged-in operation.
const LONGEST: usize = 64 << 10;

/// Those that the root entry lists.
pub const OWN: [&str; 2] = [START_TLS, WHO_AM_I];

/// What a client's request for an extended operation leads to.
pub enum Done {
    /// This answer.
    Answered(Response),
    /// This answer, then TLS.
    StartTls(Response),
}

/// Answers a request.
pub fn answer(session: &Session, id: i32, oid: &str, value: Option<&[u8]>) -> Done {
    let respond = |outcome: Outcome, value: Option<Vec<u8>>, name: Option<&str>| {
        let answer = Answer::Extended {
            outcome,
            oid: name.map(str::to_owned),
            value,
        };
        Response::new(id, answer)
    };
    let refuse = |code: Code, message: &str| {
        Done::Answered(respond(Outcome::new(code, message), None, None))
    };
    match oid {
        START_TLS if value.is_some() => refuse(Code::PROTOCOL_ERROR, "STARTTLS takes no value"),
        START_TLS => match session.may_start_tls() {
            Ok(()) => Done::StartTls(respond(Outcome::success(), None, Some(START_TLS))),
            Err(outcome) => Done::Answered(respond(outcome, None, Some(START_TLS))),
        },
        WHO_AM_I => {
            let who = session.authorization_identity();
            Done::Answered(respond(Outcome::success(), Some(who.into_bytes()), None))
        }
        _ => {
            let Some(extension) = session.server().extension(oid) else {
                return refuse(
                    Code::PROTOCOL_ERROR,
                    "0000203D: LdapErr: DSID-0C090BE6, comment: Unknown extended request OID, data 0, v3839",
                );
            };
            if value.is_some_and(|value| value.len() > LONGEST) {
                return refuse(Code::PROTOCOL_ERROR, "the value is longer than 64 KiB");
            }
            let answered = extension.answer(&Asked {
                value,
                caller: session.caller(),
            });
            let outcome = Outcome::new(answered.code, answered.message);
            Done::Answered(respond(outcome, answered.value, Some(oid)))
        }
    }
}

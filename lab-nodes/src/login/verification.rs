//! What a domain controller answers its members.

use std::sync::Arc;

use lab_core::observe::Deed;

use super::question::{LONGEST, OID, Question, Verdict};
use crate::domain_controller::Accounts;
use crate::ldap::{Asked, Code, Extended, Extension};
use crate::ntlm::proof;
use crate::tls;

use super::question::Bytes;

/// The extended operation, plugged into the controller's LDAP server.
pub struct Verification {
    accounts: Arc<Accounts>,
}

impl Verification {
    /// With these accounts.
    pub fn new(accounts: Arc<Accounts>) -> Self {
        Self { accounts }
    }

    /// Judges. Wrong proofs count towards lock-out.
    pub fn judge(&self, question: &Question) -> Verdict {
        let judged = match question {
            Question::Ntlm {
                user,
                domain,
                challenge,
                response,
            } => self.ntlm(user, domain, &challenge.0, &response.0),
            Question::Password { account, password } => {
                let verified = self.accounts.verify(account, &password.0);
                verified
                    .map(|person| Verdict::Good {
                        person: person.clone(),
                        session_key: None,
                    })
                    .map_err(|refusal| refusal.to_string())
            }
            Question::Person { account } => match self.accounts.find(account) {
                Some(entry) => {
                    let admitted = self.accounts.admits(&entry);
                    admitted
                        .map(|()| Verdict::Good {
                            person: entry.person().clone(),
                            session_key: None,
                        })
                        .map_err(|refusal| refusal.to_string())
                }
                None => Err("there is no such account".into()),
            },
        };
        judged.unwrap_or_else(|reason| Verdict::Refused { reason })
    }

    fn ntlm(
        &self,
        user: &str,
        domain: &str,
        challenge: &[u8],
        response: &[u8],
    ) -> Result<Verdict, String> {
        let challenge = challenge
            .try_into()
            .map_err(|_| "a challenge has 8 bytes")?;
        // A domain that is not ours is none of another: the response is made with it all the same.
        let entry = match domain {
            "" => self.accounts.find(user),
            own if self.accounts.is_own(own) => self.accounts.find(user),
            _ => None,
        };
        let entry = entry.ok_or("there is no such account")?;
        let mut session_key = None;
        let judged = self.accounts.judge(&entry, |entry| {
            session_key = entry.password().and_then(|password| {
                let key = proof::response_key(&proof::nt_hash(password), user, domain);
                proof::verify(&key, &challenge, response)
            });
            session_key.is_some()
        });
        judged.map_err(|refusal| refusal.to_string())?;
        Ok(Verdict::Good {
            person: entry.person().clone(),
            session_key: session_key.map(|key| Bytes(key.to_vec())),
        })
    }
}

impl Extension for Verification {
    fn oid(&self) -> &'static str {
        OID
    }

    fn answer(&self, asked: &Asked<'_>) -> Extended {
        let refused = |code, message: &str| Extended {
            code,
            message: message.to_owned(),
            value: None,
        };
        let caller = asked.caller;
        let member = caller.certificate.as_ref().and_then(tls::name_in);
        let Some(member) = member.filter(|_| caller.secure) else {
            return refused(
                Code::INSUFFICIENT_ACCESS_RIGHTS,
                "only nodes that show their certificate are answered",
            );
        };
        let value = asked.value.filter(|value| value.len() <= LONGEST);
        let question = value.and_then(|value| serde_json::from_slice::<Question>(value).ok());
        let Some(question) = question else {
            return refused(Code::PROTOCOL_ERROR, "this is no question");
        };
        let verdict = self.judge(&question);
        if let Verdict::Refused { reason } = &verdict {
            tracing::info!("{question}, asked by {member}: refused, {reason}");
        }
        caller.conversation.tell(|| Deed::Served {
            asked: question.to_string(),
            host: None,
            answer: verdict.to_string(),
            micros: 0,
        });
        match serde_json::to_vec(&verdict) {
            Ok(value) => Extended {
                code: Code::SUCCESS,
                message: String::new(),
                value: Some(value),
            },
            Err(error) => refused(Code::OPERATIONS_ERROR, &error.to_string()),
        }
    }
}

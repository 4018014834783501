//! SPNEGO around NTLM: who signs what, and what happens to a list that somebody shortened.

use lab_nodes::login::Way;
use lab_nodes::login::attempt::{Move, Refused, Server};
use lab_nodes::ntlm::initiator::{Purpose, Random};
use lab_nodes::ntlm::{Flags, Initiator, Security, Target, proof};
use lab_nodes::spnego::{Mechanism, NegTokenInit, NegTokenResponse, State, Token};

use crate::controller::PASSWORD;

fn server() -> Server {
    Server {
        target: Target {
            netbios_domain: "CONTOSO".into(),
            netbios_computer: "SP-FE1".into(),
            dns_domain: "corp.contoso.com".into(),
            dns_computer: "sp-fe1.corp.contoso.com".into(),
        },
        kerberos: None,
        binding: None,
    }
}

fn alice() -> Initiator {
    Initiator {
        user: "alice".into(),
        domain: "CONTOSO".into(),
        password: PASSWORD.into(),
        workstation: "PC1".into(),
    }
}

fn response(token: &[u8]) -> NegTokenResponse {
    match Token::read(token) {
        Ok(Token::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

fn again(token: Vec<u8>, mic: Option<Vec<u8>>) -> Vec<u8> {
    NegTokenResponse {
        state: None,
        mechanism: None,
        token: Some(token),
        mic,
    }
    .write()
}

/// Logs in; `sign` makes the client's signature over the list that it sent. Gives the last token,
/// the server's security and the client's.
fn log_in(
    mechanisms: &[Mechanism],
    sign: impl FnOnce(&mut Security, &[u8]) -> Option<Vec<u8>>,
) -> Result<(NegTokenResponse, Security, Security), Refused> {
    let (server, client) = (server(), alice());
    let first = client.negotiate(Flags::SIGN | Flags::SEAL);
    let preferred = mechanisms[0] == Mechanism::Ntlm;
    let init = NegTokenInit::new(mechanisms, preferred.then(|| first.clone()));
    let list = match Token::read(&init.write()) {
        Ok(Token::Init(read)) => read.mechanism_list,
        other => panic!("{other:?}"),
    };
    let take = |begun, token: &[u8]| server.take(Way::Negotiate, begun, token, [9; 8], 1);
    let Move::More(mut answer, mut begun) = take(None, &init.write())? else {
        panic!("a login ends with its first token");
    };
    let state = response(&answer).state;
    if !preferred {
        assert_eq!(state, Some(State::RequestMic));
        assert_eq!(response(&answer).mechanism, Some(Mechanism::Ntlm));
        let Move::More(next, goes_on) = take(Some(begun), &again(first.clone(), None))? else {
            panic!("a login ends with its first message");
        };
        (answer, begun) = (next, goes_on);
    } else {
        assert_eq!(state, Some(State::Incomplete));
    }
    let second = response(&answer).token.expect("a challenge");
    let random = Random {
        challenge: [5; 8],
        session_key: [6; 16],
    };
    let made = client.authenticate(&first, &second, &Purpose::default(), random, 0);
    let (third, security) = made.expect("an answer");
    let mut security = security.expect("security");
    let mic = sign(&mut security, &list);
    let Move::Ntlm(pending) = take(Some(begun), &again(third, mic))? else {
        panic!("no response");
    };
    let key = proof::response_key(&proof::nt_hash(PASSWORD), "alice", "CONTOSO");
    let attempt = &pending.attempt;
    let key = proof::verify(&key, &attempt.challenge(), attempt.response()).expect("it holds");
    let concluded = server.conclude(*pending, &key)?;
    let last = response(&concluded.answer.expect("a last token"));
    assert_eq!(last.state, Some(State::Completed));
    if let Some(mic) = &last.mic {
        assert!(security.verify(&list, mic), "the server's signature");
        security.begin_ciphers_anew();
    }
    Ok((last, concluded.security.expect("security"), security))
}

fn signed(security: &mut Security, list: &[u8]) -> Option<Vec<u8>> {
    Some(security.sign(list).to_vec())
}

#[test]
fn both_sides_sign_the_list_and_go_on_to_speak() {
    for mechanisms in [
        &[Mechanism::Ntlm][..],
        &[Mechanism::Ntlm, Mechanism::Kerberos],
        &[Mechanism::MsKerberos, Mechanism::Kerberos, Mechanism::Ntlm],
    ] {
        let (last, mut server, mut client) = log_in(mechanisms, signed).expect("it holds");
        assert!(last.mic.is_some(), "{mechanisms:?}");
        let (sealed, signature) = client.seal(b"a question");
        assert_eq!(
            server.open(&sealed, &signature).as_deref(),
            Some(&b"a question"[..])
        );
        let (sealed, signature) = server.seal(b"an answer");
        assert_eq!(
            client.open(&sealed, &signature).as_deref(),
            Some(&b"an answer"[..])
        );
    }
}

#[test]
fn a_list_need_not_be_signed_whose_first_is_taken() {
    let (last, ..) = log_in(&[Mechanism::Ntlm], |_, _| None).expect("it holds");
    assert_eq!(last.mic, None);
}

#[test]
fn a_list_whose_first_is_not_taken_must_be_signed_as_it_was_sent() {
    let mechanisms = [Mechanism::Kerberos, Mechanism::Ntlm];
    let refused = log_in(&mechanisms, |_, _| None).err().expect("refused");
    assert!(refused.reason.contains("missing"), "{refused:?}");
    let longer = |security: &mut Security, list: &[u8]| {
        let mut longer = list.to_vec();
        longer.push(0);
        Some(security.sign(&longer).to_vec())
    };
    let refused = log_in(&mechanisms, longer).err().expect("refused");
    assert!(refused.reason.contains("wrong"), "{refused:?}");
}

#[test]
fn a_mechanism_that_is_not_offered_is_refused() {
    let only = NegTokenInit::new(&[Mechanism::Kerberos], Some(vec![1, 2, 3])).write();
    let taken = server().take(Way::Negotiate, None, &only, [0; 8], 0);
    assert!(taken.is_err());
    // Going on with what did not begin.
    let stray = again(alice().negotiate(Flags::SIGN), None);
    assert!(
        server()
            .take(Way::Negotiate, None, &stray, [0; 8], 0)
            .is_err()
    );
}

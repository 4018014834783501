//! The examples of [MS-NLMP] §4.2, by their section.

use data_encoding::HEXLOWER;

use super::acceptor::{Acceptor, Refusal, Target};
use super::av::{self, AvPairs};
use super::initiator::{Initiator, Purpose, Random};
use super::security::{Security, Side};
use super::wire::{Authenticate, Challenge, Negotiate, Response, WireError};
use super::{Binding, Flags, proof};
use crate::kerberos::ChannelBinding;

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    HEXLOWER.decode(digits.as_bytes()).expect("hex digits")
}

fn key(text: &str) -> [u8; 16] {
    hex(text).try_into().expect("16 bytes")
}

// 4.2.1
const SERVER: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const RANDOM: Random = Random {
    challenge: [0xaa; 8],
    session_key: [0x55; 16],
};

fn user() -> Initiator {
    Initiator {
        user: "User".into(),
        domain: "Domain".into(),
        password: "Password".into(),
        workstation: "COMPUTER".into(),
    }
}

fn response_key() -> [u8; 16] {
    proof::response_key(&proof::nt_hash("Password"), "User", "Domain")
}

// 4.2.4.3
const CHALLENGE: &str = "
    4e544c4d53535000 02000000 0c000c00 38000000 33828ae2 0123456789abcdef 0000000000000000
    24002400 44000000 060070170000000f 530065007200760065007200
    02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000";
const AUTHENTICATE: &str = "
    4e544c4d53535000 03000000 18001800 6c000000 54005400 84000000 0c000c00 48000000
    08000800 54000000 10001000 5c000000 10001000 d8000000 358288e2 0501280a0000000f
    44006f006d00610069006e00 5500730065007200 43004f004d0050005500540045005200
    86c35097ac9cec102554764a57cccc19 aaaaaaaaaaaaaaaa
    68cd0ab851e51c96aabc927bebef6a1c 0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000
    02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000 00000000
    c5dad2544fc9799094ce1ce90bc9d03e";
// 4.2.2.3
const AUTHENTICATE_V1: &str = "
    4e544c4d53535000 03000000 18001800 6c000000 18001800 84000000 0c000c00 48000000
    08000800 54000000 10001000 5c000000 10001000 9c000000 358280e2 0501280a0000000f
    44006f006d00610069006e00 5500730065007200 43004f004d0050005500540045005200
    98def7b87f88aa5dafe2df779688a172def11c7d5ccdef13
    67c43011f30298a2ad35ece64f16331c44bdbed927841f94
    518822b1b3f350c8958682ecbb3e3cb7";

#[test]
fn hashes_of_a_password_4_2_2_1_and_4_2_4_1() {
    assert_eq!(
        proof::nt_hash("Password"),
        key("a4f49c406510bdcab6824ee7c30fd852")
    );
    assert_eq!(response_key(), key("0c868a403bfd7a93a3001ef22ef02e3f"));
    let other = |user, domain| proof::response_key(&proof::nt_hash("Password"), user, domain);
    assert_eq!(
        other("uSER", "Domain"),
        response_key(),
        "the name is in capitals"
    );
    assert_ne!(
        other("User", "DOMAIN"),
        response_key(),
        "the domain is as written"
    );
}

#[test]
fn responses_and_keys_4_2_4_2() {
    let message = Authenticate::read(&hex(AUTHENTICATE)).expect("a message");
    let response = Response::read(&message.nt).expect("a response");
    assert_eq!(response.proof, key("68cd0ab851e51c96aabc927bebef6a1c"));
    assert_eq!(
        proof::proof(&response_key(), &SERVER, response.temp),
        response.proof
    );
    let base = proof::verify(&response_key(), &SERVER, &message.nt).expect("it holds");
    assert_eq!(base, key("8de40ccadbc14a82f15cb0ad0de95ca3"));
    assert_eq!(
        proof::exchanged(&base, &[0x55; 16]),
        key("c5dad2544fc9799094ce1ce90bc9d03e")
    );
    assert_eq!(
        proof::lm_v2(&response_key(), &SERVER, &RANDOM.challenge),
        hex("86c35097ac9cec102554764a57cccc19 aaaaaaaaaaaaaaaa")
    );
    for at in 0..message.nt.len() {
        let mut changed = message.nt.clone();
        changed[at] ^= 1;
        assert_eq!(
            proof::verify(&response_key(), &SERVER, &changed),
            None,
            "byte {at}"
        );
    }
    assert_eq!(proof::verify(&response_key(), &[0; 8], &message.nt), None);
}

#[test]
fn messages_4_2_4_3() {
    let challenge = Challenge::read(&hex(CHALLENGE)).expect("a challenge");
    assert_eq!(challenge.flags, Flags(0xe28a_8233));
    assert_eq!(
        (challenge.target.as_str(), challenge.challenge),
        ("Server", SERVER)
    );
    let pairs = AvPairs::read(&challenge.info).expect("pairs");
    assert_eq!(
        pairs.get(av::NETBIOS_DOMAIN),
        Some(&hex("44006f006d00610069006e00")[..])
    );
    assert_eq!(pairs.write(), challenge.info);
    assert_eq!(challenge.write(), hex(CHALLENGE));

    let message = Authenticate::read(&hex(AUTHENTICATE)).expect("a message");
    assert_eq!(
        (
            message.user.as_str(),
            message.domain.as_str(),
            message.workstation.as_str()
        ),
        ("User", "Domain", "COMPUTER")
    );
    assert_eq!(message.mic, None);
    assert_eq!(message.write(), hex(AUTHENTICATE));
}

#[test]
fn the_client_computes_what_the_example_does_4_2_4() {
    let first = Negotiate {
        flags: Flags(0xe208_8233),
    }
    .write();
    let second = hex(CHALLENGE);
    let made = user().authenticate(&first, &second, &Purpose::default(), RANDOM, 0);
    let (third, _) = made.expect("an answer");
    let (made, example) = (
        Authenticate::read(&third).expect("a message"),
        Authenticate::read(&hex(AUTHENTICATE)).expect("a message"),
    );
    assert_eq!((&made.nt, &made.lm), (&example.nt, &example.lm));
    assert_eq!(made.session_key, example.session_key);
    assert_eq!((made.user, made.domain), (example.user, example.domain));
}

#[test]
fn seals_4_2_3_4_and_4_2_4_4() {
    let plain = hex("50006c00610069006e007400650078007400");
    let extended = Flags::EXTENDED_SESSION_SECURITY;
    // 4.2.3.4: 56 bits, and no key exchange.
    let session = key("eb93429a8bd952f8b89c55b87f475edc");
    let flags = extended | Flags::KEY_56;
    let mut client = Security::new(&session, flags, Side::Client).expect("security");
    let (sealed, signature) = client.seal(&plain);
    assert_eq!(sealed, hex("a02372f6530273f3aa1eb90190ce5200c99d"));
    assert_eq!(signature[..], hex("01000000 ff2aeb52f681793a 00000000"));
    // 4.2.4.4
    let flags = extended | Flags::KEY_128 | Flags::KEY_56 | Flags::KEY_EXCHANGE;
    let mut client = Security::new(&[0x55; 16], flags, Side::Client).expect("security");
    let (sealed, signature) = client.seal(&plain);
    assert_eq!(sealed, hex("54e50165bf1936dc996020c1811b0f06fb5f"));
    assert_eq!(signature[..], hex("01000000 7fb38ec5c55d4976 00000000"));

    let mut server = Security::new(&[0x55; 16], flags, Side::Server).expect("security");
    assert_eq!(
        server.open(&sealed, &signature).as_deref(),
        Some(&plain[..])
    );
    assert_eq!(
        server.open(&sealed, &signature),
        None,
        "a message counts once"
    );
    // 4.2.2.4 does without it.
    assert!(Security::new(&[0x55; 16], Flags::KEY_128, Side::Server).is_none());
}

fn target() -> Target {
    Target {
        netbios_domain: "CONTOSO".into(),
        netbios_computer: "SP-FE1".into(),
        dns_domain: "corp.contoso.com".into(),
        dns_computer: "sp-fe1.corp.contoso.com".into(),
    }
}

const TIME: u64 = 130_000_000_000_000_000;

fn challenged(first: &[u8]) -> (Acceptor, Vec<u8>) {
    Acceptor::challenge(first, &target(), SERVER, TIME).expect("a challenge")
}

#[test]
fn old_responses_are_refused_4_2_2_and_4_2_3() {
    let first = user().negotiate(Flags::default());
    let authenticate = |third: &[u8]| challenged(&first).0.authenticate(third).err();
    assert_eq!(authenticate(&hex(AUTHENTICATE_V1)), Some(Refusal::Old));
    let mut with_client_challenge = Authenticate::read(&hex(AUTHENTICATE_V1)).expect("a message");
    with_client_challenge.lm = [[0xaa; 8].to_vec(), vec![0; 16]].concat();
    with_client_challenge.nt = hex("7537f803ae367128ca458204bde7caf81e97ed2683267232");
    assert_eq!(
        authenticate(&with_client_challenge.write()),
        Some(Refusal::Old)
    );
    with_client_challenge.nt.clear();
    assert_eq!(
        authenticate(&with_client_challenge.write()),
        Some(Refusal::Old)
    );
    with_client_challenge.user.clear();
    with_client_challenge.lm = vec![0];
    assert_eq!(
        authenticate(&with_client_challenge.write()),
        Some(Refusal::Anonymous)
    );
    assert_eq!(
        authenticate(&first),
        Some(
            WireError::Kind {
                expected: 3,
                seen: 1
            }
            .into()
        )
    );
}

/// Whole logins, ours with ours: what stock clients do is tried elsewhere.
fn login(
    purpose: &Purpose,
    at: Option<Binding>,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<super::Session, Refusal> {
    let client = user();
    let first = client.negotiate(Flags::SIGN | Flags::SEAL);
    let (acceptor, second) = challenged(&first);
    let made = client.authenticate(&first, &second, purpose, RANDOM, 0);
    let (mut third, security) = made.expect("an answer");
    change(&mut third);
    let attempt = acceptor.authenticate(&third)?;
    let base = proof::verify(&response_key(), &attempt.challenge(), attempt.response());
    let session = attempt.conclude(&base.expect("the response holds"), at)?;
    let (mut client, mut server) = (
        security.expect("the client's security"),
        session.security().expect("the server's security"),
    );
    let (sealed, signature) = client.seal(b"a question");
    assert_eq!(
        server.open(&sealed, &signature).as_deref(),
        Some(&b"a question"[..])
    );
    let signature = server.sign(b"an answer");
    assert!(client.verify(b"an answer", &signature));
    assert!(
        !client.verify(b"an answer", &signature),
        "for the second time"
    );
    Ok(session)
}

#[test]
fn a_login_proves_its_messages_and_its_connection() {
    let here = Binding::from(&ChannelBinding::tls_server_end_point(b"here"));
    let there = Binding::from(&ChannelBinding::tls_server_end_point(b"there"));
    let unbound = Purpose::default();
    let bound = Purpose {
        binding: Some(here),
        service: Some("HTTP/sp-fe1".into()),
    };
    let session = login(&unbound, Some(here), |_| {}).expect("it holds");
    assert!(session.has_mic && !session.is_bound);
    let session = login(&bound, Some(here), |_| {}).expect("it holds");
    assert!(session.has_mic && session.is_bound);
    assert!(login(&bound, None, |_| {}).is_ok(), "a proxy ends TLS");
    assert_eq!(login(&bound, Some(there), |_| {}), Err(Refusal::Binding));
    for byte in [72, 87] {
        let changed = login(&bound, Some(here), |third| third[byte] ^= 1);
        assert_eq!(changed, Err(Refusal::Mic), "byte {byte}");
    }
    let taken = login(&bound, Some(here), |third| third[72..88].fill(0));
    assert_eq!(
        taken,
        Err(Refusal::Mic),
        "the client says that there is one"
    );
    let flags = login(&bound, Some(here), |third| third[60] ^= 0x40);
    assert_eq!(flags, Err(Refusal::Mic), "flags are among what it covers");
}

//! The directory's target: a connection's messages.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use lab_core::service::{Conversation, Secret, Spans};
use lab_nodes::directory::{Account, Domain, Kind, Person, State};
use lab_nodes::domain_controller::Accounts;
use lab_nodes::domain_controller::settings::Settings;
use lab_nodes::ldap::{
    Caller, Contents, Directory, Logins, Name, Server, Session, Turn, message_length,
};
use lab_nodes::login::{Verification, attempt};
use lab_nodes::ntlm::Target;

/// What a client of the directory sends, message after message; an odd first byte: after a login that
/// held. Whatever it is, what comes back are whole messages, and nobody else is let in. Then the same
/// bytes as a name.
pub fn ldap(bytes: &[u8]) {
    if let Ok(Ok(name)) = std::str::from_utf8(bytes).map(Name::parse) {
        let text = name.to_string();
        assert_eq!(Name::parse(&text).as_ref(), Ok(&name), "{text}");
    }
    let Some((first, mut rest)) = bytes.split_first() else {
        return;
    };
    static SERVER: OnceLock<Arc<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(ldap_server);
    let here = SocketAddr::from(([192, 0, 2, 7], 40000));
    let caller = Caller {
        address: here,
        secure: false,
        certificate: None,
        conversation: Conversation::tcp(here, here, &Spans::unwatched()),
    };
    let mut session = Session::new(server.clone(), caller);
    let mut out = Vec::new();
    if first & 1 == 1 {
        let head = b"\x30\x22\x02\x01\x01\x60\x1d\x02\x01\x03\x04\x07EX\\anna\x80\x0f";
        let message = [head, PASSWORD.as_bytes()].concat();
        session.take(&message, &mut out);
        assert!(session.is_known(), "{out:02x?}");
    }
    for _ in 0..64 {
        let Ok(Ok(Some(length))) = message_length(rest, session.longest()) else {
            break;
        };
        let Some(message) = rest.get(..length) else {
            break;
        };
        rest = &rest[length..];
        let turn = session.take(message, &mut out);
        while session.advance(&mut out) {}
        if matches!(turn, Turn::Close | Turn::StartTls) {
            break;
        }
        let who = session.authorization_identity();
        assert!(who.is_empty() || who == "u:EX\\anna", "{who} was let in");
        assert!(first & 1 == 1 || who.is_empty(), "{who} was let in");
    }
    let mut said = out.as_slice();
    while !said.is_empty() {
        let length = message_length(said, usize::MAX).expect("a message");
        let length = length.expect("a limit").expect("a whole one");
        said = &said[length..];
    }
}

/// Found by no fuzzer: what it is compared with is a hash of it.
const PASSWORD: &str = "tzK3!vQ9#wLm2$p";

fn ldap_server() -> Arc<Server> {
    let domain = Domain {
        netbios: "EX".into(),
        realm: "EXAMPLE.COM".into(),
    };
    let anna = Account {
        person: Person {
            account: "anna".into(),
            name: "Anna".into(),
            rid: 1000,
            groups: vec!["staff".into()],
            ..Person::default()
        },
        kind: Kind::User {
            password: PASSWORD.into(),
        },
        state: State::Active,
    };
    let settings = Settings {
        domain: domain.clone(),
        accounts: vec![anna.clone()],
        ..Settings::default()
    };
    let secrets = [(Domain::secret_of("krbtgt"), Secret::new([1; 32]))].into();
    let accounts = Arc::new(Accounts::new(&settings, &secrets).expect("accounts"));
    let verification = Arc::new(Verification::new(accounts.clone()));
    let logins = Logins {
        server: attempt::Server {
            target: Target::default(),
            kerberos: None,
            binding: None,
        },
        verification: verification.clone(),
        accounts: accounts.clone(),
    };
    let contents = Contents::new(domain, "dc1.example.com".into(), Vec::new(), &[anna]);
    let server = Server::new(Directory::new(contents), accounts).with_extension(verification);
    Arc::new(Logins::add_to(Arc::new(logins), server))
}

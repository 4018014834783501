//! B1: the cache of three members, each on a loopback address of its own.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, SystemTime};

use lab_core::plan::Peer;
use lab_core::service::{Context, Listener, Spans};
use lab_nodes::distributed_cache::{LISTENER, PEERS, Token, TokenCache, Upkeep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use crate::authority::Authority;

/// How long a test waits for what must happen.
const LIMIT: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

struct Farm {
    authority: Authority,
    places: Vec<SocketAddr>,
}

struct Member {
    cache: TokenCache,
    _upkeep: Upkeep,
}

fn name(at: usize) -> String {
    format!("fe{}.example", at + 1)
}

impl Farm {
    /// Addresses that share a port which is free on all of them.
    fn new(count: u8) -> (Self, Vec<TcpListener>) {
        loop {
            let first = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = first.local_addr().unwrap().port();
            let rest: Result<Vec<_>, _> = (2..=count)
                .map(|last| TcpListener::bind(SocketAddr::from(([127, 0, 0, last], port))))
                .collect();
            if let Ok(rest) = rest {
                let listeners: Vec<_> = std::iter::once(first).chain(rest).collect();
                let places = listeners.iter().map(|one| one.local_addr().unwrap());
                let farm = Self {
                    authority: Authority::new(),
                    places: places.collect(),
                };
                return (farm, listeners);
            }
        }
    }

    async fn start(&self, at: usize, listener: TcpListener) -> Member {
        listener.set_nonblocking(true).unwrap();
        let peers = (0..self.places.len()).filter(|other| *other != at);
        let peers = peers.map(|other| Peer {
            node: format!("fe{}", other + 1),
            fqdn: name(other),
            address: self.places[other].ip(),
        });
        let (own, node) = (name(at), format!("fe{}", at + 1));
        let mut context = Context {
            store: None,
            authority: None,

            lab: "test".into(),
            node,
            fqdn: own.clone(),
            addresses: vec![],
            settings: watch::channel(serde_json::Value::Null).1,
            listeners: vec![(LISTENER.to_owned(), Listener::Tcp(listener))],
            credentials: BTreeMap::from([("node".to_owned(), self.authority.credential(&[&own]))]),
            trust: vec![self.authority.root.clone()],
            secrets: BTreeMap::new(),
            peers: BTreeMap::from([(PEERS.to_owned(), peers.collect())]),
            shutdown: watch::channel(false).1,
            network: mpsc::unbounded_channel().0,
            report: mpsc::unbounded_channel().0,
            spans: Spans::unwatched(),
        };
        let (cache, _upkeep) = TokenCache::start(&mut context).await.unwrap();
        Member { cache, _upkeep }
    }

    async fn start_all(count: u8) -> (Self, Vec<Member>) {
        let (farm, listeners) = Self::new(count);
        let starts = listeners.into_iter().enumerate();
        let members = starts.map(|(at, listener)| farm.start(at, listener));
        let members = futures::future::join_all(members).await;
        // Links that found nobody at first are made again.
        eventually(async || {
            for (at, member) in members.iter().enumerate() {
                let token = member.cache.put(vec![], HOUR).await.unwrap();
                for (other, there) in members.iter().enumerate() {
                    if other != at && there.cache.knows(&token).is_none() {
                        return false;
                    }
                }
            }
            true
        })
        .await;
        (farm, members)
    }

    /// Listens where a member did that is dead.
    async fn listen_again(&self, at: usize) -> TcpListener {
        let place = self.places[at];
        let listener = std::cell::RefCell::new(None);
        eventually(async || {
            *listener.borrow_mut() = TcpListener::bind(place).ok();
            listener.borrow().is_some()
        })
        .await;
        listener.into_inner().unwrap()
    }
}

async fn eventually(condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, wait)
        .await
        .expect("it comes true");
}

#[tokio::test]
async fn b1_a_session_is_known_everywhere_before_the_client_hears_of_it() {
    let (_farm, members) = Farm::start_all(3).await;
    for at in 0..3 {
        let token = members[at]
            .cache
            .put(b"alice".to_vec(), HOUR)
            .await
            .unwrap();
        for member in &members {
            // Without asking the others.
            assert_eq!(member.cache.knows(&token).as_deref(), Some(&b"alice"[..]));
        }
        let shown = Token::read(&token.to_string()).unwrap();
        members[(at + 1) % 3].cache.remove(&shown).await;
        for member in &members {
            assert_eq!(member.cache.get(&token).await, None);
        }
    }
}

#[tokio::test]
async fn b1_sessions_outlive_the_member_that_began_them() {
    let (farm, mut members) = Farm::start_all(3).await;
    let token = members[0].cache.put(b"alice".to_vec(), HOUR).await.unwrap();
    let gone = members[0].cache.put(b"bob".to_vec(), HOUR).await.unwrap();
    drop(members.remove(0));
    members[0].cache.remove(&gone).await;
    let while_dead = members[0].cache.put(b"carol".to_vec(), HOUR).await.unwrap();
    for member in &members {
        assert_eq!(
            member.cache.get(&token).await.as_deref(),
            Some(&b"alice"[..])
        );
        assert_eq!(member.cache.get(&gone).await, None);
    }
    // A member that comes back knows all that happened, and does not bring back what ended.
    let back = farm.start(0, farm.listen_again(0).await).await;
    assert_eq!(back.cache.knows(&token).as_deref(), Some(&b"alice"[..]));
    assert_eq!(
        back.cache.knows(&while_dead).as_deref(),
        Some(&b"carol"[..])
    );
    drop(members);
    assert_eq!(back.cache.get(&token).await.as_deref(), Some(&b"alice"[..]));
    assert_eq!(back.cache.get(&gone).await, None);
    let alone = back.cache.put(b"dave".to_vec(), HOUR).await.unwrap();
    assert_eq!(back.cache.get(&alone).await.as_deref(), Some(&b"dave"[..]));
}

#[tokio::test]
async fn x8_what_can_be_used_once_is_used_once_in_all_the_farm() {
    let (_farm, mut members) = Farm::start_all(3).await;
    let until = SystemTime::now() + HOUR;
    assert!(members[0].cache.claim("token 1", until).await);
    for member in &members {
        assert!(!member.cache.claim("token 1", until).await);
    }
    for round in 0..20 {
        let name = format!("round {round}");
        let claims = members
            .iter()
            .map(|member| member.cache.claim(&name, until));
        let won = futures::future::join_all(claims).await;
        assert!(won.iter().filter(|won| **won).count() <= 1, "{won:?}");
        assert!(!members[round % 3].cache.claim(&name, until).await);
    }
    drop(members.remove(0));
    for member in &members {
        assert!(!member.cache.claim("token 1", until).await);
        assert!(!member.cache.claim("old", SystemTime::now() - HOUR).await);
    }
}

#[tokio::test]
async fn sessions_expire_and_strange_tokens_are_nothing() {
    let (_farm, members) = Farm::start_all(2).await;
    let token = members[0]
        .cache
        .put(vec![1], Duration::from_millis(1))
        .await
        .unwrap();
    eventually(async || members[1].cache.get(&token).await.is_none()).await;
    let strange = Token::read(&"A".repeat(43)).unwrap();
    assert_eq!(members[0].cache.get(&strange).await, None);
    members[0].cache.remove(&strange).await;
    assert!(members[0].cache.put(vec![0; 9000], HOUR).await.is_err());
}

#[tokio::test]
async fn a_member_that_says_nothing_holds_nobody_up() {
    let (farm, mut listeners) = Farm::new(3);
    // The third takes connections, and never says a word.
    let silent = listeners.pop().unwrap();
    let starts = listeners.into_iter().enumerate();
    let members = starts.map(|(at, listener)| farm.start(at, listener));
    let members = futures::future::join_all(members).await;
    let work = async {
        eventually(async || {
            let token = members[0].cache.put(vec![7], HOUR).await.unwrap();
            members[1].cache.knows(&token).is_some()
        })
        .await;
    };
    tokio::time::timeout(LIMIT, work).await.expect("it goes on");
    drop(silent);
}

#[tokio::test]
async fn strangers_and_garbage_are_cut_off() {
    let (farm, members) = Farm::start_all(2).await;
    let knock = async |own: Option<&str>, bytes: &[u8]| {
        let credential = own.map(|own| farm.authority.credential(&[own]));
        let trust = [farm.authority.root.clone()];
        let config = lab_nodes::tls::client_config(&trust, credential.as_deref()).unwrap();
        let stream = tokio::net::TcpStream::connect(farm.places[0])
            .await
            .unwrap();
        let mut stream = lab_nodes::http::dial::tls(stream, &config, &name(0))
            .await
            .unwrap();
        // It may be closed before all was written.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer))
            .await
            .expect("it ends");
        answer
    };
    // "Everything", as a member would ask.
    let everything = [0, 0, 0, 1, 3];
    assert_eq!(knock(None, &everything).await, b"");
    assert_eq!(knock(Some("web.example"), &everything).await, b"");
    for garbage in [
        &[0xff; 64][..],
        &[0, 0, 0, 1, 9],
        &[0, 0, 0, 0],
        &[0, 0, 0, 1, 4],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(
            knock(Some("fe2.example"), garbage).await,
            b"",
            "{garbage:?}"
        );
    }
    let token = members[0].cache.put(vec![1], HOUR).await.unwrap();
    assert!(members[1].cache.knows(&token).is_some());
}

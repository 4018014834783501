//! The built-in clients: what scenarios ask with, without a program of the host. They run in a
//! process of their own inside a node, so that names, roots and routes are the node's.
//!
//! - `http`: with `cookies` and `url`, logins (`login`, `form`) and their connections (`line`); `dns`; `smtp`; `udp`; a TCP connection is [`connect`]'s work;
//! - `connect`: names → addresses → connections, and what TLS needs.

mod connect;
mod cookies;
mod dns;
pub mod form;
mod http;
mod line;
mod login;
mod smtp;
mod udp;
mod url;

use std::time::{Duration, Instant};

use lab_core::scenario::Fails;
use lab_core::scenario::client::{Answer, Answers, Ask, Errand};

/// Does an errand; each time is asked by a connection of its own.
pub async fn run(errand: Errand) -> Answers {
    let limit = Duration::from_millis(errand.limit);
    let mut ask = errand.ask;
    let mut answers = Answers::new();
    for _ in 0..errand.times {
        let began = Instant::now();
        let mut answer = match tokio::time::timeout(limit, once(&ask)).await {
            Ok(answer) => answer,
            Err(_) => Answer::failed(Fails::Timeout, format!("no answer within {limit:?}")),
        };
        answer.micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Ask::Http(http) = &mut ask {
            match answer.failure {
                Some(_) => answer.cookies.clone_from(&http.cookies),
                None => http.cookies.clone_from(&answer.cookies),
            }
        }
        answers.push(answer);
    }
    answers
}

async fn once(ask: &Ask) -> Answer {
    match ask {
        Ask::Http(ask) => http::ask(ask).await,
        Ask::Dns(ask) => dns::ask(ask).await,
        Ask::Smtp(ask) => smtp::ask(ask).await,
        Ask::Udp(ask) => udp::ask(ask).await,
        Ask::Tcp(to) => match connect::to(to).await {
            Ok(_) => Answer::default(),
            Err(trouble) => trouble.into(),
        },
    }
}

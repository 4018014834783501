//! A matrix compared with a running lab: each name is looked up and each connection tried from inside
//! the client's node, and what was seen is held against what was predicted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use lab_core::check::Lab;
use lab_core::plan::Transport;
use lab_core::predict::{Cell, Kind, Matrix, Outcome};
use lab_core::run::client::RunningLab;
use lab_core::run::control::{Refusal, Tried, Tries, Try};
use lab_nodes::dns::{Dns, Family};
use serde::Serialize;

use super::lines::{decided, in_full, word};

/// Milliseconds after which no answer is silence: a lost packet is sent again after one second and
/// after three (RFC 6298 §2), and a router looks for an absent neighbour for three.
const WITHIN: u64 = 4500;
/// RFC 1035 §4.2.
const DNS: u16 = 53;

/// Something that was not as predicted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Disagreement {
    /// The client.
    pub client: String,
    /// The name.
    pub name: String,
    /// The address and what was asked of it; for a look-up that word.
    pub what: String,
    /// Predicted.
    pub predicted: String,
    /// Seen.
    pub seen: String,
    /// The rules that were to decide.
    pub decided_by: String,
    /// Them, in full.
    pub rules: Vec<String>,
}

/// What one client has to try.
#[derive(Default)]
struct Work {
    tries: Vec<Try>,
    places: HashMap<(SocketAddr, bool), usize>,
    lookups: Vec<(String, Vec<usize>)>,
}

/// Tries all of it, from all clients at once.
///
/// # Errors
/// The lab can't be asked, or a try could not be made.
pub fn compare(
    lab: &Lab,
    matrix: &Matrix,
    running: &RunningLab,
) -> Result<Vec<Disagreement>, Refusal> {
    let mut work: BTreeMap<&str, Work> = BTreeMap::new();
    for row in &matrix.rows {
        let work = work.entry(&row.client).or_default();
        for cell in &row.cells {
            work.add(row.address, cell.kind, &row.name);
        }
        // What the node knows from its /etc/hosts it asks nobody.
        let asks = !row.by_name || row.server.is_some();
        let last = work.lookups.last();
        if asks && last.is_none_or(|(name, _)| *name != row.name) {
            work.look_up(lab, &row.client, &row.name);
        }
    }
    let tried: BTreeMap<&str, Vec<Tried>> = std::thread::scope(|scope| {
        let asked: Vec<_> = work
            .iter()
            .map(|(client, work)| {
                let tries = Tries {
                    node: (*client).to_owned(),
                    within: WITHIN,
                    tries: work.tries.clone(),
                };
                (*client, scope.spawn(move || running.tries(tries)))
            })
            .collect();
        asked
            .into_iter()
            .map(|(client, asked)| match asked.join() {
                Ok(tried) => Ok((client, tried?)),
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect::<Result<_, Refusal>>()
    })?;

    let mut found: BTreeSet<Disagreement> = BTreeSet::new();
    for (client, work) in &work {
        let tried = tried.get(client).map(Vec::as_slice).unwrap_or_default();
        if let Some(Tried::Failed(why)) = tried.iter().find(|one| matches!(one, Tried::Failed(_))) {
            return Err(Refusal {
                message: format!("a connection from {client} could not be tried: {why}"),
                help: Some("the limit of open files may be too low: `ulimit -n`".into()),
                code: 3,
            });
        }
        for row in matrix.rows.iter().filter(|row| row.client == *client) {
            for cell in &row.cells {
                let at = work.places.get(&place(row.address, cell.kind));
                let Some(seen) = at.and_then(|at| tried.get(*at)) else {
                    continue;
                };
                if !agrees(cell, seen) {
                    found.insert(Disagreement {
                        client: row.client.clone(),
                        name: row.name.clone(),
                        what: format!("{} {}", row.address, cell.kind),
                        predicted: word(cell),
                        seen: said(seen).into(),
                        decided_by: decided(cell),
                        rules: cell.deciders.iter().map(in_full).collect(),
                    });
                }
            }
        }
        for (name, questions) in &work.lookups {
            found.extend(wrong_lookup(matrix, client, name, questions, tried));
        }
    }
    Ok(found.into_iter().collect())
}

impl Work {
    fn add(&mut self, address: IpAddr, kind: Kind, name: &str) {
        let (to, tcp) = place(address, kind);
        let next = self.tries.len();
        if self.places.contains_key(&(to, tcp)) || kind.port().is_none() {
            return;
        }
        self.places.insert((to, tcp), next);
        // A name server answers a question only.
        let datagram = match kind {
            Kind::Udp(DNS) => Dns::question(name, Family::V4),
            _ => None,
        };
        self.tries.push(Try {
            protocol: if tcp { Transport::Tcp } else { Transport::Udp },
            to,
            datagram: datagram.unwrap_or_default(),
        });
    }

    /// Asks the client's first name server for a name.
    fn look_up(&mut self, lab: &Lab, client: &str, name: &str) {
        let node = lab.nodes.get(client);
        let Some(server) = node.and_then(|node| node.resolvers.first()) else {
            return;
        };
        let mut questions = Vec::new();
        for family in [Family::V4, Family::V6] {
            let Some(datagram) = Dns::question(name, family) else {
                continue;
            };
            questions.push(self.tries.len());
            self.tries.push(Try {
                protocol: Transport::Udp,
                to: SocketAddr::new(*server, DNS),
                datagram,
            });
        }
        self.lookups.push((name.to_owned(), questions));
    }
}

fn place(address: IpAddr, kind: Kind) -> (SocketAddr, bool) {
    let port = kind.port().unwrap_or_default();
    (SocketAddr::new(address, port), matches!(kind, Kind::Tcp(_)))
}

/// Whether what was seen is one of the things that were predicted.
fn agrees(cell: &Cell, seen: &Tried) -> bool {
    let tcp = matches!(cell.kind, Kind::Tcp(_));
    cell.outcomes.iter().any(|outcome| match (outcome, seen) {
        (Outcome::Open, Tried::Connected) if tcp => true,
        (Outcome::Reached, Tried::Connected | Tried::Refused) if tcp => true,
        // A router without a route says so five times at once and then once a second to each host
        // (ip_error of Linux), whatever its settings: most of many tries get silence.
        (Outcome::Unreachable, Tried::Unreachable | Tried::Silent) if tcp => true,
        // A UDP service answers what it understands, which only a name server is sent here.
        (Outcome::Open, Tried::Answered(_)) => !tcp,
        (Outcome::Open, Tried::Silent) => !tcp && cell.kind != Kind::Udp(DNS),
        (Outcome::Reached, Tried::Answered(_) | Tried::Refused | Tried::Silent) => !tcp,
        // Linux tells a UDP socket of a closed port, not of a missing route (udp(7), IP_RECVERR).
        (Outcome::Unreachable, Tried::Silent | Tried::Unreachable) => !tcp,
        (Outcome::Refused, Tried::Refused) | (Outcome::Dropped, Tried::Silent) => true,
        _ => false,
    })
}

fn said(seen: &Tried) -> &'static str {
    match seen {
        Tried::Connected => "open",
        Tried::Answered(_) => "answered",
        Tried::Refused => "refused",
        Tried::Unreachable => "unreachable",
        Tried::Silent => "silence",
        Tried::Failed(_) => "not tried",
    }
}

fn wrong_lookup(
    matrix: &Matrix,
    client: &str,
    name: &str,
    questions: &[usize],
    tried: &[Tried],
) -> Option<Disagreement> {
    let rows = matrix
        .rows
        .iter()
        .filter(|row| row.client == client && row.name == name);
    let known = rows.clone().filter(|row| row.by_name);
    let predicted: BTreeSet<IpAddr> = known.map(|row| row.address).collect();
    let mut seen: BTreeSet<IpAddr> = BTreeSet::new();
    let mut trouble = None;
    for question in questions {
        match tried.get(*question) {
            Some(Tried::Answered(answer)) => match Dns::addresses(answer) {
                Some(addresses) => seen.extend(addresses),
                None => trouble = Some("no answer that can be read"),
            },
            Some(other) => trouble = Some(said(other)),
            None => {}
        }
    }
    // No answer is no address, too; only where an address was predicted it is news.
    let as_predicted = seen == predicted && (trouble.is_none() || predicted.is_empty());
    if as_predicted {
        return None;
    }
    let words = |addresses: &BTreeSet<IpAddr>| match addresses.is_empty() {
        true => "no address".to_owned(),
        false => addresses
            .iter()
            .map(IpAddr::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    };
    let server = rows.clone().next().and_then(|row| row.server.clone());
    Some(Disagreement {
        client: client.to_owned(),
        name: name.to_owned(),
        what: "look-up".into(),
        predicted: words(&predicted),
        seen: trouble.map_or_else(|| words(&seen), str::to_owned),
        decided_by: server.unwrap_or_default(),
        rules: Vec::new(),
    })
}

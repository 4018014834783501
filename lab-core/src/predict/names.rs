//! What a node gets for a name: /etc/hosts, then its name servers in turn, each of which answers by
//! the view of whoever asks (RFC 1034 §4.3.2, RFC 4592).

use std::net::IpAddr;

use serde::Serialize;

use super::kind::Kind;
use super::network::Model;
use super::way::{End, Hop, Outcome, Way};
use crate::check::{RecordData, View, Zone};
use crate::plan::{FileContent, NodePlan};

/// Most aliases followed, and servers asked one behind the other.
const LONGEST_CHAIN: usize = 8;
/// RFC 1035 §4.2.
const PORT: u16 = 53;

/// A look-up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lookup {
    /// The name as asked, in full.
    pub name: String,
    /// Who was asked, in turn; empty where /etc/hosts answered.
    pub asked: Vec<Question>,
    /// The addresses; empty: there are none.
    pub addresses: Vec<IpAddr>,
}

/// A question to a name server, and its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
    /// The node that asks.
    pub from: String,
    /// The server's address.
    pub server: IpAddr,
    /// The server's node, where the question arrives.
    pub node: Option<String>,
    /// The address that the server sees.
    pub client: Option<IpAddr>,
    /// The view it gives that client.
    pub view: Option<String>,
    /// The zone that answers; none where the view has none for the name.
    pub zone: Option<String>,
    /// `file:line` of the zone, else of the view.
    pub place: Option<String>,
    /// Aliases followed.
    pub aliases: Vec<String>,
    /// Whom the server asked.
    pub forwarded: Vec<Question>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Why there are none, a sentence.
    pub trouble: Option<String>,
    /// The server gave an answer, if only that there is no such name.
    pub answered: bool,
}

impl<'l> Model<'l> {
    /// What a node gets for a name. A name without a dot gets the node's search domain first.
    pub fn look_up(&self, node: &'l NodePlan, name: &str) -> Lookup {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let known = in_hosts(node, &name);
        if !known.is_empty() {
            return Lookup {
                name,
                asked: Vec::new(),
                addresses: known,
            };
        }
        let conf = text_of(node, "/etc/resolv.conf");
        let words = |key: &'static str| {
            conf.lines().filter_map(move |line| {
                let mut words = line.split_whitespace();
                (words.next() == Some(key)).then_some(words)
            })
        };
        // resolv.conf(5): `ndots` is 1, so a name with a dot is asked as it stands first.
        let searched = words("search")
            .next_back()
            .into_iter()
            .flatten()
            .map(|domain| format!("{name}.{}", domain.trim_end_matches('.')));
        let candidates: Vec<String> = match name.contains('.') {
            true => std::iter::once(name.clone()).chain(searched).collect(),
            false => searched.chain([name.clone()]).collect(),
        };
        let servers: Vec<IpAddr> = words("nameserver")
            .filter_map(|mut words| words.next()?.parse().ok())
            .collect();
        let mut last = None;
        for candidate in candidates {
            let lookup = self.ask(node, &servers, &candidate);
            if !lookup.addresses.is_empty() {
                return lookup;
            }
            last.get_or_insert(lookup);
        }
        last.unwrap_or(Lookup {
            name,
            asked: Vec::new(),
            addresses: Vec::new(),
        })
    }

    fn ask(&self, node: &'l NodePlan, servers: &[IpAddr], name: &str) -> Lookup {
        let mut lookup = Lookup {
            name: name.to_owned(),
            asked: Vec::new(),
            addresses: Vec::new(),
        };
        for server in servers {
            let question = self.question(node, *server, name, LONGEST_CHAIN);
            lookup.addresses.clone_from(&question.addresses);
            let answered = question.answered;
            lookup.asked.push(question);
            if answered {
                break;
            }
        }
        lookup
    }

    fn question(&self, from: &'l NodePlan, server: IpAddr, name: &str, left: usize) -> Question {
        let mut question = Question {
            from: from.name.clone(),
            server,
            node: None,
            client: None,
            view: None,
            zone: None,
            place: None,
            aliases: Vec::new(),
            forwarded: Vec::new(),
            addresses: Vec::new(),
            trouble: None,
            answered: false,
        };
        let way = self.way(from, server, Kind::Udp(PORT));
        let Some((node, client)) = arrival(&way) else {
            question.trouble = Some(no_answer(&way, server));
            return question;
        };
        question.node = Some(node.to_owned());
        question.client = Some(client);
        let Some(view) = self.view(node, client) else {
            question.answered = true;
            question.trouble = Some(format!("{node} has no view for {client}"));
            return question;
        };
        question.view = Some(view.name.clone());
        question.place = Some(view.place.to_string());
        question.answered = true;
        self.answer(view, node, name, left, &mut question);
        question
    }

    /// The view of a client: that with the most specific prefix.
    fn view(&self, server: &str, client: IpAddr) -> Option<&'l View> {
        let views = self.lab.views.values().filter(|view| view.server == server);
        views
            .filter_map(|view| {
                let fits = view.clients.iter().filter(|net| net.contains(&client));
                let best = fits.map(|net| net.prefix_len() + 1).max();
                match (view.clients.is_empty(), best) {
                    (true, _) => Some((0, view)),
                    (false, best) => Some((best?, view)),
                }
            })
            .max_by_key(|(length, _)| *length)
            .map(|(_, view)| view)
    }

    fn answer(
        &self,
        view: &'l View,
        server: &str,
        name: &str,
        left: usize,
        question: &mut Question,
    ) {
        let mut name = name.to_owned();
        for _ in 0..LONGEST_CHAIN {
            let Some(zone) = self.zone(view, &name) else {
                return self.forward(view, server, &name, left, question);
            };
            question.zone = Some(zone.origin.clone());
            question.place = Some(zone.place.to_string());
            let Some(data) = find(zone, &name) else {
                question.trouble = Some(format!(
                    "there is no {name} in the zone {} of the view {}",
                    zone.origin, view.name
                ));
                return;
            };
            let addresses: Vec<IpAddr> = data
                .iter()
                .filter_map(|data| match data {
                    RecordData::Address(address) => Some(*address),
                    _ => None,
                })
                .collect();
            let alias = data.iter().find_map(|data| match data {
                RecordData::Cname(target) => Some(target),
                _ => None,
            });
            match alias {
                Some(target) => {
                    question.aliases.push(target.clone());
                    name = target.to_ascii_lowercase();
                }
                None => {
                    if addresses.is_empty() {
                        question.trouble = Some(format!("{name} has no address"));
                    }
                    question.addresses = addresses;
                    return;
                }
            }
        }
        question.trouble = Some(format!("the aliases of {name} do not end"));
    }

    fn forward(
        &self,
        view: &'l View,
        server: &str,
        name: &str,
        left: usize,
        question: &mut Question,
    ) {
        let Some(node) = self.plan.nodes.get(server) else {
            return;
        };
        if view.forward.is_empty() || left == 0 {
            question.trouble = Some(format!("the view {} knows no {name}", view.name));
            return;
        }
        for server in &view.forward {
            let asked = self.question(node, *server, name, left - 1);
            question.addresses.clone_from(&asked.addresses);
            question.trouble.clone_from(&asked.trouble);
            question.answered = asked.answered;
            question.forwarded.push(asked);
            if question.answered {
                return;
            }
        }
        // It says so itself: SERVFAIL.
        question.answered = true;
    }

    /// The zone of a view that a name lies in: the one with the longest origin.
    fn zone(&self, view: &View, name: &str) -> Option<&'l Zone> {
        self.lab
            .zones
            .iter()
            .filter(|zone| zone.view == view.name && lies_in(name, &zone.origin))
            .max_by_key(|zone| zone.origin.len())
    }
}

fn lies_in(name: &str, origin: &str) -> bool {
    let origin = origin.to_ascii_lowercase();
    match name.strip_suffix(&origin) {
        Some(rest) => origin.is_empty() || rest.is_empty() || rest.ends_with('.'),
        None => false,
    }
}

/// The records of a name, those of a wildcard included; empty where it is only a part of others.
fn find<'z>(zone: &'z Zone, name: &str) -> Option<Vec<&'z RecordData>> {
    let of = |owner: &str| -> Vec<&'z RecordData> {
        let records = zone.records.iter();
        records
            .filter(|record| record.name.eq_ignore_ascii_case(owner))
            .map(|record| &record.data)
            .collect()
    };
    let own = of(name);
    let is_there = |name: &str| {
        let mut records = zone.records.iter();
        records.any(|record| lies_in(&record.name.to_ascii_lowercase(), name))
    };
    if !own.is_empty() || is_there(name) || name.eq_ignore_ascii_case(&zone.origin) {
        return Some(own);
    }
    // The closest ancestor that is there may have a wildcard below it.
    let mut encloser = name;
    while let Some((_, parent)) = encloser.split_once('.') {
        encloser = parent;
        if encloser.eq_ignore_ascii_case(&zone.origin) || is_there(encloser) {
            break;
        }
    }
    let below = of(&format!("*.{encloser}"));
    (!below.is_empty()).then_some(below)
}

/// Where a question arrives where somebody listens, and who the server thinks has asked.
fn arrival(way: &Way) -> Option<(&str, IpAddr)> {
    if !way.outcomes().contains(&Outcome::Open) {
        return None;
    }
    let ends = way.ends();
    let (hop, _, _) = ends
        .into_iter()
        .find(|(_, end, _)| matches!(end, End::Listens { .. }))?;
    Some((&hop.node, hop.packet.source))
}

fn no_answer(way: &Way, server: IpAddr) -> String {
    let ends = way.ends();
    let node = |hop: &Hop| hop.node.clone();
    match ends.first() {
        Some((hop, End::Dropped, _)) => {
            let rule = way
                .verdicts()
                .last()
                .and_then(|(_, verdict)| verdict.rule.clone());
            let rule = rule.map_or_else(String::new, |rule| format!(" by {rule}"));
            format!("the question to {server} is dropped at {}{rule}", node(hop))
        }
        Some((hop, End::Closed, _)) => format!("no name server runs on {}", node(hop)),
        Some((hop, _, _)) => format!("{server} does not answer: it ends at {}", node(hop)),
        None => format!("{server} does not answer"),
    }
}

/// The addresses of a name in the node's /etc/hosts.
fn in_hosts(node: &NodePlan, name: &str) -> Vec<IpAddr> {
    text_of(node, "/etc/hosts")
        .lines()
        .filter_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words
                .any(|known| known.eq_ignore_ascii_case(name))
                .then_some(address)
        })
        .collect()
}

fn text_of<'n>(node: &'n NodePlan, path: &str) -> &'n str {
    let file = node.files.iter().find(|file| file.path == path);
    match file.map(|file| &file.content) {
        Some(FileContent::Text(text)) => text,
        _ => "",
    }
}

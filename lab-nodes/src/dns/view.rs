//! What one client may know: its view's zones, and who is asked for the rest.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use lab_core::observe::Deed;
use lab_core::service::Conversation;

use super::forward;
use super::settings::{self, Settings};
use super::zone::{Found, Zone};

/// Most aliases followed one after the other.
const LONGEST_CHAIN: usize = 8;
/// Largest answer over UDP, in bytes: what crosses any link in one piece (RFC 9715 §3.2).
pub(super) const LARGEST_UDP: u16 = 1232;

/// All views of a server.
#[derive(Debug, Default)]
pub(super) struct Views {
    views: Vec<View>,
}

#[derive(Debug)]
struct View {
    settings: settings::View,
    zones: Vec<Zone>,
}

/// Where following a name ended.
enum End {
    Found,
    NoData(Record),
    NoName(Record),
    /// In no zone of the view.
    Outside(Name),
}

impl Views {
    /// From settings.
    pub fn new(settings: Settings) -> Self {
        let server = settings.server;
        let views = settings.views.into_iter().map(|view| {
            let zones = view
                .zones
                .iter()
                .filter_map(|zone| Zone::new(zone, &server))
                .collect();
            View {
                settings: view,
                zones,
            }
        });
        Self {
            views: views.collect(),
        }
    }

    /// The view of a client: the one with the most specific prefix.
    fn of(&self, client: IpAddr) -> Option<&View> {
        self.views
            .iter()
            .filter_map(|view| {
                let clients = &view.settings.clients;
                let length = if clients.is_empty() {
                    Some(0)
                } else {
                    clients
                        .iter()
                        .filter(|net| net.contains(&client))
                        .map(|net| net.prefix_len() + 1)
                        .max()
                };
                Some((length?, view))
            })
            .max_by_key(|(length, _)| *length)
            .map(|(_, view)| view)
    }

    /// Answers a message of a conversation; `None` where even an error would be wrong.
    pub async fn answer(&self, request: &Message, conversation: &Conversation) -> Option<Message> {
        let client = conversation.tuple.source.ip();
        let asked = &request.metadata;
        if asked.message_type == MessageType::Response {
            return None;
        }
        let mut response = Message::response(asked.id, asked.op_code);
        response.metadata.recursion_desired = asked.recursion_desired;
        response.queries.clone_from(&request.queries);
        if request.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(LARGEST_UDP);
            response.edns = Some(edns);
        }
        let refuse = |mut response: Message, code: ResponseCode| {
            response.metadata.response_code = code;
            Some(response)
        };
        if asked.op_code != OpCode::Query {
            return refuse(response, ResponseCode::NotImp);
        }
        let [query] = &request.queries[..] else {
            return refuse(response, ResponseCode::FormErr);
        };
        let zone_transfer = matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
        let Some(view) = self
            .of(client)
            .filter(|_| query.query_class() == DNSClass::IN && !zone_transfer)
        else {
            return refuse(response, ResponseCode::Refused);
        };
        response.metadata.recursion_available = true;
        view.fill(
            query.name(),
            query.query_type(),
            &mut response,
            conversation,
        )
        .await;
        conversation.tell(|| answered(query, &view.settings.name, &response));
        Some(response)
    }
}

fn answered(query: &Query, view: &str, response: &Message) -> Deed {
    Deed::Answered {
        name: bare(query.name()),
        kind: query.query_type().to_string(),
        view: Some(view.to_owned()),
        code: mnemonic(response),
        answers: response
            .answers
            .iter()
            .map(|record| record.data.to_string())
            .collect(),
    }
}

/// The response code as IANA's registry has it (`NXDOMAIN`).
pub(super) fn mnemonic(message: &Message) -> String {
    format!("{:?}", message.metadata.response_code).to_uppercase()
}

/// A name without its last dot.
pub(super) fn bare(name: &Name) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

impl View {
    async fn fill(
        &self,
        name: &Name,
        kind: RecordType,
        response: &mut Message,
        conversation: &Conversation,
    ) {
        response.metadata.authoritative = self.zone_of(name).is_some();
        match self.follow(name, kind, &mut response.answers) {
            End::Found => self.add_addresses(response),
            End::NoData(soa) => response.authorities.push(soa),
            End::NoName(soa) => {
                response.authorities.push(soa);
                response.metadata.response_code = ResponseCode::NXDomain;
            }
            End::Outside(_) if self.settings.forward.is_empty() => {
                response.metadata.response_code = ResponseCode::NXDomain;
            }
            End::Outside(rest) => {
                match forward::ask(&self.settings.forward, &rest, kind, conversation).await {
                    Some(answer) => {
                        response.answers.extend(answer.answers);
                        response.authorities.extend(answer.authorities);
                        response.metadata.response_code = answer.metadata.response_code;
                    }
                    None => response.metadata.response_code = ResponseCode::ServFail,
                }
            }
        }
    }

    fn zone_of(&self, name: &Name) -> Option<&Zone> {
        self.zones
            .iter()
            .filter(|zone| zone.origin.zone_of(name))
            .max_by_key(|zone| zone.origin.num_labels())
    }

    fn follow(&self, name: &Name, kind: RecordType, answers: &mut Vec<Record>) -> End {
        let mut name = name.clone();
        for _ in 0..LONGEST_CHAIN {
            let Some(zone) = self.zone_of(&name) else {
                return End::Outside(name);
            };
            match zone.find(&name, kind) {
                Found::Records(records) => {
                    answers.extend(records);
                    return End::Found;
                }
                Found::Alias(record, target) => {
                    answers.push(*record);
                    name = target;
                }
                Found::NoData => return End::NoData(zone.soa.clone()),
                Found::NoName => return End::NoName(zone.soa.clone()),
            }
        }
        End::Found
    }

    /// Addresses of the hosts that an answer names, as far as they are known here.
    fn add_addresses(&self, response: &mut Message) {
        let mut additional = Vec::new();
        for record in &response.answers {
            let host = match &record.data {
                RData::MX(mx) => &mx.exchange,
                RData::SRV(srv) => &srv.target,
                RData::NS(ns) => &ns.0,
                _ => continue,
            };
            for kind in [RecordType::A, RecordType::AAAA] {
                if let Some(Found::Records(records)) =
                    self.zone_of(host).map(|zone| zone.find(host, kind))
                {
                    additional.extend(records);
                }
            }
        }
        additional.dedup();
        response.additionals = additional;
    }
}

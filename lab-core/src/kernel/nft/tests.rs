//! Real packets meet real rules.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::network::Network;
use super::super::testing::{
    Conversation, answer, ask, connected, converse, in_own_network, is_stopped, link, new_fabric,
    route,
};
use super::{apply, counters, replace_chain};
use crate::plan::{Action, Chain, Hook, Match, PortRange, Rule, Ruleset, Target};

fn rule(id: &str, matches: Vec<Match>, action: Action) -> Rule {
    Rule {
        id: id.into(),
        place: Some("my lab.yaml:7".into()),
        matches,
        mark: None,
        action,
    }
}

fn chain(name: &str, hook: Option<Hook>, rules: Vec<Rule>) -> Chain {
    Chain {
        name: name.into(),
        hook,
        rules,
    }
}

fn port(number: u16) -> PortRange {
    PortRange {
        first: number,
        last: number,
    }
}

fn some_ports() -> Vec<PortRange> {
    let low = PortRange {
        first: 50,
        last: 53,
    };
    vec![low, port(67)]
}

fn to(address: &str) -> Match {
    Match::Destination(net(address))
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().expect("a prefix")
}

fn targets(addresses: &[&str]) -> Vec<Target> {
    addresses
        .iter()
        .map(|address| Target {
            address: address.parse().expect("an address"),
            port: None,
        })
        .collect()
}

async fn packets(node: &Network, id: &str) -> io::Result<u64> {
    let counts = counters(node.namespace()).await?;
    Ok(counts.get(id).map_or(0, |count| count.packets))
}

fn sysctl(node: &Network, path: &str, value: &str) -> io::Result<()> {
    let settings = [(path.to_owned(), value.to_owned())];
    crate::kernel::sysctl::write(node.namespace(), &settings.into())
}

/// Client 10.0.1.2 and server 10.0.2.2 (`fd01::2`, `fd02::2`), a router between them.
struct Routed {
    client: Network,
    router: Network,
    server: Network,
    _fabric: Network,
}

async fn routed() -> io::Result<Routed> {
    let fabric = new_fabric(&["a", "b"]).await?;
    let legs = [
        link("a", &["10.0.1.1/24", "fd01::1/64"]),
        link("b", &["10.0.2.1/24", "fd02::1/64"]),
    ];
    let router = connected(&fabric, &legs, &[]).await?;
    sysctl(&router, "net/ipv4/ip_forward", "1")?;
    sysctl(&router, "net/ipv6/conf/all/forwarding", "1")?;
    let by_a = [
        route("0.0.0.0/0", "10.0.1.1", "a"),
        route("::/0", "fd01::1", "a"),
    ];
    let client = connected(&fabric, &[link("a", &["10.0.1.2/24", "fd01::2/64"])], &by_a).await?;
    let by_b = [
        route("0.0.0.0/0", "10.0.2.1", "b"),
        route("::/0", "fd02::1", "b"),
    ];
    let server = connected(&fabric, &[link("b", &["10.0.2.2/24", "fd02::2/64"])], &by_b).await?;
    for port in [25, 80, 443] {
        answer(&server, port, "server")?;
    }
    Ok(Routed {
        client,
        router,
        server,
        _fabric: fabric,
    })
}

fn acl(rules: Vec<Rule>) -> Ruleset {
    let established = rule("established", vec![Match::Established], Action::Accept);
    let rules = std::iter::once(established).chain(rules).collect();
    Ruleset {
        chains: vec![chain("forward", Some(Hook::Forward), rules)],
    }
}

#[test]
fn an_acl_lets_pass_what_it_permits_and_counts_what_it_drops() {
    in_own_network(
        module_path!(),
        "an_acl_lets_pass_what_it_permits_and_counts_what_it_drops",
        || async {
            let net = routed().await?;
            let web = [Match::Inbound("a".into()), Match::Outbound("b".into())];
            let web = |ports| web.iter().cloned().chain([Match::Tcp(ports)]).collect();
            let rules = acl(vec![
                rule("invalid", vec![Match::Invalid], Action::Drop),
                rule(
                    "neighbours",
                    vec![Match::NeighbourDiscovery],
                    Action::Accept,
                ),
                rule("P5", web(port(443)), Action::Accept),
                rule(
                    "P5",
                    web(PortRange {
                        first: 70,
                        last: 90,
                    }),
                    Action::Accept,
                ),
                rule("P12", vec![], Action::Drop),
            ]);
            apply(net.router.namespace(), &rules).await?;
            assert_eq!(ask(&net.client, "10.0.2.2:80").await?, "server 10.0.1.2");
            assert_eq!(ask(&net.client, "10.0.2.2:443").await?, "server 10.0.1.2");
            assert_eq!(ask(&net.client, "[fd02::2]:443").await?, "server fd01::2");
            assert_eq!(
                packets(&net.router, "P5").await?,
                3,
                "the first packet of each"
            );
            assert!(packets(&net.router, "established").await? >= 6);
            assert_eq!(packets(&net.router, "P12").await?, 0);
            assert!(is_stopped(&net.client, "10.0.2.2:25").await);
            assert!(packets(&net.router, "P12").await? >= 1);
            // The other direction is not let in by what lets out.
            answer(&net.client, 443, "client")?;
            assert!(is_stopped(&net.server, "10.0.1.2:443").await);
            Ok(())
        },
    );
}

#[test]
fn each_condition_matches_what_it_names() {
    in_own_network(
        module_path!(),
        "each_condition_matches_what_it_names",
        || async {
            let Routed {
                client,
                router,
                server,
                _fabric,
            } = routed().await?;
            let count =
                |id: &str, condition: Match| rule(id, vec![condition], Action::Jump("pass".into()));
            let rules = Ruleset {
                chains: vec![
                    chain("pass", None, vec![]),
                    chain(
                        "forward",
                        Some(Hook::Forward),
                        vec![
                            count("from client", Match::Source(net("10.0.1.2/32"))),
                            count("from its half", Match::Source(net("10.0.0.0/23"))),
                            count("from anywhere", Match::Source(net("0.0.0.0/0"))),
                            count("from six", Match::Source(net("::/0"))),
                            count(
                                "from some",
                                Match::Sources(vec![net("10.0.1.0/24"), net("10.0.3.0/24")]),
                            ),
                            count(
                                "to some",
                                Match::Destinations(vec![net("fd02::/64"), net("fd03::7/128")]),
                            ),
                            count("udp some", Match::UdpPorts(some_ports())),
                            count("tcp some", Match::TcpPorts(some_ports())),
                            count("udp", Match::Udp(port(53))),
                            count(
                                "udp all",
                                Match::Udp(PortRange {
                                    first: 0,
                                    last: u16::MAX,
                                }),
                            ),
                            count(
                                "tcp all",
                                Match::Tcp(PortRange {
                                    first: 0,
                                    last: u16::MAX,
                                }),
                            ),
                            count("protocol 17", Match::Protocol(17)),
                            count("icmp", Match::Icmp),
                            count("icmp errors", Match::IcmpErrors),
                            count("neighbours", Match::NeighbourDiscovery),
                            count("translated", Match::Translated),
                        ],
                    ),
                ],
            };
            apply(router.namespace(), &rules).await?;
            // A datagram to a closed port, and the answer to it: port unreachable.
            for (from, to) in [("0.0.0.0:0", "10.0.2.2:53"), ("[::]:0", "[fd02::2]:53")] {
                let socket = client
                    .namespace()
                    .within(|| std::net::UdpSocket::bind(from))?;
                socket.connect(to)?;
                socket.send(b"?")?;
                socket.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
                let error = socket.recv(&mut [0; 8]).expect_err("a closed port");
                assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            }
            let counts = counters(router.namespace()).await?;
            let packets = |id: &str| counts[id].packets;
            for (id, expected) in [
                ("from client", 1),
                ("from its half", 1),
                ("from anywhere", 2),
                ("from six", 2),
                ("from some", 1),
                ("to some", 1),
                ("udp some", 2),
                ("tcp some", 0),
                ("udp", 2),
                ("udp all", 2),
                ("tcp all", 0),
                ("protocol 17", 2),
                ("icmp", 2),
                ("icmp errors", 2),
                ("neighbours", 0),
                ("translated", 0),
            ] {
                assert_eq!(packets(id), expected, "{id}: {counts:?}");
            }
            // Echo is ICMP, and no error.
            for to in ["10.0.2.2", "fd02::2"] {
                ping(&client, to)?;
            }
            let counts = counters(router.namespace()).await?;
            assert_eq!(counts["icmp"].packets, 6, "{counts:?}");
            assert_eq!(counts["icmp errors"].packets, 2, "{counts:?}");
            drop(server);
            Ok(())
        },
    );
}

/// Sends an echo request and waits for the reply.
fn ping(node: &Network, to: &str) -> io::Result<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
    let to: std::net::IpAddr = to.parse().expect("an address");
    // Type echo request (8 and 128), the rest is filled in by the kernel.
    let (family, protocol, kind) = if to.is_ipv4() {
        (AddressFamily::Inet, SockProtocol::Icmp, 8)
    } else {
        (AddressFamily::Inet6, SockProtocol::IcmpV6, 128)
    };
    sysctl(node, "net/ipv4/ping_group_range", "0 0")?;
    let fd = node.namespace().within(|| {
        Ok(socket(
            family,
            SockType::Datagram,
            SockFlag::empty(),
            protocol,
        )?)
    })?;
    let socket = std::net::UdpSocket::from(fd);
    socket.connect((to, 0))?;
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    socket.send(&[kind, 0, 0, 0, 0, 0, 0, 1])?;
    socket.recv(&mut [0; 64]).map(drop)
}

#[test]
fn masquerade_hides_the_client() {
    in_own_network(module_path!(), "masquerade_hides_the_client", || async {
        let net = routed().await?;
        // The server knows no way back but by the router's own address.
        net.server
            .change_routes(&[route("0.0.0.0/0", "10.0.2.1", "b")], &[])
            .await?;
        assert!(is_stopped(&net.client, "10.0.2.2:80").await);
        let hide = rule(
            "masquerade",
            vec![
                Match::Source("10.0.0.0/8".parse().map_err(io::Error::other)?),
                Match::Outbound("b".into()),
            ],
            Action::Masquerade,
        );
        let rules = Ruleset {
            chains: vec![chain("postrouting", Some(Hook::Postrouting), vec![hide])],
        };
        apply(net.router.namespace(), &rules).await?;
        assert_eq!(ask(&net.client, "10.0.2.2:80").await?, "server 10.0.2.1");
        // The attempt that was stopped may have sent once more.
        assert!(packets(&net.router, "masquerade").await? >= 1);
        Ok(())
    });
}

#[test]
fn a_port_is_forwarded_to_another() {
    in_own_network(module_path!(), "a_port_is_forwarded_to_another", || async {
        let net = routed().await?;
        let forward = |address: &str, to_port| Action::Dnat {
            targets: vec![Target {
                address: address.parse().expect("an address"),
                port: Some(to_port),
            }],
            random: false,
        };
        let rules = vec![
            rule(
                "v4",
                vec![to("10.0.1.1/32"), Match::Tcp(port(8080))],
                forward("10.0.2.2", 80),
            ),
            rule(
                "v6",
                vec![to("fd01::1/128"), Match::Tcp(port(8080))],
                forward("fd02::2", 80),
            ),
        ];
        let rules = Ruleset {
            chains: vec![
                chain("prerouting", Some(Hook::Prerouting), rules),
                chain(
                    "forward",
                    Some(Hook::Forward),
                    vec![
                        rule("translated", vec![Match::Translated], Action::Accept),
                        rule("rest", vec![], Action::Drop),
                    ],
                ),
            ],
        };
        apply(net.router.namespace(), &rules).await?;
        assert_eq!(ask(&net.client, "10.0.1.1:8080").await?, "server 10.0.1.2");
        assert_eq!(ask(&net.client, "[fd01::1]:8080").await?, "server fd01::2");
        assert!(is_stopped(&net.client, "10.0.2.2:80").await);
        Ok(())
    });
}

/// A balancer 10.0.0.1 with a VIP 10.0.0.100 for members .11 to .13, and a client .2, all on one
/// segment: without source translation replies would go past the balancer.
struct Balanced {
    client: Network,
    balancer: Network,
    members: Vec<Network>,
    _fabric: Network,
}

fn members(last: &[u8], random: bool) -> Chain {
    let addresses: Vec<String> = last.iter().map(|last| format!("10.0.0.{last}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let action = if addresses.is_empty() {
        Action::Reject
    } else {
        Action::Dnat {
            targets: targets(&addresses),
            random,
        }
    };
    chain("vip-web", None, vec![rule("vip web", vec![], action)])
}

async fn balanced(random: bool) -> io::Result<Balanced> {
    let fabric = new_fabric(&["lan"]).await?;
    let legs = [link("lan", &["10.0.0.1/24", "10.0.0.100/24"])];
    let balancer = connected(&fabric, &legs, &[]).await?;
    sysctl(&balancer, "net/ipv4/ip_forward", "1")?;
    let client = connected(&fabric, &[link("lan", &["10.0.0.2/24"])], &[]).await?;
    let mut nodes = Vec::new();
    for last in 11..=13 {
        let node = connected(
            &fabric,
            &[link("lan", &[&format!("10.0.0.{last}/24")])],
            &[],
        )
        .await?;
        answer(&node, 80, &last.to_string())?;
        nodes.push(node);
    }
    let vip = || vec![to("10.0.0.100/32"), Match::Tcp(port(80))];
    let jump = || rule("vip web", vip(), Action::Jump("vip-web".into()));
    let source = rule(
        "snat web",
        vec![Match::Translated],
        Action::Snat("10.0.0.1".parse().map_err(io::Error::other)?),
    );
    let rules = Ruleset {
        chains: vec![
            members(&[11, 12, 13], random),
            chain("prerouting", Some(Hook::Prerouting), vec![jump()]),
            chain("output", Some(Hook::Output), vec![jump()]),
            chain("postrouting", Some(Hook::Postrouting), vec![source]),
        ],
    };
    apply(balancer.namespace(), &rules).await?;
    Ok(Balanced {
        client,
        balancer,
        members: nodes,
        _fabric: fabric,
    })
}

async fn answers(from: &Network, count: usize) -> io::Result<Vec<String>> {
    let mut answers = Vec::new();
    for _ in 0..count {
        answers.push(ask(from, "10.0.0.100:80").await?);
    }
    Ok(answers)
}

#[test]
fn a_layer_4_vip_spreads_in_turn_and_lets_a_member_out() {
    in_own_network(
        module_path!(),
        "a_layer_4_vip_spreads_in_turn_and_lets_a_member_out",
        || async {
            let net = balanced(false).await?;
            let in_turn = ["11 10.0.0.1", "12 10.0.0.1", "13 10.0.0.1"];
            let said = answers(&net.client, 6).await?;
            let start = in_turn
                .iter()
                .position(|known| *known == said[0])
                .expect("a member");
            let expected: Vec<&str> = in_turn.into_iter().cycle().skip(start).take(6).collect();
            assert_eq!(said, expected);
            // What starts on the balancer itself goes the same way.
            let mut own = answers(&net.balancer, 3).await?;
            own.sort();
            assert_eq!(own, in_turn);

            // A conversation goes on while its member leaves the rotation.
            let mut talk = talk_over_vip(&net).await?;
            replace_chain(net.balancer.namespace(), &members(&[11, 13], false)).await?;
            let mut said = answers(&net.client, 4).await?;
            said.sort();
            assert_eq!(
                said,
                ["11 10.0.0.1", "11 10.0.0.1", "13 10.0.0.1", "13 10.0.0.1"]
            );
            talk.client.write_all(b"x").await?;
            assert_eq!(talk.server.read_u8().await?, b'x');

            // One alone, none, and all again.
            replace_chain(net.balancer.namespace(), &members(&[12], false)).await?;
            assert_eq!(
                answers(&net.client, 2).await?,
                ["12 10.0.0.1", "12 10.0.0.1"]
            );
            replace_chain(net.balancer.namespace(), &members(&[], false)).await?;
            let error = answers(&net.client, 1).await.expect_err("no member");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            replace_chain(net.balancer.namespace(), &members(&[11, 12, 13], false)).await?;
            let mut said = answers(&net.client, 3).await?;
            said.sort();
            assert_eq!(said, in_turn);
            Ok(())
        },
    );
}

/// A connection over the VIP to member 12, held open by both ends.
async fn talk_over_vip(net: &Balanced) -> io::Result<Conversation> {
    let only = |port| {
        let mut only = members(&[12], false);
        if let Action::Dnat { targets, .. } = &mut only.rules[0].action {
            targets[0].port = port;
        }
        only
    };
    // On a port of its own: the member answers and ends at once on the other one.
    replace_chain(net.balancer.namespace(), &only(Some(81))).await?;
    converse(&net.client, "10.0.0.100:80", &net.members[1], 81).await
}

#[test]
fn a_layer_4_vip_spreads_by_chance_over_all() {
    in_own_network(
        module_path!(),
        "a_layer_4_vip_spreads_by_chance_over_all",
        || async {
            let net = balanced(true).await?;
            // That one of three is missed in 60 has a chance of 3 · (2/3)^60, 10^-10.
            let mut said = answers(&net.client, 60).await?;
            said.sort();
            said.dedup();
            assert_eq!(said, ["11 10.0.0.1", "12 10.0.0.1", "13 10.0.0.1"]);
            Ok(())
        },
    );
}

#[test]
fn targets_may_differ_in_port_and_speak_ipv6() {
    in_own_network(
        module_path!(),
        "targets_may_differ_in_port_and_speak_ipv6",
        || async {
            let net = routed().await?;
            for port in [8001, 8002] {
                answer(&net.server, port, &port.to_string())?;
            }
            let targets = |address: &str| {
                let target = |port| Target {
                    address: address.parse().expect("an address"),
                    port: Some(port),
                };
                Action::Dnat {
                    targets: vec![target(8001), target(8002)],
                    random: false,
                }
            };
            let rules = vec![
                rule("v4", vec![to("10.9.9.9/32")], targets("10.0.2.2")),
                rule("v6", vec![to("fd99::9/128")], targets("fd02::2")),
            ];
            let rules = Ruleset {
                chains: vec![chain("prerouting", Some(Hook::Prerouting), rules)],
            };
            apply(net.router.namespace(), &rules).await?;
            for (vip, seen) in [("10.9.9.9:80", "10.0.1.2"), ("[fd99::9]:80", "fd01::2")] {
                let mut said = [ask(&net.client, vip).await?, ask(&net.client, vip).await?];
                said.sort();
                assert_eq!(said, [format!("8001 {seen}"), format!("8002 {seen}")]);
            }
            Ok(())
        },
    );
}

#[test]
fn new_rules_take_the_place_of_old_ones_while_connections_go_on() {
    in_own_network(
        module_path!(),
        "new_rules_take_the_place_of_old_ones_while_connections_go_on",
        || async {
            let net = routed().await?;
            let permit = |number| rule("permit", vec![Match::Tcp(port(number))], Action::Accept);
            let rest = || rule("rest", vec![], Action::Reject);
            apply(net.router.namespace(), &acl(vec![permit(81), rest()])).await?;
            let mut talk = converse(&net.client, "10.0.2.2:81", &net.server, 81).await?;
            apply(net.router.namespace(), &acl(vec![permit(80), rest()])).await?;
            talk.client.write_all(b"x").await?;
            assert_eq!(talk.server.read_u8().await?, b'x');
            assert_eq!(ask(&net.client, "10.0.2.2:80").await?, "server 10.0.1.2");
            let refused = ask(&net.client, "10.0.2.2:443").await.expect_err("refused");
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            // A ruleset that the kernel refuses changes nothing.
            let nowhere = rule("nowhere", vec![], Action::Jump("nowhere".into()));
            apply(net.router.namespace(), &acl(vec![nowhere]))
                .await
                .expect_err("no such chain");
            assert_eq!(ask(&net.client, "10.0.2.2:80").await?, "server 10.0.1.2");
            // No rules: all passes.
            apply(net.router.namespace(), &Ruleset::default()).await?;
            assert_eq!(ask(&net.client, "10.0.2.2:443").await?, "server 10.0.1.2");
            assert!(counters(net.router.namespace()).await?.is_empty());
            Ok(())
        },
    );
}

#[test]
fn the_deciding_rule_marks_the_connection() {
    in_own_network(
        module_path!(),
        "the_deciding_rule_marks_the_connection",
        || async {
            let net = routed().await?;
            let mut permit = rule("permit", vec![Match::Tcp(port(81))], Action::Accept);
            permit.mark = Some(7);
            apply(net.router.namespace(), &acl(vec![permit])).await?;
            let talk = converse(&net.client, "10.0.2.2:81", &net.server, 81).await?;
            let marks = net.router.namespace().within(marks)?;
            drop(talk);
            assert_eq!(marks, [7]);
            Ok(())
        },
    );
}

/// The marks of all tracked connections here: the attribute CTA_MARK of a dump by ctnetlink
/// (linux/netfilter/nfnetlink_conntrack.h).
fn marks() -> io::Result<Vec<u32>> {
    use nix::sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
    };
    use std::os::fd::AsRawFd;
    const CTA_MARK: u16 = 8;
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::empty(),
        SockProtocol::NetlinkNetFilter,
    )?;
    // Length 20, IPCTNL_MSG_CT_GET of NFNL_SUBSYS_CTNETLINK, NLM_F_REQUEST | NLM_F_DUMP.
    let mut request = Vec::new();
    request.extend(20u32.to_ne_bytes());
    request.extend(0x0101u16.to_ne_bytes());
    request.extend(0x0301u16.to_ne_bytes());
    request.extend([0; 12]);
    send(fd.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut buffer = vec![0; 1 << 16];
    let length = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|i| buffer[at + i]));
    let half = |at: usize| u16::from_ne_bytes([buffer[at], buffer[at + 1]]);
    let mut marks = Vec::new();
    let mut message = 0;
    while message + 20 < length {
        let end = message + word(message) as usize;
        let mut attribute = message + 20;
        while attribute < end {
            if half(attribute + 2) & 0x3fff == CTA_MARK {
                marks.push(word(attribute + 4).swap_bytes());
            }
            attribute += usize::from(half(attribute)).next_multiple_of(4);
        }
        message = end.next_multiple_of(4);
    }
    Ok(marks)
}

#[test]
fn an_acl_may_be_long() {
    in_own_network(module_path!(), "an_acl_may_be_long", || async {
        let node = Network::open(crate::kernel::netns::NetNs::new()?)?;
        let many = |number| {
            let sources = Match::Sources(vec![net("10.0.0.0/24"), net("10.0.2.0/24")]);
            rule(
                "P7",
                vec![sources, Match::Tcp(port(number))],
                Action::Accept,
            )
        };
        let rules = acl((1..=400).map(many).collect());
        apply(node.namespace(), &rules).await?;
        assert_eq!(counters(node.namespace()).await?.len(), 2);
        Ok(())
    });
}

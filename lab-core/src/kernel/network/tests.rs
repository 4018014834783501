//! Real namespaces, real sockets.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::testing::{
    answer, ask, connected, converse, in_own_network, is_stopped, link, new_fabric, new_node, route,
};

#[test]
fn two_nodes_on_a_bridge_talk() {
    in_own_network(module_path!(), "two_nodes_on_a_bridge_talk", || async {
        let fabric = new_fabric(&["lan"]).await?;
        let v4_and_v6 = ["10.0.0.1/24", "fd00::1/64"];
        let server = connected(&fabric, &[link("lan", &v4_and_v6)], &[]).await?;
        let client =
            connected(&fabric, &[link("lan", &["10.0.0.2/24", "fd00::2/64"])], &[]).await?;
        answer(&server, 80, "server")?;
        assert_eq!(ask(&client, "10.0.0.1:80").await?, "server 10.0.0.2");
        assert_eq!(ask(&client, "[fd00::1]:80").await?, "server fd00::2");
        // Its own loopback, too.
        assert_eq!(ask(&server, "127.0.0.1:80").await?, "server 127.0.0.1");
        Ok(())
    });
}

#[test]
fn a_new_link_carries_packets_at_once() {
    in_own_network(
        module_path!(),
        "a_new_link_carries_packets_at_once",
        || async {
            let fabric = new_fabric(&["lan"]).await?;
            // A first packet that is lost is sent again after a second.
            let limit = std::time::Duration::from_millis(500);
            for round in 0..30 {
                // What the round before leaves to be cleaned up keeps the kernel busy.
                let server = connected(&fabric, &[link("lan", &["10.0.0.1/24"])], &[]).await?;
                let client = connected(&fabric, &[link("lan", &["10.0.0.2/24"])], &[]).await?;
                answer(&server, 80, "server")?;
                let said = tokio::time::timeout(limit, ask(&client, "10.0.0.1:80")).await;
                assert_eq!(said??, "server 10.0.0.2", "round {round}");
                fabric.delete_link("lan-1").await?;
                fabric.delete_link("lan-2").await?;
            }
            Ok(())
        },
    );
}

#[test]
fn routes_lead_through_a_router_and_change_in_one_step() {
    in_own_network(
        module_path!(),
        "routes_lead_through_a_router_and_change_in_one_step",
        || async {
            let fabric = new_fabric(&["a", "b"]).await?;
            let legs = [
                link("a", &["10.0.1.1/24", "fd01::1/64"]),
                link("b", &["10.0.2.1/24", "fd02::1/64"]),
            ];
            let router = connected(&fabric, &legs, &[]).await?;
            let forward = [
                ("net/ipv4/ip_forward", "1"),
                ("net/ipv6/conf/all/forwarding", "1"),
            ];
            let forward = forward.map(|(path, value)| (path.to_owned(), value.to_owned()));
            crate::kernel::sysctl::write(router.namespace(), &forward.into())?;
            let to_b = [
                route("10.0.2.0/24", "10.0.1.1", "a"),
                route("fd02::/64", "fd01::1", "a"),
            ];
            let client =
                connected(&fabric, &[link("a", &["10.0.1.2/24", "fd01::2/64"])], &to_b).await?;
            let defaults = [
                route("0.0.0.0/0", "10.0.2.1", "b"),
                route("::/0", "fd02::1", "b"),
            ];
            let server = connected(
                &fabric,
                &[link("b", &["10.0.2.2/24", "fd02::2/64"])],
                &defaults,
            )
            .await?;
            answer(&server, 80, "server")?;
            assert_eq!(ask(&client, "10.0.2.2:80").await?, "server 10.0.1.2");
            assert_eq!(ask(&client, "[fd02::2]:80").await?, "server fd01::2");

            let astray = [route("10.0.2.0/24", "10.0.1.99", "a")];
            client.change_routes(&to_b[..1], &astray).await?;
            assert!(is_stopped(&client, "10.0.2.2:80").await);
            client.change_routes(&astray, &to_b[..1]).await?;
            assert_eq!(ask(&client, "10.0.2.2:80").await?, "server 10.0.1.2");
            client.change_routes(&to_b, &[]).await?;
            let gone = ask(&client, "10.0.2.2:80").await.expect_err("no route");
            assert_eq!(gone.kind(), io::ErrorKind::NetworkUnreachable);
            // What is gone is gone: no error.
            client.change_routes(&to_b, &[]).await
        },
    );
}

#[test]
fn a_link_loses_its_carrier_and_gets_it_back_with_addresses_and_routes() {
    in_own_network(
        module_path!(),
        "a_link_loses_its_carrier_and_gets_it_back_with_addresses_and_routes",
        || async {
            let fabric = new_fabric(&["lan"]).await?;
            let server =
                connected(&fabric, &[link("lan", &["10.0.0.1/24", "fd00::1/64"])], &[]).await?;
            answer(&server, 80, "server")?;
            let up = link("lan", &["10.0.0.2/24", "fd00::2/64"]);
            let mut down = up.clone();
            down.up = false;
            let routes = [
                route("0.0.0.0/0", "10.0.0.1", "lan"),
                route("::/0", "fd00::1", "lan"),
            ];
            // A node may begin with a cable pulled.
            let client = connected(&fabric, std::slice::from_ref(&down), &routes).await?;
            assert!(is_stopped(&client, "10.0.0.1:80").await);
            fabric.change_link(&client, &down, &up).await?;
            assert_eq!(ask(&client, "10.0.0.1:80").await?, "server 10.0.0.2");

            let mut talk = converse(&client, "10.0.0.1:81", &server, 81).await?;
            fabric.change_link(&client, &up, &down).await?;
            assert!(is_stopped(&client, "10.0.0.1:80").await);
            assert!(is_stopped(&client, "[fd00::1]:80").await);
            fabric.change_link(&client, &down, &up).await?;
            assert_eq!(ask(&client, "10.0.0.1:80").await?, "server 10.0.0.2");
            assert_eq!(ask(&client, "[fd00::1]:80").await?, "server fd00::2");
            talk.client.write_all(b"x").await?;
            assert_eq!(
                talk.server.read_u8().await?,
                b'x',
                "a connection outlives a pulled cable"
            );
            Ok(())
        },
    );
}

#[test]
fn addresses_change_while_a_connection_goes_on() {
    in_own_network(
        module_path!(),
        "addresses_change_while_a_connection_goes_on",
        || async {
            let fabric = new_fabric(&["lan"]).await?;
            let before = link("lan", &["10.0.0.1/24", "10.0.0.100/24"]);
            let server = connected(&fabric, std::slice::from_ref(&before), &[]).await?;
            let client = connected(&fabric, &[link("lan", &["10.0.0.2/24"])], &[]).await?;
            answer(&client, 80, "client")?;
            let mut talk = converse(&client, "10.0.0.100:81", &server, 81).await?;
            // The primary address goes, another one takes its place, a third stays.
            let mut after = before.clone();
            after.addresses = vec![
                "10.0.0.3/24".parse().map_err(io::Error::other)?,
                "10.0.0.100/24".parse().map_err(io::Error::other)?,
            ];
            fabric.change_link(&server, &before, &after).await?;
            answer(&server, 80, "server")?;
            assert_eq!(ask(&client, "10.0.0.3:80").await?, "server 10.0.0.2");
            assert_eq!(ask(&client, "10.0.0.100:80").await?, "server 10.0.0.2");
            assert_eq!(
                ask(&server, "10.0.0.2:80").await?,
                "client 10.0.0.3",
                "the first is the primary one"
            );
            talk.client.write_all(b"x").await?;
            assert_eq!(talk.server.read_u8().await?, b'x');
            assert!(
                ask(&client, "10.0.0.1:80").await.is_err()
                    || is_stopped(&client, "10.0.0.1:80").await
            );
            Ok(())
        },
    );
}

#[test]
fn mtu_and_hardware_address_change_in_place() {
    in_own_network(
        module_path!(),
        "mtu_and_hardware_address_change_in_place",
        || async {
            let fabric = new_fabric(&["lan"]).await?;
            let before = link("lan", &["10.0.0.1/24"]);
            let node = connected(&fabric, std::slice::from_ref(&before), &[]).await?;
            assert_eq!(
                node.link_of("lan").await?,
                (1500, "02:00:00:00:00:01".into())
            );
            let mut after = before.clone();
            after.mtu = 1400;
            after.mac = "02:00:00:00:00:ff".into();
            fabric.change_link(&node, &before, &after).await?;
            assert_eq!(
                node.link_of("lan").await?,
                (1400, "02:00:00:00:00:ff".into())
            );
            assert_eq!(fabric.link_of(&before.port).await?.0, 1400);
            fabric.set_mtu("lan", 1400).await?;
            assert_eq!(fabric.link_of("lan").await?.0, 1400);
            Ok(())
        },
    );
}

#[test]
fn a_rate_limit_holds_and_is_lifted() {
    in_own_network(
        module_path!(),
        "a_rate_limit_holds_and_is_lifted",
        || async {
            const BYTES: usize = 500_000;
            let fabric = new_fabric(&["lan"]).await?;
            let mut slow = link("lan", &["10.0.0.1/24"]);
            slow.rate = Some(8_000_000);
            let sender = connected(&fabric, std::slice::from_ref(&slow), &[]).await?;
            let receiver = connected(&fabric, &[link("lan", &["10.0.0.2/24"])], &[]).await?;
            let mut talk = converse(&sender, "10.0.0.2:80", &receiver, 80).await?;
            let mut buffer = vec![0; BYTES];
            let mut send = async || {
                let start = std::time::Instant::now();
                tokio::try_join!(
                    talk.client.write_all(&[0; BYTES]),
                    talk.server.read_exact(&mut buffer)
                )?;
                io::Result::Ok(start.elapsed())
            };
            // A megabyte a second: half a second less what passes in one go.
            let limited = send().await?;
            assert!(limited.as_millis() > 350, "{limited:?}");
            let mut fast = slow.clone();
            fast.rate = None;
            fabric.change_link(&sender, &slow, &fast).await?;
            let free = send().await?;
            assert!(free < limited / 2, "{free:?} {limited:?}");
            Ok(())
        },
    );
}

#[test]
fn what_cannot_be_made_is_refused_in_words_and_leaves_nothing() {
    in_own_network(
        module_path!(),
        "what_cannot_be_made_is_refused_in_words_and_leaves_nothing",
        || async {
            let fabric = new_fabric(&["lan"]).await?;
            let twice = fabric
                .add_bridge("lan", 1500)
                .await
                .expect_err("twice")
                .to_string();
            assert!(
                twice.contains("the bridge lan") && twice.contains("File exists"),
                "{twice}"
            );

            let node = new_node()?;
            let wire = link("lan", &["10.0.0.1/24"]);
            let links = [("lan".to_owned(), &wire)];
            let astray = [route("0.0.0.0/0", "192.0.2.1", "lan")];
            let error = fabric
                .connect_node(&node, &links, &astray)
                .await
                .expect_err("no next hop");
            let text = error.to_string();
            assert!(text.contains("0.0.0.0/0 by 192.0.2.1 on lan"), "{text}");
            assert!(
                text.contains("invalid gateway"),
                "the kernel's own words: {text}"
            );
            // Nothing is left: it goes on as if it were the first time.
            fabric.connect_node(&node, &links, &[]).await?;
            fabric.delete_link(&wire.port).await?;
            fabric.delete_link(&wire.port).await?;
            fabric.connect(&node, "lan", &wire).await?;
            fabric.delete_link("lan").await
        },
    );
}

#[test]
fn bridges_say_nothing_of_their_own() {
    in_own_network(
        module_path!(),
        "bridges_say_nothing_of_their_own",
        || async {
            let fabric = new_fabric(&["lan"]).await?;
            let _node = connected(&fabric, &[link("lan", &["10.0.0.1/24"])], &[]).await?;
            // Lists every interface that speaks IPv6; the loopback alone may.
            let text = fabric
                .namespace()
                .within(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6"))?;
            assert!(text.lines().all(|line| line.ends_with(" lo")), "{text}");
            Ok(())
        },
    );
}

#[test]
fn fifty_nodes_at_once() {
    in_own_network(module_path!(), "fifty_nodes_at_once", || async {
        const NODES: u8 = 50;
        let fabric = new_fabric(&["lan"]).await?;
        let nodes = (1..=NODES).map(|number| {
            let fabric = &fabric;
            async move {
                connected(
                    fabric,
                    &[link("lan", &[&format!("10.0.0.{number}/24")])],
                    &[],
                )
                .await
            }
        });
        let nodes = futures::future::try_join_all(nodes).await?;
        for (number, node) in (1..).zip(&nodes) {
            answer(node, 80, &format!("node{number}"))?;
        }
        for (number, node) in (1..).zip(&nodes) {
            let next = number % NODES + 1;
            let said = ask(node, &format!("10.0.0.{next}:80")).await?;
            assert_eq!(said, format!("node{next} 10.0.0.{number}"));
        }
        Ok(())
    });
}

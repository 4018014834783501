//! Segments that would fill the kernel's table of neighbours, which is one for the whole host.

use crate::support::Host;

/// Nodes that stand on the segment besides the router and `last`.
const MANY: usize = 140;

fn lab(more: &str) -> String {
    format!(
        "lab: large\nsegments:\n  s: {{ prefix: [10.0.0.0/16, fd00::/64] }}\n  o: {{ prefix: 10.9.0.0/24 }}\n\
         nodes:\n  hub: {{ router: true, on: {{ s: [10.0.0.1, 'fd00::1'], o: 10.9.0.1 }} }}\n\
         \x20 n: {{ count: {MANY}, on: s }}\n{more}"
    )
}

/// Lines of `ip neigh` in a node, without those that nobody talks to.
fn neighbours(host: &Host, node: &str, kind: &str) -> Vec<String> {
    let line = format!("ip neigh show nud {kind} | grep -v ^ff; true");
    let output = host.sh(node, &line).ok().stdout;
    output.lines().map(str::to_owned).collect()
}

/// The far side of the router refuses: packets went both ways.
#[track_caller]
fn reaches(host: &Host, node: &str) {
    let line = "nc -vz -w 2 10.9.0.1 9 2>&1 | grep refused";
    host.sh(node, line).ok();
}

#[test]
fn those_who_talk_to_their_router_are_permanent_neighbours() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", &lab(""));
    host.up(&file);
    let of_router = neighbours(&host, "hub", "permanent");
    assert!(of_router.len() >= MANY, "{of_router:?}");
    let of_node = neighbours(&host, "n7", "permanent");
    assert!(
        of_node.iter().any(|line| line.starts_with("10.0.0.1 ")),
        "{of_node:?}"
    );
    // What was said is right: packets pass, and nobody had to ask.
    reaches(&host, "n7");
    for node in ["n7", "hub"] {
        let asked = neighbours(&host, node, "reachable");
        assert!(asked.is_empty(), "{node}: {asked:?}");
    }
    // One more comes, one goes.
    let text = lab("  late: { on: { s: 10.0.200.1 } }\n").replace("140", "139");
    host.folder.write("lab.yaml", &text);
    host.lab(&["apply", "lab.yaml"]).ok();
    let of_router = neighbours(&host, "hub", "permanent");
    assert!(
        of_router.iter().any(|line| line.starts_with("10.0.200.1 ")),
        "{of_router:?}"
    );
    reaches(&host, "late");
}

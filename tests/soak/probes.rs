//! Packets that must be refused, and the counters of the rules that refuse them.

use serde_json::Value;

use crate::support::Host;

/// Datagrams of a round, each a single packet that nobody sends again.
const ROUND: u64 = 5;

/// From where to where, and the node and the rule that refuse it.
const PROBES: [(&str, &str, u16, &str, &str); 4] = [
    ("individual", "203.0.113.70", 4444, "gateway", "P12"),
    ("partner-pc", "203.0.113.80", 161, "gateway", "P12"),
    ("sp-fe1", "10.0.40.21", 4444, "core", "T-drop"),
    ("pc1", "10.0.40.31", 4444, "core", "T-drop"),
];

/// What was sent, and what was counted before.
pub struct Probes {
    before: Value,
    rounds: u64,
}

impl Probes {
    /// Reads the counters.
    pub fn start(host: &Host) -> Self {
        Self {
            before: host.status(),
            rounds: 0,
        }
    }

    /// Sends a round, and sees it counted.
    pub fn send(&mut self, host: &Host) {
        for (from, to, port, node, rule) in PROBES {
            let before = count(&host.status(), node, rule);
            let line = format!("for i in 1 2 3 4 5; do echo probe >/dev/udp/{to}/{port}; done");
            host.exec(from, &["bash", "-c", &line]).ok();
            let counted = count(&host.status(), node, rule) - before;
            assert!(
                counted >= ROUND,
                "{rule} of {node} counted {counted} of {ROUND} packets from {from} to {to}:{port}"
            );
        }
        self.rounds += 1;
    }

    fn sent(&self, node: &str, rule: &str) -> u64 {
        let by = PROBES
            .iter()
            .filter(|probe| (probe.3, probe.4) == (node, rule));
        by.count() as u64 * ROUND * self.rounds
    }

    fn counted(&self, host: &Host) -> Vec<(&'static str, &'static str, u64, u64)> {
        let after = host.status();
        [("gateway", "P12"), ("core", "T-drop")]
            .map(|(node, rule)| {
                let counted = count(&after, node, rule) - count(&self.before, node, rule);
                (node, rule, self.sent(node, rule), counted)
            })
            .to_vec()
    }

    pub fn report(&self, host: &Host) {
        for (node, rule, sent, counted) in self.counted(host) {
            println!("{sent:6} packets to be refused by {rule} of {node}, {counted} counted");
        }
    }

    /// All that was sent was counted, and nothing else was refused: no packet of the load or of the
    /// lab itself.
    pub fn all_were_counted(&self, host: &Host) {
        for (node, rule, sent, counted) in self.counted(host) {
            assert_eq!(counted, sent, "{rule} of {node}");
        }
        // Whatever drops has a counter, and nothing falls through to a verdict without one.
        for node in ["gateway", "core"] {
            let ruleset = host.exec(node, &["nft", "list", "ruleset"]).ok().stdout;
            for line in ruleset.lines().map(str::trim) {
                let drops = line
                    .split_whitespace()
                    .any(|word| word == "drop" || word == "reject");
                assert!(!drops || line.contains("counter packets"), "{node}: {line}");
                assert!(!line.contains("policy drop"), "{node}: {line}");
            }
        }
    }
}

fn count(status: &Value, node: &str, rule: &str) -> u64 {
    status["rules"][node][rule]["packets"]
        .as_u64()
        .unwrap_or_default()
}

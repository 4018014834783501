//! A lab that needs what this kernel lacks is refused with the name of it.

mod support;

use support::Host;

#[test]
fn a_wire_with_delay_needs_netem_and_says_so() {
    let host = Host::new();
    let doctor = host.lab(&["doctor", "--json"]).ok();
    let doctor: serde_json::Value = serde_json::from_str(&doctor.stdout).expect("JSON");
    let works = doctor["facilities"]
        .as_array()
        .expect("facilities")
        .iter()
        .find(|facility| facility["name"] == "netem")
        .expect("netem is tried")["works"]
        == true;
    let text = "lab: slow\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: { s: { address: .1, delay: 20ms } } }\n";
    let file = host.folder.write("lab.yaml", text);
    let up = host.lab(&["up", &file.to_string_lossy()]);
    if works {
        up.ok();
        host.sh("a", "tc qdisc show dev s").ok().says("delay 20ms");
    } else {
        up.fails_with(3).complains("netem").complains("lab doctor");
        host.lab(&["status"]).fails_with(2);
        // Already the check says so, at the line; a picture needs no kernel.
        host.lab(&["check", &file.to_string_lossy()])
            .fails_with(3)
            .complains("netem")
            .complains("lab.yaml:5:");
        host.lab(&["graph", &file.to_string_lossy(), "--format", "dot"])
            .ok();
    }
}

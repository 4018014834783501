//! The survey behind `lab doctor`, on this host and for whoever runs the test.

use std::fs::{read_dir, read_to_string};

use lab_core::kernel::facility::{Facility, State, survey};

/// What a trial could leave behind: mounts, interfaces, descriptors, children.
fn footprint() -> (String, usize, usize, bool) {
    (
        read_to_string("/proc/self/mountinfo").expect("mounts"),
        read_to_string("/proc/self/net/dev")
            .expect("interfaces")
            .lines()
            .count(),
        read_dir("/proc/self/fd").expect("descriptors").count(),
        nix::sys::wait::waitpid(None, None) == Err(nix::errno::Errno::ECHILD),
    )
}

fn main() {
    let before = footprint();
    let facilities = survey();
    assert_eq!(footprint(), before, "trials leave something behind");
    assert!(before.3);
    for Facility {
        name,
        needed_for,
        state,
    } in &facilities
    {
        println!("{name:17} {needed_for:45} {state:?}");
        if let State::Missing(reason) = state {
            assert!(
                reason.len() > 10,
                "{name} is missing without a reason: {reason}"
            );
        }
    }
    // All that every lab needs: a host that lacks one of these can't run the other tests either.
    for facility in facilities
        .iter()
        .filter(|facility| facility.needed_for.starts_with("every lab"))
    {
        assert_eq!(facility.state, State::Works, "{}", facility.name);
    }
}

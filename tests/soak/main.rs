//! The soak: contoso under mixed load while its members are killed and healed all the time. Nothing
//! grows, no request is lost that the balancing promises to keep, and what is refused is counted by
//! the rule that refused it.
//!
//! `TIERLAB_SOAK` says for how many seconds (20).

#[path = "../support/mod.rs"]
mod support;

mod load;
mod members;
mod probes;
mod usage;

use std::time::{Duration, Instant};

use load::Load;
use members::Killer;
use probes::Probes;
use support::{Host, scenario};
use usage::Watch;

#[test]
fn contoso_holds_under_load_while_members_are_killed_and_healed() {
    let seconds = std::env::var("TIERLAB_SOAK").ok();
    let seconds = seconds.map_or(20, |text| text.parse().expect("TIERLAB_SOAK is a number"));
    let length = Duration::from_secs(seconds);
    let host = Host::new();
    host.up(&scenario("contoso"));
    let load = Load::start(&host, length);
    let mut killer = Killer::default();
    let mut probes = Probes::start(&host);
    let watch = Watch::start(&host, "contoso");
    let start = Instant::now();
    while start.elapsed() < length {
        killer.strike(&host);
        probes.send(&host);
    }
    let usage = watch.end();
    let answers = load.end(&host);
    println!("{seconds} s, {} strikes:", killer.strikes());
    print!("{killer}");
    answers.report(killer.windows());
    probes.report(&host);
    usage.report();
    answers.nothing_was_lost(killer.windows());
    probes.all_were_counted(&host);
    usage.is_flat();
}

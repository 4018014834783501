//! The flagship lab, requirement by requirement, seen with stock clients from inside its nodes.
//! One contoso comes up for all tests that only look; those that break something have their own.

#[path = "../support/mod.rs"]
mod support;

mod balancing;
mod components;
mod dns;
mod engine;
mod names;
mod partners;
mod refused;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use support::{Host, scenario};

/// A test that looks at a contoso that others look at, too.
type Looks = (&'static str, fn(&Host));

fn main() {
    let mut arguments = Arguments::from_args();
    // One after the other: a second contoso that comes up takes all of a small machine, and health
    // checks of the first would be right to complain.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let looks: Vec<Looks> = [
        components::LOOKS,
        dns::LOOKS,
        names::LOOKS,
        balancing::LOOKS,
        refused::LOOKS,
        engine::LOOKS,
    ]
    .concat();
    let wanted = |name: &str| {
        let chosen = arguments.filter.as_ref().is_none_or(|filter| {
            if arguments.exact {
                name == filter
            } else {
                name.contains(filter.as_str())
            }
        });
        chosen
            && !arguments
                .skip
                .iter()
                .any(|skip| name.contains(skip.as_str()))
    };
    let host = Arc::new(Host::new());
    if !arguments.list && looks.iter().any(|(name, _)| wanted(name)) {
        host.up(&scenario("contoso"));
    }
    let shared = looks.into_iter().map(|(name, test)| {
        let host = Arc::clone(&host);
        Trial::test(name, move || {
            test(&host);
            Ok(())
        })
    });
    let own = balancing::BREAKS
        .iter()
        .chain(dns::BREAKS)
        .chain(engine::BREAKS)
        .chain(partners::BREAKS)
        .map(|(name, test)| {
            let test = *test;
            Trial::test(*name, move || {
                let host = Host::new();
                host.up(&scenario("contoso"));
                test(&host);
                Ok(())
            })
        });
    let conclusion = libtest_mimic::run(&arguments, shared.chain(own).collect());
    drop(host);
    conclusion.exit()
}

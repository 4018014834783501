//! What runs in a node does not reach the host, other nodes or other labs (X11).
//!
//! Each attempt is a row of `attempts.rs` and a test of its own. It is made as every kind of
//! process that a node has, and once where it must succeed, so that it can't fail for a reason of
//! its own. `docs/isolation.md` lists them; a test compares.

#[path = "../support/mod.rs"]
mod support;

mod attempts;
mod host;
mod kinds;
mod stock;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    if arguments.list {
        libtest_mimic::run(&arguments, trials(None)).exit();
    }
    let stage = Arc::new(host::Stage::new());
    let conclusion = libtest_mimic::run(&arguments, trials(Some(&stage)));
    drop(stage);
    conclusion.exit()
}

/// All tests; without a stage they are only listed.
fn trials(stage: Option<&Arc<host::Stage>>) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut add = |name: String, test: Box<dyn Fn(&host::Stage) + Send>| {
        let stage = stage.cloned();
        trials.push(Trial::test(name, move || {
            if let Some(stage) = stage {
                test(&stage);
            }
            Ok(())
        }));
    };
    for attempt in attempts::all() {
        let name = format!("x11_attempt: {}", attempt.name);
        add(name, Box::new(move |stage| attempt.make(stage)));
    }
    for (name, test) in kinds::TESTS.iter().chain(stock::TESTS) {
        let test = *test;
        add((*name).to_owned(), Box::new(test));
    }
    trials
}

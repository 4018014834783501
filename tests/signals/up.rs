//! `lab up`: while the lab comes up an interrupt ends it; a lab that is up lives on.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::processes::{all, below, reap};
use crate::support::terminal::Terminal;
use crate::support::{Host, binary, finish, links_and_mounts, scenario, until};
use crate::{
    INTERRUPTS, PAIR, alone, hold_lock, is_born, nothing_is_left_of, says_once, send, start,
};

#[test]
fn an_interrupted_up_says_so_and_leaves_nothing() {
    let _alone = alone();
    let before = links_and_mounts();
    for (signal, word, status) in INTERRUPTS {
        let host = Host::new();
        let up = start(&mut host.command(&["up", &scenario("contoso").to_string_lossy()]));
        until("the lab is being born", Duration::from_secs(20), || {
            is_born(&host, "contoso")
        });
        send(&up, signal);
        let outcome = finish("up", up).fails_with(status);
        says_once(&outcome, &format!("{word}; nothing is left of it"));
        nothing_is_left_of(&host, "contoso", &before);
        // And the next one works at once.
        let file = host.folder.write("lab.yaml", PAIR);
        host.up(&file);
    }
}

/// From its first millisecond to the last before it is up.
#[test]
fn at_whatever_moment_up_is_interrupted_nothing_is_left() {
    let _alone = alone();
    let before = links_and_mounts();
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    let file = file.to_string_lossy();
    let started = Instant::now();
    host.lab(&["up", &file]).ok();
    let whole = started.elapsed();
    host.lab(&["down"]).ok();
    let mut ends = [0, 0];
    for step in 0..40 {
        let up = start(&mut host.command(&["up", &file]));
        // The moment is what this is about.
        std::thread::sleep(whole * step / 40);
        send(&up, Signal::SIGINT);
        let outcome = finish("up", up);
        match outcome.status {
            0 => {
                host.lab(&["status"]).ok();
                host.lab(&["down"]).ok();
                ends[1] += 1;
            }
            130 => {
                nothing_is_left_of(&host, "pair", &before);
                host.lab(&["status"]).fails_with(2);
                ends[0] += 1;
            }
            _ => panic!("after {step}/40 of {whole:?}: {outcome}"),
        }
    }
    assert!(ends[0] >= 10, "hardly any was interrupted: {ends:?}");
}

#[test]
fn a_second_interrupt_ends_up_without_waiting() {
    let _alone = alone();
    let before = links_and_mounts();
    for gap in [0, 200, 1000, 5000] {
        let host = Host::new();
        let up = start(&mut host.command(&["up", &scenario("contoso").to_string_lossy()]));
        until("the lab is being born", Duration::from_secs(20), || {
            is_born(&host, "contoso")
        });
        send(&up, Signal::SIGINT);
        std::thread::sleep(Duration::from_micros(gap));
        send(&up, Signal::SIGINT);
        finish("up", up).fails_with(130);
        until("nothing is left", Duration::from_secs(30), || {
            reap();
            below().is_empty()
        });
        nothing_is_left_of(&host, "contoso", &before);
    }
}

#[test]
fn an_up_whose_lab_does_not_become_healthy_is_interrupted_at_once() {
    let _alone = alone();
    let before = links_and_mounts();
    let host = Host::new();
    let text = PAIR.to_owned()
        + "  never: { on: left, run: { name: never, argv: [sleep, '100000'], health: { tcp: 80 } } }\n";
    let file = host.folder.write("lab.yaml", &text);
    let up = start(&mut host.command(&["up", &file.to_string_lossy()]));
    until("all of it runs", Duration::from_secs(20), || {
        below().iter().filter(|one| one.name == "sleep").count() == 2
    });
    let asked = Instant::now();
    send(&up, Signal::SIGINT);
    let outcome = finish("up", up).fails_with(130);
    says_once(&outcome, "interrupted; nothing is left of it");
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "it went on waiting"
    );
    nothing_is_left_of(&host, "pair", &before);
}

#[test]
fn an_up_that_waits_for_a_dying_lab_is_interrupted_at_once() {
    let _alone = alone();
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    let held = hold_lock(&host, "");
    let up = start(&mut host.command(&["up", &file.to_string_lossy()]));
    until("up waits for the lock", Duration::from_secs(10), || {
        let links = std::fs::read_dir(format!("/proc/{}/fd", up.id())).expect("its descriptors");
        links
            .flatten()
            .any(|link| std::fs::read_link(link.path()).is_ok_and(|to| to.ends_with("pair.lock")))
    });
    let asked = Instant::now();
    send(&up, Signal::SIGINT);
    let outcome = finish("up", up).fails_with(130);
    says_once(&outcome, "interrupted; nothing is left of it");
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "it went on waiting"
    );
    drop(held);
    host.up(&file);
}

#[test]
fn up_ends_with_its_terminal_and_a_lab_that_is_up_does_not() {
    let _alone = alone();
    let before = links_and_mounts();
    let host = Host::new();
    let file = scenario("contoso");
    let command = host.command(&["up", &file.to_string_lossy()]);
    let (mut terminal, up) = Terminal::start(&command);
    until("the lab is being born", Duration::from_secs(20), || {
        is_born(&host, "contoso")
    });
    terminal.close();
    finish("up", up).fails_with(129);
    nothing_is_left_of(&host, "contoso", &before);
    let file = host.folder.write("lab.yaml", PAIR);
    let (mut terminal, up) = Terminal::start(&host.command(&["up", &file.to_string_lossy()]));
    finish("up", up).fails_with(0);
    terminal.close();
    host.exec("a", &["true"]).ok();
}

/// A login manager kills all of a session, whoever leads it.
#[test]
fn after_logout_nothing_is_left_of_an_up_and_a_lab_that_is_up_lives_on() {
    let _alone = alone();
    let before = links_and_mounts();
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGKILL] {
        let host = Host::new();
        let line = format!(
            "'{}' up '{}'; true",
            binary().display(),
            scenario("contoso").display()
        );
        let mut session = Command::new("sh");
        session.args(["-c", &line]).current_dir(&host.folder.0);
        session.envs(
            host.command(&[])
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let (mut terminal, leader) = Terminal::start(&session);
        until("the lab is being born", Duration::from_secs(20), || {
            is_born(&host, "contoso")
        });
        log_out(&leader, signal);
        terminal.close();
        finish("the session", leader);
        until("nothing is left", Duration::from_secs(30), || {
            reap();
            below().is_empty()
        });
        assert_eq!(links_and_mounts(), before);
    }
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    let line = format!(
        "'{}' up '{}'; echo is up; cat",
        binary().display(),
        file.display()
    );
    let mut session = Command::new("sh");
    session.args(["-c", &line]).current_dir(&host.folder.0);
    session.envs(
        host.command(&[])
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let (mut terminal, leader) = Terminal::start(&session);
    until("it is up", Duration::from_secs(20), || {
        terminal.shown().contains("is up\r\n")
    });
    log_out(&leader, Signal::SIGKILL);
    terminal.close();
    finish("the session", leader);
    host.exec("a", &["true"]).ok();
}

fn log_out(leader: &Child, signal: Signal) {
    let session = leader.id() as i32;
    for one in all().into_iter().filter(|one| one.session == session) {
        // It may have ended by itself, with those before it.
        let _ = kill(Pid::from_raw(one.pid), signal);
    }
}

/// What the host is blamed for must be the host's fault.
#[test]
fn an_up_whose_child_is_killed_says_so() {
    let _alone = alone();
    let before = links_and_mounts();
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    let (mut killed, mut survived) = (0, 0);
    for round in 0..60 {
        // The number in it is that of the round before.
        let _ = std::fs::remove_file(host.folder.0.join("run/tierlab/pair.lock"));
        let up = start(&mut host.command(&["up", &file.to_string_lossy()]));
        let launcher = up.id();
        let children = format!("/proc/{launcher}/task/{launcher}/children");
        let end = Instant::now() + Duration::from_secs(20);
        // Its first child that is not another program: the one that enters the namespaces. Whoever
        // comes later than that kills it a little later, too.
        let victim = loop {
            let text = std::fs::read_to_string(&children).unwrap_or_default();
            let child = text
                .split_whitespace()
                .next()
                .and_then(|pid| pid.parse().ok());
            if child.is_some() && is_listening(&host) {
                break child;
            }
            if is_born(&host, "pair") || Instant::now() > end {
                break None;
            }
        };
        if let Some(victim) = victim {
            std::thread::sleep(Duration::from_micros(round * 150));
            let _ = kill(Pid::from_raw(victim), Signal::SIGKILL);
        }
        let outcome = finish("up", up);
        match outcome.status {
            0 => {
                host.lab(&["down"]).ok();
                survived += 1;
            }
            3 => {
                assert!(
                    outcome.stderr.contains("was killed by SIGKILL"),
                    "{outcome}"
                );
                nothing_is_left_of(&host, "pair", &before);
                killed += 1;
            }
            _ => panic!("{outcome}"),
        }
    }
    assert!(killed > 0, "no child was caught; {survived} came up");
}

fn is_listening(host: &Host) -> bool {
    host.folder.0.join("run/tierlab/pair.sock").exists()
}

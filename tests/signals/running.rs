//! The verbs that work on a lab that is up.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::processes::{below, reap};
use crate::support::terminal::Terminal;
use crate::support::{Host, binary, finish, links_and_mounts, until};
use crate::{INTERRUPTS, PAIR, alone, hold_lock, pair, says_once, send, start};

#[test]
fn down_waits_for_the_number_of_a_lab_that_is_being_born() {
    let _alone = alone();
    let host = Host::new();
    let held = hold_lock(&host, "");
    let down = start(&mut host.command(&["down", "pair"]));
    until("down looks at the lock", Duration::from_secs(10), || {
        let sleeps = std::fs::read_to_string(format!("/proc/{}/wchan", down.id()));
        sleeps.is_ok_and(|at| at.contains("nanosleep")) || {
            // A kernel that does not tell where a process sleeps still tells that it does.
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", down.id()));
            stat.is_ok_and(|stat| stat.contains(") S "))
        }
    });
    let mut first = Command::new("sleep").arg("1000").spawn().expect("sleep");
    let path = host.folder.0.join("run/tierlab/pair.lock");
    std::fs::write(path, format!("{}\n", first.id())).expect("the lock");
    let status = std::thread::scope(|scope| {
        let ended = scope.spawn(|| first.wait().expect("wait"));
        finish("down", down).ok();
        ended.join().expect("it ends")
    });
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
    drop(held);
}

#[test]
fn an_interrupted_apply_says_what_becomes_of_the_change() {
    let _alone = alone();
    let host = pair();
    let changed = PAIR.to_owned()
        + "  slow: { on: left, run: { name: slow, argv: [sh, -c, 'sleep 1; exec nc -lk 80'], health: { tcp: 80 } } }\n";
    let other = host.folder.write("other.yaml", &changed);
    for (signal, word, status) in INTERRUPTS {
        let apply = start(&mut host.command(&["apply", &other.to_string_lossy()]));
        until("the change has begun", Duration::from_secs(10), || {
            host.lab(&["status", "--json"]).stdout.contains("\"slow\"")
        });
        send(&apply, signal);
        let outcome = finish("apply", apply).fails_with(status);
        says_once(
            &outcome,
            &format!(
                "{word}; the change is finished, or taken back, all the same: `lab status -l pair` tells"
            ),
        );
        until("the change is finished", Duration::from_secs(20), || {
            host.status()["nodes"]["slow"]["processes"]["slow"]["state"] == "healthy"
        });
        host.lab(&["apply", "lab.yaml"]).ok();
    }
}

#[test]
fn down_that_is_interrupted_has_ended_the_lab_or_not_touched_it() {
    let _alone = alone();
    let before = links_and_mounts();
    let host = pair();
    let mut ends = [0, 0, 0];
    for step in 0..30 {
        if host.lab(&["status"]).status != 0 {
            host.up(&host.folder.0.join("lab.yaml"));
        }
        let down = start(&mut host.command(&["down"]));
        std::thread::sleep(Duration::from_micros(1000 * step));
        send(&down, Signal::SIGINT);
        let outcome = finish("down", down);
        match outcome.status {
            0 => ends[2] += 1,
            130 if host.lab(&["status"]).status == 0 => {
                host.exec("a", &["true"]).ok();
                ends[0] += 1;
                continue;
            }
            130 => ends[1] += 1,
            _ => panic!("{outcome}"),
        }
        until("nothing is left", Duration::from_secs(30), || {
            reap();
            below().is_empty()
        });
        assert_eq!(links_and_mounts(), before);
    }
    assert!(ends[0] + ends[1] > 0, "no down was interrupted: {ends:?}");
}

/// None may be lost, and none may hit what stands between the caller and the program.
#[test]
fn a_signal_in_the_first_milliseconds_of_exec_reaches_its_program() {
    let _alone = alone();
    let host = pair();
    for step in 0..150 {
        let (signal, _, status) = INTERRUPTS[step % 3];
        let exec = start(&mut host.command(&["exec", "a", "--", "sleep", "1000"]));
        std::thread::sleep(Duration::from_micros(step as u64 * 150));
        send(&exec, signal);
        finish(&format!("{signal} to exec after {step} × 150 µs"), exec).fails_with(status);
    }
    until(
        "nothing is left in the node",
        Duration::from_secs(5),
        || host.sh("a", "pgrep -c -x sleep").stdout.trim() == "0",
    );
}

#[test]
fn a_program_decides_what_a_signal_means_to_it() {
    let _alone = alone();
    let host = pair();
    let line = "trap 'echo heard; exit 7' INT TERM HUP; echo ready; while :; do sleep 0.05; done";
    for (signal, ..) in INTERRUPTS {
        let mut exec = start(&mut host.command(&["exec", "a", "--", "sh", "-c", line]));
        let mut ready = [0; 6];
        use std::io::Read;
        let out = exec.stdout.as_mut().expect("piped");
        out.read_exact(&mut ready).expect("it is ready");
        send(&exec, signal);
        finish("exec", exec).fails_with(7).says("heard");
    }
}

#[test]
fn exec_and_shell_end_with_their_terminal() {
    let _alone = alone();
    let host = pair();
    let count = || host.sh("a", "pgrep -c -x sleep").stdout.trim().to_owned();
    let exec = host.command(&["exec", "a", "--", "sleep", "1000"]);
    let shell = host.command(&["shell", "a"]);
    for (command, keys) in [(exec, ""), (shell, "setsid sleep 1000 & sleep 1000\n")] {
        let (mut terminal, child) = Terminal::start(&command);
        let wanted = if keys.is_empty() { "1" } else { "2" };
        terminal.press(keys);
        until("it runs", Duration::from_secs(10), || count() == wanted);
        terminal.close();
        finish("the command", child).fails_with(129);
        until("all ended", Duration::from_secs(10), || count() == "0");
    }
}

#[test]
fn a_shell_without_a_terminal_ends_on_a_signal() {
    let _alone = alone();
    let host = pair();
    for (signal, _, status) in INTERRUPTS {
        let mut shell = host.command(&["shell", "a"]);
        let mut shell = start(shell.stdin(Stdio::piped()));
        use std::io::Write;
        let input = shell.stdin.as_mut().expect("piped");
        input.write_all(b"sleep 1000\n").expect("it reads");
        until("it runs", Duration::from_secs(10), || {
            host.sh("a", "pgrep -c -x sleep").stdout.trim() == "1"
        });
        send(&shell, signal);
        finish("shell", shell).fails_with(status);
        until("all ended", Duration::from_secs(10), || {
            host.sh("a", "pgrep -c -x sleep").stdout.trim() == "0"
        });
    }
}

#[test]
fn following_the_logs_ends_on_a_signal_and_with_its_terminal() {
    let _alone = alone();
    let host = pair();
    let follow = ["logs", "talker", "-f"];
    for (signal, _, status) in INTERRUPTS {
        let mut logs = start(&mut host.command(&follow));
        let mut byte = [0];
        use std::io::Read;
        let out = logs.stdout.as_mut().expect("piped");
        out.read_exact(&mut byte).expect("it shows what was logged");
        send(&logs, signal);
        let outcome = finish("logs", logs).fails_with(status);
        assert_eq!(outcome.stderr, "", "{outcome}");
    }
    let (mut terminal, logs) = Terminal::start(&host.command(&follow));
    until("it shows what was logged", Duration::from_secs(10), || {
        terminal.shown().contains("up")
    });
    terminal.close();
    finish("logs", logs).fails_with(129);
    // The same by ctrl-C at the terminal.
    let (terminal, logs) = Terminal::start(&host.command(&follow));
    until("it shows what was logged", Duration::from_secs(10), || {
        terminal.shown().contains("up")
    });
    terminal.press("\x03");
    finish("logs", logs).fails_with(130);
}

#[test]
fn a_lab_brought_up_in_the_background_runs_programs_that_can_be_interrupted() {
    let _alone = alone();
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    // A script's background jobs ignore SIGINT and SIGQUIT (POSIX, 2.12).
    let line = format!("'{}' up '{}' & wait $!", binary().display(), file.display());
    host.shell(&line).ok();
    let exec = start(&mut host.command(&["exec", "a", "--", "sleep", "1000"]));
    until("it runs", Duration::from_secs(10), || {
        host.sh("a", "pgrep -c -x sleep").stdout.trim() == "1"
    });
    send(&exec, Signal::SIGINT);
    finish("exec", exec).fails_with(130);
}

//! Signals, closed terminals and logout while a command is at work: it ends with the status that
//! shells know (128 + the signal's number; 130 for ctrl-C), and nothing is left of what it began.

mod support;

use std::fs::OpenOptions;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::processes::{adopt_orphans, all, below, reap};
use support::terminal::Terminal;
use support::{Host, Outcome, finish, links_and_mounts, scenario, until};

const PAIR: &str = "\
lab: pair
segments:
  left: { prefix: 10.1.0.0/24 }
  right: { prefix: 10.2.0.0/24 }
nodes:
  router: { router: true, on: { left: .1, right: .1 } }
  a: { on: { left: .10 } }
  talker: { on: { right: .10 }, run: [sh, -c, 'echo up; exec sleep 100000'] }
";

/// Each interrupt, what the command calls it, and the status it ends with.
const INTERRUPTS: [(Signal, &str, i32); 3] = [
    (Signal::SIGINT, "interrupted", 130),
    (Signal::SIGTERM, "terminated", 143),
    (Signal::SIGHUP, "hung up", 129),
];

/// The tests look at all that is below this process, so one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    adopt_orphans();
    let guard = ALONE.lock();
    guard.unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn pair() -> Host {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    host.up(&file);
    host
}

fn start(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test runs")
}

fn send(child: &Child, signal: Signal) {
    // It was not waited for, so the number is its own.
    kill(Pid::from_raw(child.id() as i32), signal).expect("kill");
}

#[track_caller]
fn nothing_is_left_of(host: &Host, lab: &str, before: &str) {
    reap();
    let left: Vec<_> = below().into_iter().map(|one| one.name).collect();
    assert!(left.is_empty(), "left: {left:?}");
    assert_eq!(links_and_mounts(), before);
    let run = host.folder.0.join("run/tierlab");
    assert!(
        !run.join(format!("{lab}.sock")).exists(),
        "the socket is left"
    );
}

/// Whether the lab's first process was written down.
fn is_born(host: &Host, lab: &str) -> bool {
    let lock = host.folder.0.join(format!("run/tierlab/{lab}.lock"));
    std::fs::read_to_string(lock).is_ok_and(|text| !text.is_empty())
}

#[track_caller]
fn says_once(outcome: &Outcome, line: &str) {
    let count = outcome.stderr.lines().filter(|said| *said == line).count();
    assert_eq!(count, 1, "`{line}`: {outcome}");
    assert_eq!(outcome.stderr.lines().last(), Some(line), "{outcome}");
    assert!(!outcome.stderr.contains("error"), "{outcome}");
}

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

/// Holds the lock of the lab `pair` with this text in it, as a lab of that name would.
fn hold_lock(host: &Host, text: &str) -> std::fs::File {
    let folder = host.folder.0.join("run/tierlab");
    std::fs::create_dir_all(&folder).expect("the folder can be written");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("ours");
    let path = folder.join("pair.lock");
    std::fs::write(&path, text).expect("the runtime folder can be written");
    let lock = OpenOptions::new().write(true).open(path).expect("the lock");
    lock.lock().expect("nobody else holds it");
    lock
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
            support::binary().display(),
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
        support::binary().display(),
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
            if child.is_some() && is_lock_there(&host) {
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

fn is_lock_there(host: &Host) -> bool {
    host.folder.0.join("run/tierlab/pair.sock").exists()
}

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
    let line = format!(
        "'{}' up '{}' & wait $!",
        support::binary().display(),
        file.display()
    );
    host.shell(&line).ok();
    let exec = start(&mut host.command(&["exec", "a", "--", "sleep", "1000"]));
    until("it runs", Duration::from_secs(10), || {
        host.sh("a", "pgrep -c -x sleep").stdout.trim() == "1"
    });
    send(&exec, Signal::SIGINT);
    finish("exec", exec).fails_with(130);
}

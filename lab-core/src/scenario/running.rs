//! A lab that is up, as the runner needs it.

use std::collections::BTreeMap;
use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::observe::Journey;
use crate::plan::Fault;
use crate::run::client::RunningLab;
use crate::run::control::{Exec, ExecControl, LogLine, Refusal, Status};
use crate::run::watch::Watch;

use super::client::LONGEST_TEXT;
use super::seen::{Kept, Ran};
use super::world::{Interrupt, Observer, Program, TICK, World};

/// Longest output of a program that is kept, in bytes. A built-in client's answers are JSON of up
/// to a thousand answers; what it was told to keep is bounded, too.
const LONGEST_OUTPUT: usize = 2 * LONGEST_TEXT;
/// How long a killed program may take to be gone.
const GRACE: Duration = Duration::from_secs(10);

impl World for RunningLab {
    fn run(&self, program: &Program, limit: Duration, stop: &Interrupt) -> Result<Ran, Refusal> {
        let (out, stdout) = std::io::pipe().map_err(no_descriptors)?;
        let (err, stderr) = std::io::pipe().map_err(no_descriptors)?;
        let nothing = std::fs::File::open("/dev/null").map_err(no_descriptors)?;
        let stdio: Vec<OwnedFd> = vec![nothing.into(), stdout.into(), stderr.into()];
        let longest = match program.own {
            true => usize::MAX,
            false => LONGEST_OUTPUT,
        };
        let (out, err) = (keep(out, longest), keep(err, LONGEST_OUTPUT));
        let (control, orders) = channel();
        let (sender, result) = channel();
        let lab = self.clone();
        let exec = Exec {
            node: program.node.clone(),
            argv: program.argv.clone(),
            env: BTreeMap::from([("LC_ALL".to_owned(), "C.UTF-8".to_owned())]),
            cwd: "/".into(),
            user: None,
            terminal: None,
            own: program.own,
        };
        std::thread::spawn(move || {
            // Nobody waits any more: nobody wants to know.
            let _ = sender.send(lab.exec(exec, stdio, orders));
        });
        let end = Instant::now() + limit;
        let mut timed_out = false;
        let status = loop {
            let left = end.saturating_duration_since(Instant::now());
            match result.recv_timeout(left.min(TICK)) {
                Ok(status) => break status?,
                Err(RecvTimeoutError::Timeout) if !left.is_zero() && !stop.is_set() => {}
                Err(RecvTimeoutError::Timeout) => {
                    timed_out = left.is_zero();
                    // The group's death ends the whole tree: its supervisor sees to that.
                    let _ = control.send(ExecControl::Signal(Signal::SIGKILL as i32));
                    break result
                        .recv_timeout(GRACE)
                        .map_err(|_| still_there(program))??;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(still_there(program)),
            }
        };
        Ok(Ran {
            status,
            stdout: out.finish(),
            stderr: err.finish(),
            timed_out,
        })
    }

    fn fault(&self, fault: &Fault) -> Result<(), Refusal> {
        RunningLab::fault(self, fault.clone())
    }

    fn heal(&self, fault: &Fault) -> Result<(), Refusal> {
        RunningLab::heal(self, Some(fault.clone()))
    }

    fn status(&self) -> Result<Status, Refusal> {
        RunningLab::status(self)
    }

    fn logs(&self, node: &str) -> Vec<LogLine> {
        let mut lines = Vec::new();
        // Logs are there for people to look at: without them the report is still good.
        let _ = RunningLab::logs(self, Some(node), false, &mut |line| lines.push(line));
        lines
    }
}

impl Observer for Watch {
    fn mark(&self) -> u64 {
        Watch::mark(self)
    }

    fn journey(&self, from: &str, since: u64, asked: &str) -> Journey {
        Watch::journey(self, from, since, asked)
    }
}

/// A thread that reads a pipe to its end and keeps its beginning.
struct Keeper {
    kept: Arc<Mutex<(Vec<u8>, bool)>>,
    thread: std::thread::JoinHandle<()>,
}

fn keep(mut pipe: PipeReader, longest: usize) -> Keeper {
    let kept = Arc::new(Mutex::new((Vec::new(), false)));
    let shared = Arc::clone(&kept);
    let thread = std::thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let room = longest.saturating_sub(kept.0.len()).min(count);
            kept.0.extend_from_slice(&buffer[..room]);
            kept.1 |= room < count;
        }
    });
    Keeper { kept, thread }
}

impl Keeper {
    /// What there is. The pipe ends with the last process that has it.
    fn finish(self) -> Kept {
        let end = Instant::now() + GRACE;
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Kept {
            text: String::from_utf8_lossy(&kept.0).into_owned(),
            cut: kept.1,
        }
    }
}

fn no_descriptors(error: std::io::Error) -> Refusal {
    Refusal {
        message: format!("can't open another descriptor: {error}"),
        help: Some("raise the limit of open files: `ulimit -n`".into()),
        code: 3,
    }
}

fn still_there(program: &Program) -> Refusal {
    let name = program.argv.first().map_or("", String::as_str);
    Refusal {
        message: format!("{name} on {} did not end when it was killed", program.node),
        help: None,
        code: 1,
    }
}

//! Labs for scenarios: the one that is up, one that comes up for the run, or one for each scenario.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use lab_core::coverage::Coverage;
use lab_core::run::client::{RunningLab, forget, running_labs};
use lab_core::run::control::{Refusal, Status};
use lab_core::run::watch::Watch;
use lab_core::scenario::{Interrupt, Labs, Scenario, Stage};

/// Longest name of a lab.
const LONGEST_NAME: usize = 32;

/// A lab that is there, and watched.
pub struct Found {
    /// The lab.
    lab: RunningLab,
    /// Or why this host does not let it be watched: scenarios that ask for no way can be done all the
    /// same.
    watch: Result<Watch, Refusal>,
    /// When we began to watch, in microseconds since the epoch, and how everything was.
    since: u64,
    before: Result<Status, Refusal>,
    /// It came up for us: it goes when this does.
    own: Option<Own>,
}

impl Found {
    /// One that is up for others, too.
    pub fn running(lab: RunningLab) -> Self {
        Self::watched(lab, None)
    }

    fn watched(lab: RunningLab, own: Option<Own>) -> Self {
        let watch = Watch::begin(&lab);
        Self {
            before: lab.status(),
            since: watch.as_ref().map_or(0, Watch::mark),
            lab,
            watch,
            own,
        }
    }

    /// Adds what was exercised since it was found.
    ///
    /// # Errors
    /// The lab is gone, or this host does not let it be watched.
    pub fn tell(&self, coverage: &mut Coverage) -> Result<(), Refusal> {
        let watch = self.watch.as_ref().map_err(Clone::clone)?;
        for journey in watch.journeys(self.since, u64::MAX) {
            coverage.saw(&journey);
        }
        for told in watch.deeds(self.since) {
            coverage.did(&told.node, &told.span.deed);
        }
        let before = self.before.as_ref().map_err(Clone::clone)?;
        coverage.counted(before, &self.lab.status()?);
        Ok(())
    }

    /// Why ways are not seen, where they are not.
    pub fn blind(&self) -> Option<&Refusal> {
        self.watch.as_ref().err()
    }

    /// Whether it came up for us.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }
}

/// A lab that came up for us. A `lab up --attached` below us holds it: should we die, its standard
/// input ends, and with it the lab.
struct Own {
    name: String,
    child: Child,
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        // What it stored is of no use to anybody; that it can't be removed is no failure of a scenario.
        let _ = forget(&self.name);
    }
}

/// The lab of that name if it is up, else a new one that `lab up` makes of `file`.
///
/// # Errors
/// It does not come up.
pub fn find_or_start(name: &str, file: &str, interrupt: &Interrupt) -> Result<Found, Refusal> {
    match running_labs()?.into_iter().find(|lab| lab.name == name) {
        Some(lab) => Ok(Found::running(lab)),
        None => start(name, file, &[], interrupt),
    }
}

/// A new lab, under a name of its own, so that it meets no other of that file; `more`: further
/// arguments of `lab up`.
///
/// # Errors
/// It does not come up.
pub fn start(
    name: &str,
    file: &str,
    more: &[&str],
    interrupt: &Interrupt,
) -> Result<Found, Refusal> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let tail = format!("-t{}-{number}", std::process::id());
    let head = &name[..name.len().min(LONGEST_NAME - tail.len())];
    let name = format!("{}{tail}", head.trim_end_matches('-'));
    let failed = |reason: &dyn std::fmt::Display| Refusal {
        message: format!("can't start a lab: {reason}"),
        help: None,
        code: 3,
    };
    // The file we were started from, even if another one lies at its path by now.
    let mut child = Command::new("/proc/self/exe")
        .args([
            "--color",
            "never",
            "up",
            file,
            "--attached",
            "--json",
            "--name",
            &name,
        ])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A ctrl-C is for us: the lab is still needed to mend what was broken.
        .process_group(0)
        .spawn()
        .map_err(|error| failed(&error))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut own = Own {
        name: name.clone(),
        child,
    };
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(err) = err {
            let _ = err.take(64 * 1024).read_to_string(&mut text);
        }
        text
    });
    if !is_up(out, &mut own, interrupt) {
        drop(own.child.stdin.take());
        let status = own.child.wait().map_err(|error| failed(&error))?;
        if interrupt.is_set() {
            return Err(failed(&"interrupted"));
        }
        let text = complaints.join().unwrap_or_default();
        return Err(Refusal {
            message: format!("the lab of {file} does not come up:\n{}", text.trim_end()),
            help: None,
            code: u8::try_from(status.code().unwrap_or(3)).unwrap_or(3),
        });
    }
    let lab = running_labs()?.into_iter().find(|lab| lab.name == name);
    match lab {
        Some(lab) => Ok(Found::watched(lab, Some(own))),
        None => Err(failed(&"it ended at once")),
    }
}

/// Waits for the first line of its result; false when it ended before, or we shall end.
fn is_up(out: Option<std::process::ChildStdout>, own: &mut Own, interrupt: &Interrupt) -> bool {
    let Some(out) = out else {
        return false;
    };
    let (sender, up) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(out);
        let mut line = String::new();
        let up = reader.read_line(&mut line).is_ok_and(|count| count > 0);
        let _ = sender.send(up);
        // All of it is read, or the writer would wait.
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    });
    loop {
        match up.recv_timeout(lab_core::scenario::TICK) {
            Ok(up) => return up,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) if !interrupt.is_set() => {}
            Err(_) => {
                let _ = own.child.kill();
                return false;
            }
        }
    }
}

/// One lab for all of them.
pub struct Shared<'a> {
    /// The lab.
    pub found: &'a Found,
    /// Nodes that a path may leave out.
    pub routers: &'a BTreeSet<String>,
    /// Whether to end.
    pub interrupt: &'a Interrupt,
}

impl Labs for Shared<'_> {
    fn enter(&self, _scenario: &Scenario, go: &mut dyn FnMut(&Stage<'_>)) -> Result<(), Refusal> {
        go(&stage(self.found, self.routers, self.interrupt));
        Ok(())
    }

    fn are_isolated(&self) -> bool {
        false
    }
}

/// A new lab for each.
pub struct Isolated<'a> {
    /// The name in the lab file.
    pub name: &'a str,
    /// What `lab up` is told.
    pub up: &'a str,
    /// Nodes that a path may leave out.
    pub routers: &'a BTreeSet<String>,
    /// Whether to end.
    pub interrupt: &'a Interrupt,
    /// Called with each lab when its scenario has ended.
    pub after: &'a (dyn Fn(&Scenario, &Found) + Sync),
}

impl Labs for Isolated<'_> {
    fn enter(&self, scenario: &Scenario, go: &mut dyn FnMut(&Stage<'_>)) -> Result<(), Refusal> {
        let found = start(self.name, self.up, &[], self.interrupt)?;
        go(&stage(&found, self.routers, self.interrupt));
        (self.after)(scenario, &found);
        Ok(())
    }

    fn are_isolated(&self) -> bool {
        true
    }
}

/// A lab as scenarios see it.
pub fn stage<'a>(
    found: &'a Found,
    routers: &BTreeSet<String>,
    interrupt: &'a Interrupt,
) -> Stage<'a> {
    Stage {
        world: &found.lab,
        observer: found.watch.as_ref().ok().map(|watch| watch as _),
        routers: routers.clone(),
        interrupt,
    }
}

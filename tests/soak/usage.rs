//! Memory and descriptors of the lab's processes over time.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::processes::all;
use crate::support::{Host, is_root};

/// Time between two samples.
const EVERY: Duration = Duration::from_millis(500);
/// Memory may be so much more at the end than at the start, in kB: allocators keep what they had.
const MORE_MEMORY: f64 = 1024.0;
/// And by this factor.
const TIMES_MEMORY: f64 = 1.2;
/// Descriptors that may be open besides those at the start: those of a node that was off then,
/// connections of the moment, and those that the keeper keeps for half a minute to each process whose
/// health it asks after. One that is left at each strike is more in two minutes.
const MORE_DESCRIPTORS: usize = 24;

/// What a process used at one time.
struct Sample {
    /// Proportional share of memory, in kB, where we may read it, else what is its own.
    memory: f64,
    descriptors: usize,
}

/// Samples of each process that lived from the first to the last: the keeper, the first process of
/// the lab, services, and for root the nodes' first processes (others may not look at them).
pub struct Usage {
    lab: i32,
    started: Instant,
    rounds: usize,
    samples: BTreeMap<(i32, String), Vec<Sample>>,
}

/// Looks all the time, whatever else goes on.
pub struct Watch {
    end: Sender<()>,
    thread: JoinHandle<Usage>,
}

impl Watch {
    pub fn start(host: &Host, lab: &str) -> Self {
        let mut usage = Usage::of_lab(host, lab);
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(EVERY) {
                usage.sample();
            }
            usage
        });
        Self { end, thread }
    }

    pub fn end(self) -> Usage {
        drop(self.end);
        self.thread.join().expect("the samples were taken")
    }
}

impl Usage {
    fn of_lab(host: &Host, lab: &str) -> Self {
        let lock = host.folder.0.join(format!("run/tierlab/{lab}.lock"));
        let text = std::fs::read_to_string(lock).expect("the lock");
        Self {
            lab: text.trim().parse().expect("its first process"),
            started: Instant::now(),
            rounds: 0,
            samples: BTreeMap::new(),
        }
    }

    fn sample(&mut self) {
        let first = self.rounds == 0;
        for (pid, name) in self.processes() {
            let Some(sample) = look(pid) else {
                // It ends just now.
                continue;
            };
            let key = (pid, name);
            if first || self.samples.contains_key(&key) {
                self.samples.entry(key).or_default().push(sample);
            }
        }
        self.rounds += 1;
        let rounds = self.rounds;
        self.samples.retain(|_, samples| samples.len() == rounds);
    }

    /// Processes of the lab, by what they are.
    fn processes(&self) -> Vec<(i32, String)> {
        let all = all();
        let mut found = vec![(self.lab, "first process".to_owned())];
        for one in all.iter().filter(|one| one.parent == self.lab) {
            if one.name == "lab-keeper" {
                found.push((one.pid, "keeper".into()));
                continue;
            }
            if is_root() {
                found.push((one.pid, format!("node {}", one.name)));
            }
            // Supervisors of the clients that we run come and go.
            let services = all
                .iter()
                .filter(|service| service.parent == one.pid && service.name != one.name);
            found.extend(
                services.map(|service| (service.pid, format!("{} of {}", service.name, one.name))),
            );
        }
        found
    }

    /// Mean memory, and fewest descriptors, of the second quarter and of the last one: the first is
    /// for warming up.
    fn trend(samples: &[Sample]) -> [(f64, usize); 2] {
        let quarter = samples.len() / 4;
        [
            &samples[quarter..2 * quarter],
            &samples[samples.len() - quarter..],
        ]
        .map(|part| {
            let memory = part.iter().map(|one| one.memory).sum::<f64>() / part.len() as f64;
            let fewest = part.iter().map(|one| one.descriptors).min();
            (memory, fewest.expect("a sample"))
        })
    }

    /// Prints the largest, and what grew most.
    pub fn report(&self) {
        println!(
            "{} samples of {} processes in {:.0} s: memory in kB, descriptors, warmed up → at the end",
            self.rounds,
            self.samples.len(),
            self.started.elapsed().as_secs_f64()
        );
        let mut rows: Vec<_> = self
            .samples
            .iter()
            .map(|((_, name), samples)| (name, Self::trend(samples)))
            .collect();
        rows.sort_by(|(_, a), (_, b)| (b[1].0 - b[0].0).total_cmp(&(a[1].0 - a[0].0)));
        let whole = |at: usize| rows.iter().map(|(_, trend)| trend[at].0).sum::<f64>();
        println!("  all together: {:.0} → {:.0} kB", whole(0), whole(1));
        let notable =
            |name: &str| name == "keeper" || name == "first process" || name.contains("balancer");
        for (place, (name, [before, after])) in rows.iter().enumerate() {
            if place < 3 || notable(name) {
                println!(
                    "  {name}: {:.0} → {:.0} kB, {} → {} descriptors",
                    before.0, after.0, before.1, after.1
                );
            }
        }
    }

    /// Fails where something grew.
    pub fn is_flat(&self) {
        assert!(
            self.rounds >= 8,
            "hardly a sample was taken: {}",
            self.rounds
        );
        for wanted in ["keeper", "first process", "balancer of lb", "dns of dc1"] {
            let has = self.samples.keys().any(|(_, name)| name == wanted);
            assert!(has, "{wanted} did not live throughout");
        }
        for ((_, name), samples) in &self.samples {
            let [before, after] = Self::trend(samples);
            assert!(
                after.0 <= before.0 * TIMES_MEMORY + MORE_MEMORY,
                "{name} grew from {:.0} to {:.0} kB",
                before.0,
                after.0
            );
            assert!(
                after.1 <= before.1 + MORE_DESCRIPTORS,
                "{name} had {} descriptors open and then {}",
                before.1,
                after.1
            );
        }
    }
}

fn look(pid: i32) -> Option<Sample> {
    let folder = format!("/proc/{pid}");
    let field = |text: &str, name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    let shares = std::fs::read_to_string(format!("{folder}/smaps_rollup")).ok();
    let memory = match shares.and_then(|text| field(&text, "Pss:")) {
        Some(share) => share,
        None => field(
            &std::fs::read_to_string(format!("{folder}/status")).ok()?,
            "RssAnon:",
        )?,
    };
    // A node's log is opened when there is something to write, and stays open.
    let is_log = |descriptor: &std::path::Path| {
        std::fs::read_link(descriptor)
            .is_ok_and(|to| to.extension().is_some_and(|kind| kind == "log"))
    };
    let descriptors = std::fs::read_dir(format!("{folder}/fd")).ok()?.flatten();
    let descriptors = descriptors.filter(|one| !is_log(&one.path())).count();
    Some(Sample {
        memory,
        descriptors,
    })
}

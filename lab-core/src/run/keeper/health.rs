//! Health: a process is healthy when another node has seen its own protocol work.

use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::Keeper;
use super::node::{Node, comes_back};
use super::supervisor::Process;
use crate::check::ProgramHealth;
use crate::plan::{Operation, ProbePlan, ProcessKind};
use crate::run::control::{ProcessState, Progress, Refusal};
use crate::run::stages::Stage;
use crate::service::{Connect, Kept, Probe};

/// How long one check may take.
const ANSWER: Duration = Duration::from_secs(2);
/// First and longest wait between the checks of a process that is starting.
const EAGER: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
/// Between the checks of a process that is healthy.
const STEADY: Duration = Duration::from_secs(5);
/// How long a change waits for health, and for each process on top of that: a thousand that start
/// together have to share the processors.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_millis(50));

/// Checks one process for as long as it runs.
pub(super) async fn watch(keeper: Rc<Keeper>, process: Rc<Process>, ready: Rc<Notify>) {
    ready.notified().await;
    let mut wait = EAGER.0;
    let mut since = Some(Instant::now());
    let kept = Kept::default();
    let mut asked_by = Weak::new();
    loop {
        let from = asking(&keeper, &process);
        let now = from.as_ref().map(Rc::downgrade).unwrap_or_default();
        if !Weak::ptr_eq(&asked_by, &now) {
            kept.forget();
        }
        asked_by = now;
        let death = from.as_ref().map(|node| node.death());
        let seen = match timeout(ANSWER, check(&keeper, &process, from, &kept)).await {
            Ok(seen) => seen,
            Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
        };
        match seen {
            Ok(()) => {
                process.turns(ProcessState::Healthy);
                if let Some(since) = since.take() {
                    keeper.stages.ended(Stage::Health, since);
                }
                wait = STEADY;
            }
            Err(trouble) => {
                process.has_trouble(&trouble);
                if process.state() == ProcessState::Healthy {
                    process.turns(ProcessState::Unhealthy);
                    keeper.logs.note(
                        &process.node,
                        &format!("{} is unhealthy: {trouble}", process.name),
                    );
                    wait = EAGER.0;
                }
                wait = (wait * 2).min(EAGER.1);
            }
        }
        // A service that says it is ready again, after a change, is asked at once.
        let again = timeout(wait, ready.notified());
        tokio::pin!(again);
        let changed = tokio::select! {
            woken = &mut again => woken.is_ok(),
            () = gone(death) => {
                // An open socket would keep the dead node's network alive.
                kept.forget();
                again.await.is_ok()
            }
        };
        if changed {
            kept.forget();
        }
    }
}

/// Waits until the node that asks is dead; for ever where there is none.
async fn gone(death: Option<watch::Receiver<bool>>) {
    match death {
        // An error means that nobody knows the node any more.
        Some(mut death) => drop(death.wait_for(|dead| *dead).await),
        None => std::future::pending().await,
    }
}

/// The node from which a process is asked, if it lives.
fn asking(keeper: &Keeper, process: &Process) -> Option<Rc<Node>> {
    let from = process.plan.borrow().probe.as_ref()?.from.clone();
    keeper.node(&from)
}

async fn check(
    keeper: &Keeper,
    process: &Process,
    asking: Option<Rc<Node>>,
    kept: &Kept,
) -> Result<(), String> {
    let plan = process.plan.borrow().clone();
    let Some(ProbePlan { from, to }) = plan.probe else {
        return Ok(());
    };
    let asking = asking.ok_or_else(|| format!("{from}, which asks, is switched off"))?;
    let namespace = asking
        .network
        .namespace()
        .try_clone()
        .map_err(|error| error.to_string())?;
    drop(asking);
    let connect: Arc<dyn Connect> = Arc::new(keeper.watchers.sockets_of(&from, namespace));
    match plan.kind {
        ProcessKind::Service {
            service, settings, ..
        } => {
            let service = keeper
                .catalogue
                .get(&service)
                .ok_or("it is no service of this program")?;
            let fqdn = keeper
                .current
                .borrow()
                .nodes
                .get(&process.node)
                .map(|node| node.fqdn.clone())
                .unwrap_or_default();
            let probe = Probe {
                address: to,
                fqdn,
                settings,
                trust: keeper.trust.clone(),
                connect,
                kept: kept.clone(),
            };
            service
                .probe(probe)
                .await
                .map_err(|error| error.to_string())
        }
        ProcessKind::Program { health: None, .. } => Ok(()),
        ProcessKind::Program {
            health: Some(ProgramHealth::Tcp(port)),
            ..
        } => {
            let to = SocketAddr::new(to, port);
            connect
                .tcp(to)
                .await
                .map(drop)
                .map_err(|error| format!("TCP {to}: {error}"))
        }
        ProcessKind::Program {
            health: Some(ProgramHealth::Http { port, path }),
            ..
        } => {
            let to = SocketAddr::new(to, port);
            let status = http_status(&*connect, to, &path)
                .await
                .map_err(|error| format!("http://{to}{path}: {error}"))?;
            if status < 400 {
                Ok(())
            } else {
                Err(format!("http://{to}{path} answers {status}"))
            }
        }
    }
}

/// The status that a `GET` gets (RFC 9112 §4).
async fn http_status(connect: &dyn Connect, to: SocketAddr, path: &str) -> std::io::Result<u16> {
    let mut stream = connect.tcp(to).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(1024).read_to_end(&mut answer).await?;
    std::str::from_utf8(answer.get(..12).unwrap_or_default())
        .ok()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|line| line.get(2..)?.parse().ok())
        .ok_or_else(|| std::io::Error::other("the answer is not HTTP"))
}

impl Keeper {
    /// Waits until all that the operations started is healthy.
    pub(super) async fn until_healthy(
        &self,
        operations: &[Operation],
        progress: &UnboundedSender<Progress>,
    ) -> Result<(), Refusal> {
        let started = operations.iter().flat_map(|operation| match operation {
            Operation::StartNode { plan } if plan.running => plan
                .processes
                .iter()
                .filter(|process| process.running)
                .map(|process| (plan.name.clone(), process.name.clone()))
                .collect(),
            Operation::StartProcess { node, process } => vec![(node.clone(), process.name.clone())],
            _ => Vec::new(),
        });
        let waits = started.map(|(node, name)| async move {
            self.until_one_healthy(&node, &name).await?;
            let _ = progress.send(Progress::Healthy {
                node,
                process: name,
            });
            Ok(())
        });
        let waits: Vec<_> = waits.collect();
        let processes = u32::try_from(waits.len()).unwrap_or(u32::MAX);
        let patience = PATIENCE.0 + PATIENCE.1.saturating_mul(processes);
        match timeout(patience, try_join_all(waits)).await {
            Ok(result) => result.map(drop),
            Err(_) => Err(self.still_unhealthy(patience)),
        }
    }

    /// Where to look. The lab may be down by then.
    fn last_words_of(&self, node: &str) -> String {
        format!("`lab logs -l {} {node}` shows what it said", self.lab)
    }

    /// Waits for one process, and for its node where that dies meanwhile and comes back.
    async fn until_one_healthy(&self, node: &str, name: &str) -> Result<(), Refusal> {
        let mut births = self.births.subscribe();
        loop {
            births.mark_unchanged();
            let process = self
                .node(node)
                .and_then(|known| known.processes.borrow().get(name).cloned());
            if let Some(process) = process {
                let outcome = process.until_healthy().await;
                if outcome.is_ok() || !process.is_abandoned() {
                    return outcome.map_err(|refusal| Refusal {
                        help: Some(self.last_words_of(node)),
                        ..refusal
                    });
                }
            }
            let returns = self
                .current
                .borrow()
                .nodes
                .get(node)
                .is_some_and(|plan| plan.running && comes_back(plan));
            if !returns || births.changed().await.is_err() {
                return Err(Refusal {
                    message: format!("{node} died while it was started"),
                    help: Some(self.last_words_of(node)),
                    code: 1,
                });
            }
        }
    }

    fn still_unhealthy(&self, patience: Duration) -> Refusal {
        let nodes = self.nodes.borrow();
        let mut sick: Vec<(String, String)> = Vec::new();
        for node in nodes.values() {
            for process in node.processes.borrow().values() {
                if process.state() != ProcessState::Healthy {
                    let trouble = process
                        .trouble()
                        .unwrap_or_else(|| "it did not say it is ready".into());
                    sick.push((
                        node.plan.name.clone(),
                        format!("{} of {}: {trouble}", process.name, node.plan.name),
                    ));
                }
            }
        }
        let first = sick
            .first()
            .map_or_else(String::new, |(node, _)| node.clone());
        let list: Vec<String> = sick
            .iter()
            .take(8)
            .map(|(_, text)| format!("\n  {text}"))
            .collect();
        let more = sick.len().saturating_sub(8);
        let more = if more > 0 {
            format!("\n  and {more} more")
        } else {
            String::new()
        };
        Refusal {
            message: format!(
                "not healthy after {} s:{}{more}",
                patience.as_secs(),
                list.concat()
            ),
            help: Some(self.last_words_of(&first)),
            code: 1,
        }
    }
}

//! The keeper: builds the lab, watches over it, changes it on request.
//!
//! One thread, tokio's current-thread runtime, and a second one that does nothing but write logs. It lives in the fabric's network namespace, where
//! all bridges stand, and holds the network namespace of every node. It never runs a service or a
//! program itself: nodes do, on its word.

mod attempts;
mod change;
mod connection;
mod execute;
mod health;
mod log_writer;
mod logs;
mod node;
mod sockets;
mod status;
mod supervisor;
mod watch;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustls_pki_types::CertificateDer;
use tokio::sync::Mutex;

use super::control::{Progress, Refusal};
use super::limits::NodeGroups;
use super::messages::{FromLauncher, FromZygote, ToLauncher, ToZygote};
use super::pki::Authority;
use super::stages::{Stage, Stages};
use super::zygote::Birth;
use crate::kernel::channel::{AsyncChannel, Channel};
use crate::kernel::netns::NetNs;
use crate::kernel::network::Network;
use crate::kernel::process;
use crate::plan::{Fault, NodePlan, Plan};
use crate::service::Catalogue;

use logs::Logs;
use node::Node;

/// Everything the keeper knows. Shared by its tasks; no borrow is held over an await.
pub(super) struct Keeper {
    lab: String,
    catalogue: Catalogue,
    other_users: bool,
    groups: NodeGroups,
    authority: Authority,
    /// Roots of the authority, for health checks.
    trust: Vec<CertificateDer<'static>>,
    /// Held open: the state folder is reached through it.
    _state: OwnedFd,
    fabric: Network,
    zygote: Mutex<AsyncChannel>,
    logs: Rc<Logs>,
    stages: Stages,
    /// Milliseconds since the epoch.
    since: u64,
    /// What the lab file says.
    base: RefCell<Plan>,
    /// What is broken on purpose.
    faults: RefCell<BTreeSet<Fault>>,
    /// What is in force: the base with the faults.
    current: RefCell<Plan>,
    nodes: RefCell<BTreeMap<String, Rc<Node>>>,
    /// How often each node was started again.
    restarts: RefCell<BTreeMap<String, u32>>,
    /// Members that services chose for layer-4 VIPs, by node and VIP.
    members: RefCell<BTreeMap<(String, String), Vec<IpAddr>>>,
    /// What services say of their pools.
    pools: RefCell<BTreeMap<String, BTreeMap<String, String>>>,
    /// Nobody but the launcher is served yet.
    coming_up: Cell<bool>,
    /// One change at a time.
    changing: Mutex<()>,
    /// Nodes are started, changed and ended one after the other: a change while it is carried out
    /// (not while it waits for health), or a node that died and comes back.
    wiring: Mutex<()>,
    /// Who watches what happens.
    watchers: watch::Watchers,
    /// Counts nodes that came to life.
    births: tokio::sync::watch::Sender<u64>,
    /// Numbers for what nodes are asked to start.
    next: Cell<u64>,
}

/// Lives as the keeper.
pub(super) fn run(birth: Birth, zygote: Channel) -> ! {
    process::set_title("lab-keeper");
    // Three descriptors a node and three a process. Nothing that runs in nodes inherits this.
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!("the limit of open files stays as it is: {error}");
    }
    let launcher = birth.launcher;
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map(|runtime| {
            let _ = tracing_subscriber::fmt()
                .with_writer(io::stderr)
                .with_ansi(false)
                .try_init();
            let parts = Parts {
                plan: birth.plan,
                catalogue: birth.catalogue,
                other_users: birth.other_users,
                cgroup: birth.cgroup,
                listener: birth.listener,
                state: birth.state,
            };
            tokio::task::LocalSet::new().block_on(&runtime, live(parts, launcher, zygote))
        });
    if let Err(error) = result.and_then(|lived| lived) {
        tracing::error!("the keeper ends: {error}");
    }
    process::exit_now(0)
}

struct Parts {
    plan: Plan,
    catalogue: Catalogue,
    other_users: bool,
    cgroup: Option<OwnedFd>,
    listener: std::os::unix::net::UnixListener,
    state: OwnedFd,
}

async fn live(parts: Parts, launcher: Channel, zygote: Channel) -> io::Result<()> {
    let launcher = Rc::new(AsyncChannel::new(launcher)?);
    let wanted = parts.plan.clone();
    // The first process ends the lab when the keeper's end closes: not before the launcher was told.
    let mut zygote = Some(zygote);
    let keeper = match Keeper::new(
        parts.catalogue,
        parts.other_users,
        parts.cgroup,
        parts.state,
        &wanted,
        &mut zygote,
    ) {
        Ok(keeper) => Rc::new(keeper),
        Err(error) => {
            let refusal = Refusal {
                message: format!("can't start the keeper: {error}"),
                help: None,
                code: 3,
            };
            return launcher.send(&ToLauncher::Failed(refusal), &[]).await;
        }
    };
    parts.listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(parts.listener)?;
    let serving = connection::serve(Rc::clone(&keeper), listener);
    tokio::pin!(serving);
    let up = keeper.come_up(wanted, &launcher);
    tokio::select! {
        result = up => if let Err(refusal) = result {
            tracing::error!("{refusal}");
            let _ = launcher.send(&ToLauncher::Failed(refusal), &[]).await;
            // The launcher closes its end when it has read this.
            let _ = launcher.receive::<FromLauncher>().await;
            return Ok(());
        },
        // The launcher died or was interrupted: so does the lab.
        _ = launcher.receive::<FromLauncher>() => return Ok(()),
        ended = &mut serving => return ended,
    }
    // Before the launcher knows: its first question must find the lab up.
    keeper.coming_up.set(false);
    launcher.send(&ToLauncher::Up, &[]).await?;
    match launcher.receive::<FromLauncher>().await {
        Ok(Some((FromLauncher::Goodbye, _))) => {}
        Ok(Some((FromLauncher::Stay, _))) => {
            return tokio::select! {
                _ = launcher.receive::<FromLauncher>() => Ok(()),
                ended = &mut serving => ended,
            };
        }
        _ => return Ok(()),
    }
    drop(launcher);
    serving.await
}

impl Keeper {
    fn new(
        catalogue: Catalogue,
        other_users: bool,
        cgroup: Option<OwnedFd>,
        state: OwnedFd,
        plan: &Plan,
        zygote: &mut Option<Channel>,
    ) -> io::Result<Self> {
        let folder = PathBuf::from(format!("/proc/self/fd/{}", state.as_raw_fd()));
        let authority = Authority::open(&folder, &plan.lab, plan.published.as_deref())?;
        let fabric = Network::open(NetNs::current()?)?;
        let trust = authority.trust()?;
        let logs = Rc::new(Logs::new(folder.join("logs"))?);
        let Some(zygote) = zygote.take() else {
            return Err(io::Error::other("there is no zygote"));
        };
        Ok(Self {
            lab: plan.lab.clone(),
            groups: NodeGroups::new(&plan.lab, cgroup),
            catalogue,
            other_users,
            trust,
            authority,
            fabric,
            zygote: Mutex::new(AsyncChannel::new(zygote)?),
            logs,
            stages: Stages::default(),
            _state: state,
            since: now(),
            base: RefCell::default(),
            faults: RefCell::default(),
            current: RefCell::default(),
            nodes: RefCell::default(),
            restarts: RefCell::default(),
            members: RefCell::default(),
            pools: RefCell::default(),
            coming_up: Cell::new(true),
            changing: Mutex::new(()),
            wiring: Mutex::new(()),
            watchers: watch::Watchers::default(),
            births: tokio::sync::watch::Sender::new(0),
            next: Cell::new(1),
        })
    }

    /// From nothing to everything healthy.
    async fn come_up(
        self: &Rc<Self>,
        plan: Plan,
        launcher: &Rc<AsyncChannel>,
    ) -> Result<(), Refusal> {
        let (sender, mut steps) = tokio::sync::mpsc::unbounded_channel::<Progress>();
        let outward = Rc::clone(launcher);
        let pump = tokio::task::spawn_local(async move {
            while let Some(step) = steps.recv().await {
                if outward
                    .send(&ToLauncher::Progress(step), &[])
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        let result = self.change_to(plan, sender).await;
        // The last steps go out before what comes after them.
        let _ = pump.await;
        result
    }

    /// Asks the zygote for a node; gives its network namespace.
    async fn give_birth(&self, plan: &NodePlan, control: &Channel) -> Result<OwnedFd, Refusal> {
        use std::os::fd::AsFd;
        let name = &plan.name;
        let refuse = |error: &dyn std::fmt::Display| Refusal {
            message: format!("can't start the node {name}: {error}"),
            help: Some(
                "look at the host's limits: `ulimit -a`, user.max_net_namespaces, memory".into(),
            ),
            code: 3,
        };
        let zygote = self.zygote.lock().await;
        let _lap = self.stages.lap(Stage::Namespaces);
        let request = ToZygote::Node {
            name: name.clone(),
            store: plan.store,
        };
        zygote
            .send(&request, &[control.as_fd()])
            .await
            .map_err(|error| refuse(&error))?;
        match zygote.receive::<FromZygote>().await {
            Ok(Some((FromZygote::Node, descriptors))) => descriptors
                .into_iter()
                .next()
                .ok_or_else(|| refuse(&"its network was lost")),
            Ok(Some((FromZygote::Failed(error), _))) => Err(refuse(&error)),
            Ok(None) => Err(refuse(&"the lab's first process is gone")),
            Err(error) => Err(refuse(&error)),
        }
    }

    /// Lets go of what a node stored that left the lab.
    async fn forget_store(&self, name: &str) {
        let request = ToZygote::Forget {
            name: name.to_owned(),
        };
        if let Err(error) = self.zygote.lock().await.send(&request, &[]).await {
            tracing::error!("the store of {name} stays: {error}");
        }
    }

    fn next_id(&self) -> u64 {
        let id = self.next.get();
        self.next.set(id + 1);
        id
    }

    fn node(&self, name: &str) -> Option<Rc<Node>> {
        self.nodes.borrow().get(name).cloned()
    }

    /// The node of that name, or why there is none.
    fn find_node(&self, name: &str) -> Result<Rc<Node>, Refusal> {
        if let Some(node) = self.node(name) {
            return Ok(node);
        }
        let plan = self.current.borrow();
        if plan.nodes.contains_key(name) {
            return Err(Refusal {
                message: format!("the node {name} is switched off"),
                help: Some("`lab heal` brings back what `lab fault` broke; a node that died is started again by itself".into()),
                code: 1,
            });
        }
        let nearest = plan
            .nodes
            .keys()
            .map(|known| (strsim::damerau_levenshtein(known, name), known))
            .min()
            .filter(|(distance, _)| *distance <= 3);
        Err(Refusal {
            message: format!("there is no node `{name}` in {}", self.lab),
            help: Some(match nearest {
                Some((_, known)) => format!("did you mean `{known}`?"),
                None => "`lab status` lists the nodes".into(),
            }),
            code: 2,
        })
    }
}

/// Milliseconds since the epoch.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}

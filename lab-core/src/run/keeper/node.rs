//! A node as the keeper knows it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::Keeper;
use super::supervisor::{Command, Process};
use crate::check::Restart;
use crate::kernel::channel::{AsyncChannel, Channel};
use crate::kernel::netns::NetNs;
use crate::kernel::network::Network;
use crate::plan::{NodePlan, ProcessKind, ProcessPlan};
use crate::run::control::Refusal;
use crate::run::messages::{FromNode, Slice, ToNode};
use crate::run::stages::Stage;

/// First and longest wait before a node that died is started again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What happened to something that a node was asked to start.
#[derive(Debug)]
pub(super) enum Event {
    /// It runs.
    Started,
    /// It was done.
    Done,
    /// It got a terminal.
    Terminal(OwnedFd),
    /// It ended.
    Exited(i32),
    /// It was not started.
    Refused(Refusal),
}

/// Whether a node that dies is started again: not where all of it has `restart: never`.
pub(super) fn comes_back(plan: &NodePlan) -> bool {
    let never = |process: &ProcessPlan| process.restart == Restart::Never;
    plan.processes.is_empty() || !plan.processes.iter().all(never)
}

/// A node that lives.
pub(super) struct Node {
    /// As it was started.
    pub plan: NodePlan,
    /// Its network.
    pub network: Network,
    /// Rules were written to it.
    pub has_rules: Cell<bool>,
    /// Its packets are marked for those who watch.
    pub watched: Cell<bool>,
    channel: AsyncChannel,
    prepared: RefCell<Option<oneshot::Receiver<Result<(), String>>>>,
    waiting: RefCell<HashMap<u64, mpsc::UnboundedSender<Event>>>,
    /// Its processes by name.
    pub processes: RefCell<BTreeMap<String, Rc<Process>>>,
    /// Becomes true when its first process is dead.
    dead: watch::Sender<bool>,
    /// It was told to end.
    ended: Cell<bool>,
}

impl Node {
    /// Has the node forked and hands it its slice.
    pub async fn be_born(keeper: &Keeper, plan: &NodePlan) -> Result<Rc<Self>, Refusal> {
        let refuse = |error: std::io::Error| Refusal {
            message: format!("can't start the node {}: {error}", plan.name),
            help: Some(
                "look at the host's limits: `ulimit -n`, memory, space in the state folder".into(),
            ),
            code: 3,
        };
        let mut credentials = BTreeMap::new();
        for certificate in &plan.certificates {
            let _lap = keeper.stages.lap(Stage::Certificates);
            let credential = keeper.authority.issue(&plan.name, certificate);
            credentials.insert(certificate.id.clone(), credential.map_err(refuse)?);
        }
        for certificate in &plan.user_certificates {
            let credential = keeper.authority.issue_to_user(&plan.name, certificate);
            credentials.insert(certificate.id.clone(), credential.map_err(refuse)?);
        }
        let (ours, theirs) = Channel::pair().map_err(refuse)?;
        let network = keeper.give_birth(plan, &theirs).await?;
        drop(theirs);
        let channel = AsyncChannel::new(ours).map_err(refuse)?;
        let slice = Slice {
            lab: keeper.lab.clone(),
            plan: plan.clone(),
            credentials,
            authority: (plan.authority).then(|| keeper.authority.to_speak_for()),
            secrets: (plan.secrets.iter())
                .map(|name| (name.clone(), keeper.authority.secret(name)))
                .collect(),
            trust: keeper.authority.root.clone(),
            trust_hash: keeper.authority.root_hash.clone(),
            other_users: keeper.other_users,
        };
        let door = keeper
            .groups
            .door(&plan.name, &plan.limits)
            .map_err(refuse)?;
        let doors: Vec<BorrowedFd<'_>> = door.iter().map(AsFd::as_fd).collect();
        channel
            .send(&ToNode::Slice(Box::new(slice)), &doors)
            .await
            .map_err(refuse)?;
        let network = Network::open(NetNs::from_fd(network)).map_err(refuse)?;
        let (sender, receiver) = oneshot::channel();
        let node = Rc::new(Self {
            plan: plan.clone(),
            network,
            has_rules: Cell::new(false),
            watched: Cell::new(false),
            channel,
            prepared: RefCell::new(Some(receiver)),
            waiting: RefCell::default(),
            processes: RefCell::default(),
            dead: watch::Sender::new(false),
            ended: Cell::new(false),
        });
        let reader = Rc::clone(&node);
        tokio::task::spawn_local(async move {
            reader.read(sender).await;
            reader.dead.send_replace(true);
        });
        Ok(node)
    }

    /// Waits until its root folder is in place.
    pub async fn until_prepared(&self) -> Result<(), Refusal> {
        let receiver = self.prepared.borrow_mut().take();
        let outcome = match receiver {
            Some(receiver) => receiver.await.unwrap_or_else(|_| Err("it died".into())),
            None => Ok(()),
        };
        outcome.map_err(|error| Refusal {
            message: format!("can't prepare the node {}: {error}", self.plan.name),
            help: Some("`lab doctor` tries what a lab needs of this host".into()),
            code: 3,
        })
    }

    /// Whether its first process is dead, or is so before the time is over.
    pub async fn dies_within(&self, limit: Duration) -> bool {
        let died = tokio::time::timeout(limit, self.until_dead()).await;
        died.is_ok()
    }

    /// Becomes true when its first process is dead.
    pub fn death(&self) -> watch::Receiver<bool> {
        self.dead.subscribe()
    }

    /// Waits until its first process is dead.
    pub async fn until_dead(&self) {
        let _ = self.dead.subscribe().wait_for(|dead| *dead).await;
    }

    /// Reads what the node says until it is dead.
    async fn read(&self, prepared: oneshot::Sender<Result<(), String>>) {
        let mut prepared = Some(prepared);
        loop {
            let (message, descriptors) = match self.channel.receive::<FromNode>().await {
                Ok(Some(received)) => received,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!("{} is not understood: {error}", self.plan.name);
                    break;
                }
            };
            match message {
                FromNode::Prepared => {
                    if let Some(prepared) = prepared.take() {
                        let _ = prepared.send(Ok(()));
                    }
                }
                FromNode::Failed(error) => match prepared.take() {
                    Some(prepared) => drop(prepared.send(Err(error))),
                    None => tracing::error!("{}: {error}", self.plan.name),
                },
                FromNode::Started { id } => self.tell(id, Event::Started),
                FromNode::Terminal { id } => {
                    if let Some(master) = descriptors.into_iter().next() {
                        self.tell(id, Event::Terminal(master));
                    }
                }
                FromNode::Done { id } => {
                    self.tell(id, Event::Done);
                    self.waiting.borrow_mut().remove(&id);
                }
                FromNode::Exited { id, status } => {
                    self.tell(id, Event::Exited(status));
                    self.waiting.borrow_mut().remove(&id);
                }
                FromNode::Refused { id, refusal } => {
                    self.tell(id, Event::Refused(refusal));
                    self.waiting.borrow_mut().remove(&id);
                }
            }
        }
        // Whoever waits for something of it sees the end of its events.
        self.waiting.borrow_mut().clear();
    }

    fn tell(&self, id: u64, event: Event) {
        if let Some(waiting) = self.waiting.borrow().get(&id) {
            let _ = waiting.send(event);
        }
    }

    /// Starts it again, by its rule, when it dies by itself.
    pub fn watch(self: &Rc<Self>, keeper: &Rc<Keeper>) {
        let (node, keeper) = (Rc::clone(self), Rc::clone(keeper));
        tokio::task::spawn_local(async move {
            node.until_dead().await;
            if !node.ended.get() {
                node.died(&keeper).await;
            }
        });
    }

    async fn died(self: &Rc<Self>, keeper: &Rc<Keeper>) {
        let name = self.plan.name.clone();
        keeper.logs.note(&name, "the node died");
        {
            let _alone = keeper.wiring.lock().await;
            // A change may have ended it meanwhile, and started another one of that name.
            if self.ended.get() {
                return;
            }
            keeper.stop_node(&name).await;
        }
        if !comes_back(&self.plan) {
            return;
        }
        let mut wait = BACK_OFF.0;
        loop {
            tokio::time::sleep(wait).await;
            let _alone = keeper.wiring.lock().await;
            let plan = keeper.current.borrow().nodes.get(&name).cloned();
            // Removed, switched off or started meanwhile.
            let Some(plan) = plan.filter(|plan| plan.running && keeper.node(&name).is_none())
            else {
                return;
            };
            match keeper.start_node(&plan).await {
                Ok(()) => {
                    *keeper
                        .restarts
                        .borrow_mut()
                        .entry(name.clone())
                        .or_default() += 1;
                    keeper.logs.note(&name, "started again");
                    return;
                }
                Err(refusal) => keeper.logs.note(&name, &refusal.message),
            }
            wait = (wait * 2).min(BACK_OFF.1);
        }
    }

    /// What happens to number `id` from now on; ends with the node.
    pub fn events_of(&self, id: u64) -> mpsc::UnboundedReceiver<Event> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.waiting.borrow_mut().insert(id, sender);
        receiver
    }

    /// Sends a message to the node's first process.
    pub async fn send(
        &self,
        message: &ToNode,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Refusal> {
        self.channel
            .send(message, descriptors)
            .await
            .map_err(|error| Refusal {
                message: format!("the node {} is not reached: {error}", self.plan.name),
                help: Some("it may have died just now; `lab status` tells".into()),
                code: 1,
            })
    }

    /// Has the node's first process write kernel settings of its network.
    pub async fn set_sysctls(
        &self,
        id: u64,
        settings: BTreeMap<String, String>,
    ) -> Result<(), Refusal> {
        let mut events = self.events_of(id);
        self.send(&ToNode::Sysctls { id, settings }, &[]).await?;
        match events.recv().await {
            Some(Event::Refused(refusal)) => Err(refusal),
            Some(_) => Ok(()),
            None => Err(Refusal {
                message: format!("the node {} died while it was set up", self.plan.name),
                help: Some(format!(
                    "`lab logs {}` shows its last words",
                    self.plan.name
                )),
                code: 1,
            }),
        }
    }

    /// Ends the node: its first process reads end of file.
    pub fn end(&self) {
        self.ended.set(true);
        for process in self.processes.borrow().values() {
            process.abandon();
        }
        let message = self.channel.shut_down();
        if let Err(error) = message {
            tracing::warn!("{}: {error}", self.plan.name);
        }
    }

    /// Ends a process and waits for it.
    pub async fn stop_process(&self, name: &str) {
        let process = self.processes.borrow().get(name).cloned();
        if let Some(process) = process {
            process.stop().await;
        }
        self.processes.borrow_mut().remove(name);
    }

    /// Tells a service its new settings.
    pub fn reconfigure(&self, plan: &ProcessPlan) {
        if let Some(process) = self.processes.borrow().get(&plan.name) {
            process.replan(plan.clone());
            if let ProcessKind::Service { settings, .. } = &plan.kind {
                process.command(Command::Settings(settings.clone()));
            }
        }
    }
}

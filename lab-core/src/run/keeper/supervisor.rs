//! A process of a node, as the keeper watches over it: started, asked for its health, told of
//! changes, started again by its rule.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::node::{Event, Node};
use super::{Keeper, health};
use crate::check::Restart;
use crate::kernel::channel::{AsyncChannel, Channel};
use crate::kernel::{conntrack, nft};
use crate::plan::{ProcessKind, ProcessPlan};
use crate::run::control::{ProcessState, Refusal};
use crate::run::messages::{FromService, ToNode, ToService};
use crate::run::stages::Stage;
use crate::service::{NetworkRequest, Report, Watched};

/// First and longest wait before a process that ended is started again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// What ran for so long gets the first wait again.
const STABLE: Duration = Duration::from_secs(10);
/// How long a service has to end by itself before its process is told to.
const GRACE: Duration = Duration::from_millis(1200);

/// What a process is told.
pub(super) enum Command {
    /// New settings.
    Settings(serde_json::Value),
    /// What the certificate authority issued has changed.
    Issued,
    /// Somebody watches, or nobody any more; the sender is dropped when it knows.
    Watch(Watched, oneshot::Sender<()>),
    /// End; the sender is dropped when it has.
    Stop(oneshot::Sender<()>),
}

/// A process that shall run.
pub(super) struct Process {
    /// Its node.
    pub node: String,
    /// Its name on the node.
    pub name: String,
    /// What it shall be.
    pub plan: RefCell<ProcessPlan>,
    /// How often it was started again.
    pub restarts: Cell<u32>,
    state: watch::Sender<ProcessState>,
    trouble: RefCell<Option<String>>,
    /// When it is started again.
    again: Cell<Option<tokio::time::Instant>>,
    /// Why starting it again is in vain.
    hopeless: RefCell<Option<String>>,
    /// Its node ended.
    abandoned: Cell<bool>,
    commands: mpsc::UnboundedSender<Command>,
    supervisor: RefCell<Option<AbortHandle>>,
}

impl Process {
    /// Its state.
    pub fn state(&self) -> ProcessState {
        *self.state.borrow()
    }

    /// The last thing that went wrong, while it is not healthy.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Milliseconds until it is started again, while it waits for that.
    pub fn again_in(&self) -> Option<u64> {
        let again = self.again.get()?;
        let left = again.saturating_duration_since(tokio::time::Instant::now());
        (self.state() == ProcessState::Waiting)
            .then(|| u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    /// Its state changes.
    pub fn turns(&self, state: ProcessState) {
        if state == ProcessState::Healthy {
            self.trouble.replace(None);
        }
        self.state
            .send_if_modified(|old| std::mem::replace(old, state) != state);
    }

    /// Something went wrong.
    pub fn has_trouble(&self, text: &str) {
        self.trouble.replace(Some(text.to_owned()));
    }

    /// Waits until it is healthy.
    ///
    /// # Errors
    /// It can't become so.
    pub async fn until_healthy(&self) -> Result<(), Refusal> {
        let mut state = self.state.subscribe();
        let settled =
            |state: &ProcessState| matches!(state, ProcessState::Healthy | ProcessState::Stopped);
        let settled = state.wait_for(settled).await.map(|state| *state);
        if matches!(settled, Ok(ProcessState::Healthy)) {
            return Ok(());
        }
        let why = self
            .hopeless
            .borrow()
            .clone()
            .or_else(|| self.trouble())
            .unwrap_or_else(|| "it ended".into());
        Err(Refusal {
            message: format!("{} of {} does not run: {why}", self.name, self.node),
            help: None,
            code: 1,
        })
    }

    /// Its plan changed in a way that it is told of while it runs.
    pub fn replan(&self, plan: ProcessPlan) {
        self.plan.replace(plan);
    }

    /// Whether it tells what it does: a service does.
    pub fn tells(&self) -> bool {
        matches!(self.plan.borrow().kind, ProcessKind::Service { .. })
    }

    /// Tells it something.
    pub fn command(&self, command: Command) {
        // Its supervisor has ended: there is nobody to tell.
        let _ = self.commands.send(command);
    }

    /// Ends it and waits until it has.
    pub async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        self.command(Command::Stop(done));
        let _ = ended.await;
    }

    /// Its node ends: nobody needs to watch over it any more.
    pub fn abandon(&self) {
        if let Some(supervisor) = self.supervisor.take() {
            supervisor.abort();
        }
        self.abandoned.set(true);
        self.turns(ProcessState::Stopped);
    }

    /// Whether its node ended, and nobody watches over it any more.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.get()
    }
}

/// How one run of a process ended.
enum End {
    /// By itself.
    Exited(i32),
    /// It could not be started, or says that it never can work.
    Hopeless(String),
    /// It was told to.
    Stopped(oneshot::Sender<()>),
    /// With its node.
    NodeDied,
}

impl Keeper {
    /// Starts a process and watches over it from then on.
    pub(super) fn start_process(self: &Rc<Self>, node: &Rc<Node>, plan: &ProcessPlan) {
        let (commands, inbox) = mpsc::unbounded_channel();
        let process = Rc::new(Process {
            node: node.plan.name.clone(),
            name: plan.name.clone(),
            plan: RefCell::new(plan.clone()),
            restarts: Cell::new(0),
            state: watch::Sender::new(ProcessState::Starting),
            trouble: RefCell::default(),
            again: Cell::new(None),
            hopeless: RefCell::default(),
            abandoned: Cell::new(false),
            commands,
            supervisor: RefCell::default(),
        });
        let task = supervise(Rc::clone(self), Rc::clone(node), Rc::clone(&process), inbox);
        let task = tokio::task::spawn_local(task);
        process.supervisor.replace(Some(task.abort_handle()));
        node.processes
            .borrow_mut()
            .insert(plan.name.clone(), process);
    }
}

async fn supervise(
    keeper: Rc<Keeper>,
    node: Rc<Node>,
    process: Rc<Process>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut wait = BACK_OFF.0;
    loop {
        let started = tokio::time::Instant::now();
        let end = run_once(&keeper, &node, &process, &mut commands).await;
        let status = match end {
            End::Exited(status) => status,
            End::Hopeless(why) => {
                keeper.logs.note(
                    &process.node,
                    &format!("{} does not run: {why}", process.name),
                );
                process.hopeless.replace(Some(why));
                process.turns(ProcessState::Stopped);
                return;
            }
            End::Stopped(_done) => {
                process.turns(ProcessState::Stopped);
                return;
            }
            End::NodeDied => return,
        };
        let text = match status {
            0 => "it ended by itself".to_owned(),
            128.. => format!("it was ended by signal {}", status - 128),
            _ => format!("it ended with status {status}"),
        };
        if process.trouble().is_none() || status != 1 {
            process.has_trouble(&text);
        }
        keeper
            .logs
            .note(&process.node, &format!("{}: {text}", process.name));
        let again = match process.plan.borrow().restart {
            Restart::Always => true,
            Restart::OnFailure => status != 0,
            Restart::Never => false,
        };
        if !again {
            process.turns(ProcessState::Stopped);
            return;
        }
        if started.elapsed() > STABLE {
            wait = BACK_OFF.0;
        }
        let pause = tokio::time::sleep(wait);
        process.again.set(Some(pause.deadline()));
        process.turns(ProcessState::Waiting);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                command = commands.recv() => match command {
                    Some(Command::Settings(settings)) => remember(&process, settings),
                    // When it is started again it is told.
                    Some(Command::Watch(..) | Command::Issued) => {}
                    Some(Command::Stop(_)) | None => {
                        process.turns(ProcessState::Stopped);
                        return;
                    }
                },
            }
        }
        wait = (wait * 2).min(BACK_OFF.1);
        process.restarts.set(process.restarts.get() + 1);
        process.turns(ProcessState::Starting);
    }
}

fn remember(process: &Process, new: serde_json::Value) {
    if let ProcessKind::Service { settings, .. } = &mut process.plan.borrow_mut().kind {
        *settings = new;
    }
}

/// A task that ends with the run it belongs to.
struct Bound(AbortHandle);

impl Drop for Bound {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run_once(
    keeper: &Rc<Keeper>,
    node: &Rc<Node>,
    process: &Rc<Process>,
    commands: &mut mpsc::UnboundedReceiver<Command>,
) -> End {
    // A service may be ready several times, after changes.
    let starting = Cell::new(Some(Instant::now()));
    let is_ready = |ready: &Notify| {
        if let Some(starting) = starting.take() {
            keeper.stages.ended(Stage::Processes, starting);
        }
        ready.notify_one();
    };
    let id = keeper.next_id();
    let mut events = node.events_of(id);
    let channel = match start(keeper, node, process, id).await {
        Ok(channel) => channel,
        Err(error) => return End::Hopeless(error),
    };
    let ready = Rc::new(Notify::new());
    let watching = health::watch(Rc::clone(keeper), Rc::clone(process), Rc::clone(&ready));
    let _health = Bound(tokio::task::spawn_local(watching).abort_handle());
    let mut hopeless = None;
    let mut talking = channel.is_some();
    // Dropped when the service says that it tells now.
    let mut asked_to_tell = Vec::new();
    if keeper.watchers.any()
        && let Some(channel) = &channel
    {
        let _ = channel
            .send(&ToService::Watch(keeper.watchers.wanted()), &[])
            .await;
    }
    if let Some(channel) = channel.as_ref().filter(|_| node.plan.authority) {
        let _ = channel.send(&ToService::Issued(keeper.issued()), &[]).await;
    }
    loop {
        let hear = async {
            match &channel {
                Some(channel) if talking => channel.receive::<FromService>().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Exited(status)) => {
                    return hopeless.map_or(End::Exited(status), End::Hopeless);
                }
                Some(Event::Refused(refusal)) => return End::Hopeless(with_help(&refusal)),
                // A service says by itself when it is ready.
                Some(Event::Started) if channel.is_none() => is_ready(&ready),
                Some(Event::Started | Event::Done | Event::Terminal(_)) => {}
                None => return End::NodeDied,
            },
            heard = hear => match heard {
                Ok(Some((FromService::Report(Report::Ready), _))) => is_ready(&ready),
                Ok(Some((FromService::Report(Report::Pool { pool, members }), _))) => {
                    keeper.pools.borrow_mut().insert(pool, members);
                }
                Ok(Some((FromService::Network(request), _))) => keeper.grant(node, request).await,
                Ok(Some((FromService::Watched, _))) => asked_to_tell.clear(),
                Ok(Some((FromService::Span(span), _))) => {
                    keeper.watchers.span(&process.node, &process.name, span);
                }
                Ok(Some((FromService::Key(line), _))) => keeper.watchers.key(line),
                Ok(Some((FromService::SpansLost(count), _))) => {
                    keeper.watchers.lost(&process.node, &process.name, count);
                }
                Ok(Some((FromService::Failed { message, fatal }, _))) => {
                    process.has_trouble(&message);
                    if fatal {
                        hopeless = Some(message);
                    }
                }
                // It ends, and is reaped soon.
                Ok(None) | Err(_) => talking = false,
            },
            command = commands.recv() => match command {
                Some(Command::Settings(settings)) => {
                    remember(process, settings.clone());
                    if let Some(channel) = &channel {
                        let _ = channel.send(&ToService::Settings(settings), &[]).await;
                    }
                }
                Some(Command::Issued) => {
                    if let Some(channel) = &channel {
                        let _ = channel.send(&ToService::Issued(keeper.issued()), &[]).await;
                    }
                }
                Some(Command::Watch(watched, heard)) => {
                    if let Some(channel) = &channel
                        && channel.send(&ToService::Watch(watched), &[]).await.is_ok()
                    {
                        asked_to_tell.push(heard);
                    }
                }
                Some(Command::Stop(done)) => {
                    stop(node, id, channel.as_ref(), &mut events).await;
                    return End::Stopped(done);
                }
                None => return End::NodeDied,
            },
        }
    }
}

fn with_help(refusal: &Refusal) -> String {
    match &refusal.help {
        Some(help) => format!("{} ({help})", refusal.message),
        None => refusal.message.clone(),
    }
}

/// Asks the node to start it; gives the channel to a service.
async fn start(
    keeper: &Keeper,
    node: &Node,
    process: &Process,
    id: u64,
) -> Result<Option<AsyncChannel>, String> {
    let plan = process.plan.borrow().clone();
    let text = |error: io::Error| error.to_string();
    let log = keeper
        .logs
        .pipe(&process.node, &process.name)
        .map_err(text)?;
    let is_service = matches!(plan.kind, ProcessKind::Service { .. });
    let message = ToNode::Start {
        id,
        process: Box::new(plan),
    };
    if !is_service {
        node.send(&message, &[log.as_fd()])
            .await
            .map_err(|refusal| refusal.message)?;
        return Ok(None);
    }
    let (ours, theirs) = Channel::pair().map_err(text)?;
    node.send(&message, &[log.as_fd(), theirs.as_fd()])
        .await
        .map_err(|refusal| refusal.message)?;
    AsyncChannel::new(ours).map(Some).map_err(text)
}

/// Ends a run: a service is asked, then its process told; a program is told at once.
async fn stop(
    node: &Node,
    id: u64,
    channel: Option<&AsyncChannel>,
    events: &mut mpsc::UnboundedReceiver<Event>,
) {
    if let Some(channel) = channel
        && channel.send(&ToService::Stop, &[]).await.is_ok()
        && tokio::time::timeout(GRACE, ended(events)).await.is_ok()
    {
        return;
    }
    if node.send(&ToNode::Stop { id }, &[]).await.is_ok() {
        ended(events).await;
    }
}

/// Waits until it has ended, or its node has.
async fn ended(events: &mut mpsc::UnboundedReceiver<Event>) {
    while let Some(event) = events.recv().await {
        if matches!(event, Event::Exited(_) | Event::Refused(_)) {
            return;
        }
    }
}

impl Keeper {
    /// Does to the network what a service asked for.
    async fn grant(&self, node: &Node, request: NetworkRequest) {
        let NetworkRequest::SetMembers { vip, members, dead } = request;
        let name = &node.plan.name;
        self.members
            .borrow_mut()
            .insert((name.clone(), vip.clone()), members.clone());
        let chain = self.current.borrow().nodes.get(name).and_then(|plan| {
            let wanted = format!("vip-{vip}");
            plan.rules
                .chains
                .iter()
                .find(|chain| chain.name == wanted)
                .cloned()
        });
        let Some(mut chain) = chain else {
            tracing::warn!(
                "{name} asked for the members of `{vip}`, which is no layer-4 VIP of it"
            );
            return;
        };
        super::execute::spread(&mut chain, &members);
        let namespace = node.network.namespace();
        let mut done = nft::replace_chain(namespace, &chain).await;
        for address in dead {
            done = match done {
                Ok(()) => conntrack::forget_translated_to(namespace, address)
                    .await
                    .map(drop),
                refused => refused,
            };
        }
        if let Err(error) = done {
            self.logs.note(
                name,
                &format!("the members of {vip} could not be set: {error}"),
            );
        }
    }
}

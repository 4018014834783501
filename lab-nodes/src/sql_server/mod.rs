//! `sql-server`: a small server that speaks TDS 7.1 to 7.4 and keeps its databases in SQLite.
//!
//! - `options`, `settings`, `setup`: from a lab file to what the service needs;
//! - `server`, `database`, `gate`: what all sessions share; one writes at a time;
//! - `connection`: a client from PRELOGIN to the end, on the runtime's thread;
//! - `session`, `procedure`: its statements, on a thread that may wait; `sink`, `result`: what they
//!   answer;
//! - `dialect`: Transact-SQL in SQLite's words; `functions`, `errors`: what SQLite lacks, and what it
//!   says.

mod connection;
mod database;
mod dialect;
mod errors;
mod functions;
mod gate;
mod options;
mod procedure;
mod result;
mod server;
mod session;
mod settings;
mod setup;
mod sink;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use lab_core::check::Lab;
use lab_core::service::{
    Context, Conversation, OptionError, Probe, ProbeError, Report, Service, ServiceError, Setup,
    SetupRequest,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::http::standing;
use crate::sql_client::{Entrance, Line};
use crate::tls;
use database::MASTER;
use server::Server;
use settings::Settings;

/// Its version, as SQL Server 2012 SP4 has it: major, minor, build.
const VERSION: [u8; 4] = [11, 0, 0x1B, 0x59];
/// Most connections; further ones are closed at once.
const MOST_CONNECTIONS: usize = 512;
/// Most connections that are not logged in yet; further ones wait.
const MOST_UNKNOWN: usize = 64;
/// Pause after a refused `accept` (no descriptors left), so that it does not spin.
const PAUSE: Duration = Duration::from_millis(50);
/// What a health check asks.
const QUESTION: &str = "SELECT 1";
/// How long a health check may take.
const PROBE: Duration = Duration::from_secs(2);

fn version_text() -> String {
    format!(
        "Microsoft SQL Server 2012 (SP4) - 11.0.7001.0 (X64), as Tierlab {} has it, over SQLite {}",
        env!("CARGO_PKG_VERSION"),
        rusqlite::version()
    )
}

/// The service `sql-server`.
pub struct SqlServer;

impl SqlServer {
    /// Its name in lab files.
    pub const NAME: &str = "sql-server";

    /// The node that has a database, and the port of its server.
    pub(crate) fn with_database(lab: &Lab, database: &str) -> Option<(String, u16)> {
        lab.nodes.values().find_map(|node| {
            let used = node
                .services
                .iter()
                .find(|used| used.service == Self::NAME)?;
            let options = options::Options::read(&used.options).ok()?;
            let has = options
                .databases_of(&node.name)
                .iter()
                .any(|name| name == database);
            has.then(|| (node.name.clone(), options.port()))
        })
    }
}

impl Service for SqlServer {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn about(&self) -> &'static str {
        "A database server that speaks TDS 7.x: logins, batches, parameters, transactions"
    }

    fn options_schema(&self) -> Value {
        options::schema()
    }

    fn setup(&self, request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
        setup::setup(request)
    }

    fn run(&self, context: Context) -> BoxFuture<'static, Result<(), ServiceError>> {
        run(context).boxed()
    }

    fn probe(&self, probe: Probe) -> BoxFuture<'static, Result<(), ProbeError>> {
        async move {
            tokio::time::timeout(PROBE, ask(probe))
                .await
                .map_err(|_| ProbeError::new("no answer within 2 s"))?
        }
        .boxed()
    }
}

async fn run(mut context: Context) -> Result<(), ServiceError> {
    let settings: Settings = serde_json::from_value(context.settings.borrow_and_update().clone())
        .map_err(ServiceError::new)?;
    let credential = context
        .credentials
        .get(setup::CERTIFICATE)
        .ok_or_else(|| ServiceError::new("the node's certificate is missing"))?;
    let store = context
        .store
        .clone()
        .ok_or_else(|| ServiceError::new("there is no folder to store in"))?;
    // In TDS 7 the client's last words of TLS 1.3 get lost: clients flush them behind the handshake,
    // where no packet wraps them any more. SQL Server speaks 1.2 there as well.
    let config = tls::server_config_1_2(credential).map_err(ServiceError::new)?;
    let config = tls::server_telling_keys(&config, &context.spans);
    let server = Arc::new(Server::new(
        &context.node,
        settings,
        context.secrets.clone(),
        &store,
    ));
    // A log that a killed server left is worked in now, not at the first client's login.
    for database in server.databases() {
        let opened = database.open(&Arc::default());
        opened.map_err(|reason| {
            ServiceError::new(format!(
                "the database {} can't be opened: {reason}",
                database.name
            ))
        })?;
    }
    let mut doors = JoinSet::new();
    for listener in context
        .take_tcp(setup::LISTENER)
        .map_err(ServiceError::new)?
    {
        let (server, config, spans) = (server.clone(), config.clone(), context.spans.clone());
        let stop = context.shutdown.clone();
        doors.spawn(async move {
            let serve = move |stream, conversation, permit| {
                connection::serve(stream, conversation, server.clone(), config.clone(), permit)
            };
            accept(
                listener,
                stop,
                |a, b| Conversation::tcp(a, b, &spans),
                serve,
            )
            .await;
        });
    }
    // The engine may be gone already; then nobody wants to know.
    let _ = context.report.send(Report::Ready);
    let mut shutdown = context.shutdown.clone();
    loop {
        tokio::select! {
            changed = context.settings.changed() => {
                if changed.is_err() { break }
                match serde_json::from_value(context.settings.borrow_and_update().clone()) {
                    Ok(settings) => server.change(settings),
                    Err(error) => tracing::error!("settings not understood, the old ones stay: {error}"),
                }
            }
            () = async { let _ = shutdown.wait_for(|stop| *stop).await; } => break,
        }
    }
    context.stopped().await;
    while doors.join_next().await.is_some() {}
    Ok(())
}

/// Takes connections until `stop` becomes true. What is going on then ends with the connections:
/// what was not committed was not acknowledged.
async fn accept<F>(
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
    converse: impl Fn(SocketAddr, SocketAddr) -> Conversation,
    serve: impl Fn(tokio::net::TcpStream, Conversation, tokio::sync::OwnedSemaphorePermit) -> F,
) where
    F: Future<Output = Result<(), connection::Closed>> + Send + 'static,
{
    let unknown = Arc::new(Semaphore::new(MOST_UNKNOWN));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let permit = unknown.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            (permit, accepted) = next => match (permit, accepted) {
                (Ok(permit), Ok((stream, address))) => {
                    if connections.len() >= MOST_CONNECTIONS {
                        tracing::warn!("more than {MOST_CONNECTIONS} connections: one was closed");
                        continue;
                    }
                    let own = stream.local_addr().unwrap_or(address);
                    let served = serve(stream, converse(address, own), permit);
                    connections.spawn(async move {
                        if let Err(reason) = served.await {
                            tracing::info!("connection of {address} closed: {reason}");
                        }
                    });
                }
                (_, Err(error)) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
                (Err(_), _) => return,
            },
            Some(_) = connections.join_next() => {}
            () = async { let _ = stop.wait_for(|stop| *stop).await; } => break,
        }
    }
}

/// Logs in, where a login has its password in the lab file, and asks for a row. Where there is none
/// that the keeper knows, the server must refuse who is unknown.
async fn ask(probe: Probe) -> Result<(), ProbeError> {
    let settings: Settings =
        serde_json::from_value(probe.settings.clone()).map_err(ProbeError::new)?;
    let known = settings
        .logins
        .iter()
        .find_map(|(name, password)| Some((name.as_str(), password.as_deref()?)));
    let kept: Option<Line> = probe.kept.take();
    if let Some(mut line) = kept.filter(|line| line.opened.elapsed() < standing::OF_PROBE)
        && line.query(QUESTION, &[]).await.is_ok()
    {
        probe.kept.keep(line);
        return Ok(());
    }
    let to = SocketAddr::new(probe.address, settings.port);
    let stream = probe.connect.tcp(to).await;
    let stream = stream.map_err(|error| ProbeError(format!("no connection to {to}: {error}")))?;
    let config = tls::client_config(&probe.trust, None).map_err(ProbeError::new)?;
    let (login, password) = known.unwrap_or(("nobody", ""));
    let entrance = Entrance {
        server: &probe.fqdn,
        name: &probe.fqdn,
        login,
        password,
        database: Some(MASTER),
        program: "health check",
    };
    match (Line::over(stream, to, &config, entrance).await, known) {
        (Err(error), None) if error.number() == Some(18456) => Ok(()),
        (Err(error), _) => Err(ProbeError::new(error)),
        (Ok(mut line), _) => {
            line.query(QUESTION, &[]).await.map_err(ProbeError::new)?;
            probe.kept.keep(line);
            Ok(())
        }
    }
}

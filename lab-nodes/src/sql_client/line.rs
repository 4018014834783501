//! One connection to a server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lab_core::observe::Tuple;
use rustls::ClientConfig;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::SqlError;
use super::door::{self, Door, Shared};
use super::value::{self, Row, Value};

/// How long a statement may take.
const STATEMENT: Duration = Duration::from_secs(40);
/// Bytes of a packet: documents travel in fewer of them.
const PACKET: u32 = 16_384;

/// An open connection, logged in.
pub(crate) struct Line {
    client: Client<Door>,
    below: Shared,
    server: String,
    /// From this node to the server.
    pub tuple: Tuple,
    pub opened: Instant,
}

/// Who logs in where.
pub(crate) struct Entrance<'a> {
    /// The server's node, for messages.
    pub server: &'a str,
    /// The name that its certificate must carry.
    pub name: &'a str,
    pub login: &'a str,
    pub password: &'a str,
    pub database: Option<&'a str>,
    pub program: &'a str,
}

impl Line {
    /// Logs in over a connection.
    ///
    /// # Errors
    /// The server is another one, or refuses the login.
    pub async fn over(
        stream: TcpStream,
        to: SocketAddr,
        config: &ClientConfig,
        entrance: Entrance<'_>,
    ) -> Result<Self, SqlError> {
        let unreachable = |reason: String| SqlError::Unreachable {
            server: entrance.server.to_owned(),
            reason,
        };
        let (own, to) = door::ends(&stream, to);
        let (door, below) = door::enter(stream, entrance.name, config)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let mut wanted = Config::new();
        wanted.host(entrance.name);
        wanted.application_name(entrance.program);
        wanted.client_name(entrance.program);
        // It is within TLS already.
        wanted.encryption(EncryptionLevel::NotSupported);
        wanted.authentication(AuthMethod::sql_server(entrance.login, entrance.password));
        wanted.packet_size(PACKET);
        wanted.handshake_timeout(None);
        wanted.command_timeout(None);
        if let Some(database) = entrance.database {
            wanted.database(database);
        }
        let client = Client::connect(wanted, door)
            .with_subscriber(NoSubscriber::default())
            .await
            .map_err(|error| trouble(entrance.server, &error))?;
        Ok(Self {
            client,
            below,
            server: entrance.server.to_owned(),
            tuple: Tuple::tcp(own, to),
            opened: Instant::now(),
        })
    }

    /// Whether it is closed from the other end.
    pub fn is_over(&self) -> bool {
        self.below.is_over()
    }

    /// The rows of the first result of a statement.
    ///
    /// # Errors
    /// The connection broke, or the server refused it.
    pub async fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        let asked = async {
            let rows = value::query(sql, parameters)
                .query(&mut self.client)
                .await?;
            rows.into_first_result().await
        };
        let rows = in_time(&self.server, asked).await?;
        Ok(value::rows(rows))
    }

    /// How many rows a statement changed.
    ///
    /// # Errors
    /// The connection broke, or the server refused it.
    pub async fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        let asked = async {
            let done = value::query(sql, parameters)
                .execute(&mut self.client)
                .await?;
            Ok(done.total())
        };
        in_time(&self.server, asked).await
    }

    /// A batch of statements without parameters.
    ///
    /// # Errors
    /// The connection broke, or the server refused it.
    pub async fn batch(&mut self, sql: &str) -> Result<(), SqlError> {
        let asked = async {
            let results = self.client.simple_query(sql).await?;
            results.into_results().await.map(drop)
        };
        in_time(&self.server, asked).await
    }
}

async fn in_time<T>(
    server: &str,
    asked: impl Future<Output = tiberius::Result<T>>,
) -> Result<T, SqlError> {
    // tiberius logs as errors what the caller asks about, and warns that it does no TLS itself.
    let asked = asked.with_subscriber(NoSubscriber::default());
    match tokio::time::timeout(STATEMENT, asked).await {
        Ok(answer) => answer.map_err(|error| trouble(server, &error)),
        Err(_) => Err(SqlError::Unreachable {
            server: server.to_owned(),
            reason: format!("no answer within {} s", STATEMENT.as_secs()),
        }),
    }
}

fn trouble(server: &str, error: &tiberius::error::Error) -> SqlError {
    match error {
        tiberius::error::Error::Server(refusal) => SqlError::Refused {
            server: server.to_owned(),
            number: refusal.code(),
            message: refusal.message().to_owned(),
        },
        other => SqlError::Unreachable {
            server: server.to_owned(),
            reason: other.to_string(),
        },
    }
}

//! Active health checks. A member that was killed leaves its pool within a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::header::HOST;
use lab_core::check::{HealthCheck, Member};
use rustls::ClientConfig;

use super::link::is_plain;
use super::pool::{LiveMember, LivePool};
use crate::http::{body, dial};

/// What remains of the second in which a killed member must leave, less some for the work.
const LEAVES_WITHIN: Duration = Duration::from_millis(950);
/// A second try with less time than this would say nothing.
const SHORTEST_TRY: Duration = Duration::from_millis(50);
/// While a lab comes up members are asked often, so that they get work as soon as they can.
const COMING_UP: Duration = Duration::from_secs(5);
/// Between two checks in that time.
const OFTEN: Duration = Duration::from_millis(50);

/// Checks one member for ever.
pub(super) async fn watch(pool: Arc<LivePool>, member: Arc<LiveMember>, client: Arc<ClientConfig>) {
    let health = &pool.health;
    let start = Instant::now();
    let mut was_up = false;
    loop {
        let up = match is_well(&member.member, health, &client).await {
            Ok(()) => true,
            Err(trouble) => {
                if member.is_up() {
                    tracing::warn!("{} fails its check: {trouble}", member.member.name);
                }
                false
            }
        };
        member.set_up(up);
        was_up |= up;
        let coming_up = !was_up && start.elapsed() < COMING_UP;
        let pause = if coming_up {
            health.every.min(OFTEN)
        } else {
            health.every
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = member.check_now.notified() => {}
        }
    }
}

/// A refusal or a wrong answer counts at once. Silence may be a busy machine: it is asked
/// again, as long as the member would still leave in time.
async fn is_well(
    member: &Member,
    health: &HealthCheck,
    client: &Arc<ClientConfig>,
) -> Result<(), String> {
    if let Ok(answer) = tokio::time::timeout(health.timeout, check(member, health, client)).await {
        return answer;
    }
    let again = LEAVES_WITHIN
        .saturating_sub(health.every + health.timeout)
        .min(health.timeout);
    let silent = || format!("no answer within {} ms", health.timeout.as_millis());
    if again < SHORTEST_TRY {
        return Err(silent());
    }
    tokio::time::timeout(again, check(member, health, client))
        .await
        .map_err(|_| silent())?
}

async fn check(
    member: &Member,
    health: &HealthCheck,
    client: &Arc<ClientConfig>,
) -> Result<(), String> {
    let to = SocketAddr::new(member.address, health.port);
    let stream = dial::tcp(to).await.map_err(|error| error.to_string())?;
    let Some(path) = &health.path else {
        return Ok(());
    };
    let request = Request::get(path)
        .header(HOST, &member.fqdn)
        .body(body::empty())
        .map_err(|error| error.to_string())?;
    let response = if is_plain(health.port) {
        dial::ask(stream, request).await
    } else {
        match dial::tls(stream, client, &member.fqdn).await {
            Ok(stream) => dial::ask(stream, request).await,
            Err(error) => Err(error),
        }
    };
    let status = response.map_err(|error| error.to_string())?.status();
    if status.is_server_error() {
        return Err(format!("GET {path} was answered with {status}"));
    }
    Ok(())
}

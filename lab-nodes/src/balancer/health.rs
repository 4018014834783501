//! Active health checks. A member that was killed, or hangs, leaves its pool within a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::header::HOST;
use lab_core::check::{HealthCheck, Member};
use lab_core::observe::{Deed, Tuple};
use lab_core::service::Spans;
use rustls::ClientConfig;
use tokio::sync::watch;
use tokio::time::Instant;

use super::link::is_plain;
use super::pool::{LiveMember, LivePool};
use crate::http::standing::{Line, Standing};
use crate::http::{body, dial};
use crate::tls;

/// What remains of the second in which a killed member must leave, less some for the work.
const LEAVES_WITHIN: Duration = Duration::from_millis(950);
/// A second try with less time than this would say nothing.
const SHORTEST_TRY: Duration = Duration::from_millis(50);
/// While a lab comes up members are asked often, so that they get work as soon as they can.
const COMING_UP: Duration = Duration::from_secs(5);
/// Between two checks in that time.
const OFTEN: Duration = Duration::from_millis(50);
/// How long a member is asked over one connection. What only a new one shows (none is accepted,
/// another certificate) is seen so late.
const LINE: Duration = Duration::from_secs(10);
/// After a connection was lost. It may have been that of one server behind a VIP: those who
/// spread must have heard of it before the VIP is asked anew.
const SETTLE: Duration = Duration::from_millis(50);

/// Checks one member for ever. All that count from the same `start` do it at the same moments: an
/// idle balancer wakes once for them all.
pub(super) async fn watch(
    pool: Arc<LivePool>,
    member: Arc<LiveMember>,
    client: Arc<ClientConfig>,
    mut revoked: watch::Receiver<u64>,
    spans: Spans,
    start: Instant,
) {
    let mut was_up = false;
    // Not every server keeps a connection open: one that is lost hurries one check only.
    let mut hurried = false;
    let mut check = Check {
        member: &member.member,
        health: &pool.health,
        // A session that is resumed proves no certificate.
        client: tls::without_resumption(&client),
        spans,
        standing: Standing::new(LINE),
    };
    loop {
        // Who asks for a check now shall not wait for one that may hang on a connection to a server
        // that died: it begins anew, once.
        let asked = tokio::select! {
            asked = check.is_well() => Some(asked),
            () = member.check_now.notified() => None,
        };
        let asked = match asked {
            Some(asked) => asked,
            None => check.is_well().await,
        };
        match asked {
            Ok(()) => {
                member.is_well();
                was_up = true;
            }
            Err(trouble) => {
                if member.is_up() {
                    tracing::warn!("{} fails its check: {trouble}", member.member.name);
                }
                member.fails(&trouble);
            }
        }
        let coming_up = !was_up && start.elapsed() < COMING_UP;
        let pause = if coming_up {
            pool.health.every.min(OFTEN)
        } else {
            pool.health.every
        };
        hurried = tokio::select! {
            () = tokio::time::sleep_until(next(start, pause)) => false,
            () = member.check_now.notified() => false,
            Ok(()) = revoked.changed() => {
                // The member is to prove its certificate anew.
                check.standing = Standing::new(LINE);
                false
            }
            () = check.standing.lost(), if !hurried => {
                tokio::time::sleep(SETTLE).await;
                true
            }
        };
    }
}

/// The next moment that lies a whole number of pauses after the start.
fn next(start: Instant, pause: Duration) -> Instant {
    let since = start.elapsed().as_nanos();
    let left = pause.as_nanos() - since % pause.as_nanos().max(1);
    Instant::now() + Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX))
}

/// Those who watch shall not take the check for a request; so they hear of it before its first packet.
fn tell(spans: &Spans, from: SocketAddr, to: SocketAddr, member: &Member) {
    spans.tell(Tuple::tcp(from, to), || Deed::Check {
        of: member.name.clone(),
    });
}

struct Check<'a> {
    member: &'a Member,
    health: &'a HealthCheck,
    client: Arc<ClientConfig>,
    spans: Spans,
    standing: Standing,
}

impl Check<'_> {
    /// A refusal or a wrong answer counts at once. Silence may be a busy machine: it is asked
    /// again, over a new connection, as long as the member would still leave in time.
    async fn is_well(&mut self) -> Result<(), String> {
        let (every, timeout) = (self.health.every, self.health.timeout);
        if let Ok(answer) = tokio::time::timeout(timeout, self.ask()).await {
            return answer;
        }
        let again = LEAVES_WITHIN.saturating_sub(every + timeout).min(timeout);
        let silent = || format!("no answer within {} ms", timeout.as_millis());
        if again < SHORTEST_TRY {
            return Err(silent());
        }
        tokio::time::timeout(again, self.ask())
            .await
            .map_err(|_| silent())?
    }

    async fn ask(&mut self) -> Result<(), String> {
        let (member, health) = (self.member, self.health);
        let (client, spans) = (&self.client, &self.spans);
        let to = SocketAddr::new(member.address, health.port);
        let Some(path) = &health.path else {
            let knock = dial::knock(to, |from| tell(spans, from, to, member));
            return knock.await.map_err(|error| error.to_string());
        };
        let open = async || {
            let stream = dial::tcp_announced(to, |from| tell(spans, from, to, member)).await?;
            if is_plain(health.port) {
                return Line::over(stream).await;
            }
            Line::over(dial::tls(stream, client, &member.fqdn).await?).await
        };
        let request = || {
            let request = Request::get(path).header(HOST, &member.fqdn);
            request.body(body::empty())
        };
        let response = self.standing.ask(open, request).await;
        let status = response.map_err(|error| error.to_string())?.status();
        if status.is_server_error() {
            return Err(format!("GET {path} was answered with {status}"));
        }
        Ok(())
    }
}

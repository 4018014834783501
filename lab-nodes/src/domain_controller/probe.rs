//! Health: a login is begun over UDP and TCP, and the center knows its accounts.

use std::net::SocketAddr;
use std::time::Duration;

use lab_core::service::{Probe, ProbeError};

use super::settings::{KERBEROS_PORT, Settings};
use crate::directory::Kind;
use crate::kerberos::Principal;
use crate::kerberos::center::Center;
use crate::kerberos::initiator::{Ask, authentication};
use crate::kerberos::messages::{ErrorCode, KrbError};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Succeeds if the center asks a user of the domain for a proof, by both ways. A user who is locked
/// or disabled is told so, which only a center that knows its accounts can do.
pub(super) async fn run(probe: Probe) -> Result<(), ProbeError> {
    let settings: Settings =
        serde_json::from_value(probe.settings.clone()).map_err(ProbeError::new)?;
    let realm = &settings.domain.realm;
    let users = settings.accounts.iter();
    let mut users = users.filter(|account| matches!(account.kind, Kind::User { .. }));
    let user = users.next().map_or("nobody", |user| &user.person.account);
    let service = Principal::service(&format!("krbtgt/{realm}"), realm);
    let request = authentication(&Principal::user(user, realm), service).write();
    let to = SocketAddr::new(probe.address, KERBEROS_PORT);

    let failed = |way: &str, error: &dyn std::fmt::Display| {
        ProbeError(format!("Kerberos over {way} {to}: {error}"))
    };
    let over_udp = async {
        let socket = probe.connect.udp(to).await?;
        socket.send(&request).await?;
        let mut answer = vec![0; 4096];
        let length = socket.recv(&mut answer).await?;
        answer.truncate(length);
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(LIMIT, over_udp)
        .await
        .map_err(|_| failed("UDP", &"no answer within 2 s"))?
        .map_err(|error| failed("UDP", &error))?;
    judge(&answer, user).map_err(|error| failed("UDP", &error))?;

    let stream = probe.connect.tcp(to).await;
    let stream = stream.map_err(|error| failed("TCP", &error))?;
    let answer = Center::new(stream, LIMIT).ask(request).await;
    let answer = answer.map_err(|error| failed("TCP", &error))?;
    judge(&answer, user).map_err(|error| failed("TCP", &error))
}

fn judge(answer: &[u8], user: &str) -> Result<(), String> {
    let error = KrbError::read(answer).map_err(|error| error.to_string())?;
    match error.code {
        ErrorCode::KDC_ERR_PREAUTH_REQUIRED | ErrorCode::KDC_ERR_CLIENT_REVOKED => Ok(()),
        ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN if user == "nobody" => Ok(()),
        code => Err(format!("it answers {code} for {user}")),
    }
}

//! All protocols of a domain controller, until it is told to stop.

use std::sync::Arc;

use lab_core::service::{Context, Report, ServiceError};
use tokio::task::JoinSet;

use super::controller::Controller;
use super::doors;
use super::kdc::Kdc;
use super::ldap;
use super::settings::KERBEROS;

pub(super) async fn run(mut context: Context) -> Result<(), ServiceError> {
    let controller = Arc::new(Controller::new(&context)?);
    context.settings.mark_unchanged();
    let mut tasks = JoinSet::new();
    let kdc = Arc::new(Kdc::new(Arc::clone(&controller.accounts)));
    for socket in context.take_udp(KERBEROS).map_err(ServiceError::new)? {
        let spans = context.spans.clone();
        tasks.spawn(doors::serve_udp(Arc::clone(&kdc), socket, spans));
    }
    for listener in context.take_tcp(KERBEROS).map_err(ServiceError::new)? {
        let spans = context.spans.clone();
        tasks.spawn(doors::serve_tcp(Arc::clone(&kdc), listener, spans));
    }
    let directory = ldap::start(&mut context, &controller, &mut tasks)?;
    let _ = context.report.send(Report::Ready);
    let mut settings = context.settings.clone();
    let secrets = context.secrets.clone();
    loop {
        tokio::select! {
            () = context.stopped() => return Ok(()),
            changed = settings.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let taken = controller.replace(&settings.borrow_and_update(), &secrets);
                let taken = taken.and_then(|()| directory.replace(&settings.borrow()));
                if let Err(error) = taken {
                    tracing::error!("the new accounts are not taken: {error}");
                }
            }
            Some(ended) = tasks.join_next() => {
                return Err(ServiceError::new(match ended {
                    Ok(error) => error,
                    Err(panic) => panic.to_string(),
                }));
            }
        }
    }
}

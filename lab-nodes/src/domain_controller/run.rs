//! All protocols of a domain controller, until it is told to stop.

use std::sync::Arc;

use lab_core::service::{Context, Report, ServiceError};

use super::controller::Controller;

pub(super) async fn run(mut context: Context) -> Result<(), ServiceError> {
    let controller = Arc::new(Controller::new(&context)?);
    let _ = &controller;
    let _ = context.report.send(Report::Ready);
    context.stopped().await;
    Ok(())
}

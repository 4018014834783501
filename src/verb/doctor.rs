//! `lab doctor`.

use std::process::ExitCode;

use clap::Args;
use lab_core::kernel::cgroup::Cgroup;
use lab_core::kernel::facility::{Facility, State, survey};
use lab_core::kernel::identity::Identity;
use serde_json::json;

use crate::output::{Colour, Failure, Screen, Table};

/// Try what a lab needs of this host, and say what is missing
///
/// Every part is tried, in namespaces of its own; nothing on the host is changed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab doctor
  lab doctor --json | jq '.facilities[] | select(.works | not)'")]
pub struct Doctor {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Does it.
    ///
    /// # Errors
    /// The output can't be written.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        let facilities = survey();
        let users = users(&Identity::of_caller());
        if self.json {
            screen.json(&json!({
                "facilities": facilities.iter().map(as_json).collect::<Vec<_>>(),
                "users": users,
                "limits": limits(),
            }))?;
        } else {
            screen.print(&as_text(&facilities, users, screen))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is missing, if it is.
fn missing(facility: &Facility) -> Option<&str> {
    match &facility.state {
        State::Works => None,
        State::Missing(reason) => Some(reason),
    }
}

fn as_json(facility: &Facility) -> serde_json::Value {
    json!({
        "name": facility.name,
        "needed_for": facility.needed_for,
        "works": missing(facility).is_none(),
        "missing": missing(facility),
    })
}

fn as_text(facilities: &[Facility], users: &str, screen: &Screen) -> String {
    let paint = screen.stdout();
    let mut table = Table::default();
    table.titles(paint, ["", "FACILITY", "NEEDED FOR", ""]);
    for facility in facilities {
        let (sign, colour) = if missing(facility).is_none() {
            ("✓", Colour::Green)
        } else {
            ("✗", Colour::Red)
        };
        let reason = missing(facility).unwrap_or_default();
        table.painted([
            (sign.to_owned(), paint.colour(colour, sign)),
            (facility.name.to_string(), facility.name.to_string()),
            (
                facility.needed_for.to_string(),
                facility.needed_for.to_string(),
            ),
            (reason.to_owned(), paint.colour(colour, reason)),
        ]);
    }
    let limits = limits();
    format!("{}\nusers: {users}\nlimits: {limits}\n", table.render())
}

fn limits() -> &'static str {
    if matches!(Cgroup::delegated(), Ok(Some(_))) {
        "memory and processes are limited for each node as a whole, in the cgroup delegated to you"
    } else {
        "memory and processes are limited for each process of a node; for a node as a whole, start \
         the lab in a delegated cgroup: `systemd-run --user --scope -p Delegate=yes lab up`"
    }
}

fn users(identity: &Identity) -> &'static str {
    if identity.has_other_users() {
        "programs in a node can change to other users"
    } else {
        "a node has root alone: programs that change user (nginx, postfix, tcpdump) need ids in \
         /etc/subuid and /etc/subgid, and newuidmap"
    }
}

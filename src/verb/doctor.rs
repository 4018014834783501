//! `lab doctor`.

use std::process::ExitCode;

use clap::Args;
use lab_core::kernel::cgroup::Cgroup;
use lab_core::kernel::facility::{Facility, State, survey};
use lab_core::kernel::identity::Identity;
use lab_core::kernel::neighbour_table::neighbour_table;
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
                "neighbours": neighbours(),
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
    let (limits, neighbours) = (limits(), neighbours());
    format!(
        "{}\nusers: {users}\nlimits: {limits}\nneighbours: {neighbours}\n",
        table.render()
    )
}

/// How many more labs the table of neighbours has room for, in words.
fn neighbours() -> String {
    let table = match neighbour_table() {
        Ok(table) => table,
        Err(error) => return format!("how full the host's table is can't be read: {error}"),
    };
    let mut text = format!(
        "{} of {} in the table that all labs of this host share",
        table.entries, table.most
    );
    if table.refused > 0 || table.entries >= table.most / 4 * 3 {
        text.push_str(&format!(
            "; {} found no room since the host started, and nobody answers them then. As root, \
             `sysctl net.ipv4.neigh.default.gc_thresh3={}` makes more",
            table.refused,
            table.most.saturating_mul(8)
        ));
    }
    text
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

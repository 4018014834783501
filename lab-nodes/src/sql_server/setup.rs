//! From options and lab to what the service needs. Pure.

use lab_core::plan::{Listen, Transport};
use lab_core::service::{OptionError, Setup, SetupRequest};

use super::database::MASTER;
use super::options::{Databases, Options, mistake};
use super::settings::Settings;
use crate::sql_client::secret_of;

/// The certificate it shows.
pub(super) const CERTIFICATE: &str = "node";
/// Its listener.
pub(super) const LISTENER: &str = "tds";
/// What its databases hold at most, in MiB, unless the lab file says.
const MEGABYTES: u32 = 64;

pub(super) fn setup(request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
    let (lab, node) = (request.lab, request.node);
    let options = Options::read(request.options)?;
    let mut mistakes = Vec::new();
    if let Some(Databases::ByNode(nodes)) = &options.databases {
        for (database, of) in nodes {
            if !lab.nodes.contains_key(of) {
                let text = format!("there is no node `{of}`");
                mistakes.push(mistake(&format!("/databases/{database}"), &text));
            }
        }
    }
    let databases = options.databases_of(&node.name);
    for name in &databases {
        let plain = !name.is_empty()
            && name.len() <= 64
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || name.eq_ignore_ascii_case(MASTER) {
            let text = format!("`{name}` can't be a database's name");
            let help = "letters, digits and _ make one; `master` is there already";
            mistakes.push(OptionError {
                help: Some(help.to_owned()),
                ..mistake("/databases", &text)
            });
        }
    }
    if options
        .megabytes
        .is_some_and(|most| !(1..=65_536).contains(&most))
    {
        mistakes.push(mistake("/megabytes", "a store has 1 to 65536 MiB"));
    }
    if options.logins.is_empty() {
        let text = "nobody could log in";
        mistakes.push(OptionError {
            help: Some("write `logins: { sa: { password: … } }`".to_owned()),
            ..mistake("/logins", text)
        });
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let shared = options
        .logins
        .iter()
        .filter(|(_, login)| login.password.is_none());
    let secrets = shared.map(|(name, _)| secret_of(name)).collect();
    let megabytes = u64::from(options.megabytes.unwrap_or(MEGABYTES));
    let settings = Settings {
        port: options.port(),
        longest: (megabytes << 20) / (databases.len() as u64).max(1),
        databases,
        logins: (options.logins.iter())
            .map(|(name, login)| (name.to_lowercase(), login.password.clone()))
            .collect(),
    };
    Ok(Setup {
        settings: serde_json::to_value(settings).unwrap_or_default(),
        listens: vec![Listen {
            name: LISTENER.to_owned(),
            protocol: Transport::Tcp,
            address: None,
            port: options.port(),
        }],
        secrets,
        // What is written lies in a log beside the database until it is worked in.
        store: 2 * megabytes << 20,
        ..Setup::default()
    })
}

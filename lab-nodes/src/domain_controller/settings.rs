//! What a domain controller needs of the lab, and its options.

use std::time::Duration;

use lab_core::plan::{Listen, Transport};
use lab_core::service::{OptionError, Setup, SetupRequest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::accounts::{self, Lockout};
use crate::directory::{Account, Domain, Membership};
use crate::ldap;

/// The name of the listeners of Kerberos, UDP and TCP.
pub(super) const KERBEROS: &str = "kerberos";
/// RFC 4120 §7.2.1.
pub(super) const KERBEROS_PORT: u16 = 88;
/// The names of the listeners of LDAP, that inside TLS being the second.
pub(super) const LDAP: &str = "ldap";
pub(super) const LDAPS: &str = "ldaps";

/// Options of `domain-controller`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Options {
    /// When wrong passwords lock an account.
    #[serde(default)]
    lockout: LockoutOptions,
    /// LDAP takes passwords outside TLS, too; so it does unless this is `false`.
    plain_passwords: Option<bool>,
}

/// When wrong passwords lock an account.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct LockoutOptions {
    /// So many lock it, 10 unless given; 0: none do.
    after: Option<u32>,
    /// Those older than this no longer count (`30s`, `10m`), 10 minutes unless given.
    within: Option<String>,
    /// It stays locked for so long (`30s`, `10m`), 10 minutes unless given.
    #[serde(rename = "for")]
    lasts: Option<String>,
}

/// All that a domain controller knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// The domain.
    pub domain: Domain,
    /// Its accounts.
    pub accounts: Vec<Account>,
    /// What this node is in the domain: the accounts that its own services run under.
    pub membership: Membership,
    /// Wrong passwords that lock an account; 0: none do.
    pub lockout_after: u32,
    /// Seconds within which they count.
    pub lockout_within: u64,
    /// Seconds that an account stays locked.
    pub lockout_for: u64,
    /// Fully qualified names of the domain's other machines.
    #[serde(default)]
    pub computers: Vec<String>,
    /// LDAP refuses passwords outside TLS.
    #[serde(default)]
    pub refuses_plain_passwords: bool,
}

impl Settings {
    /// When wrong passwords lock an account.
    pub fn lockout(&self) -> Lockout {
        Lockout {
            threshold: self.lockout_after,
            window: Duration::from_secs(self.lockout_within),
            duration: Duration::from_secs(self.lockout_for),
        }
    }
}

/// The JSON schema of the options.
pub(super) fn schema() -> Value {
    schemars::schema_for!(Options).to_value()
}

pub(super) fn setup(request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
    let options = match request.options {
        Value::Null => Options::default(),
        written => Options::deserialize(written).map_err(|error| {
            vec![mistake(
                "",
                &format!("the options of domain-controller: {error}"),
                "it takes `lockout: { after: 5, within: 10m, for: 10m }` and `plain-passwords: false`",
            )]
        })?,
    };
    let mut mistakes = Vec::new();
    let mut seconds = |pointer: &str, text: &Option<String>, default: u64| match text {
        None => default,
        Some(text) => span(text).unwrap_or_else(|| {
            mistakes.push(mistake(
                pointer,
                &format!("`{text}` is no span of time"),
                "write whole seconds, minutes or hours, like `30s`, `10m` or `1h`",
            ));
            default
        }),
    };
    let lockout_within = seconds("/lockout/within", &options.lockout.within, 600);
    let lockout_for = seconds("/lockout/for", &options.lockout.lasts, 600);
    let domain = Domain::of(request.lab);
    let membership = Membership::of(request.lab, request.node);
    let (Some(domain), Some(membership)) = (domain, membership) else {
        mistakes.push(mistake(
            "",
            "there is no directory to control",
            "write `directory: { domain: EXAMPLE, realm: EXAMPLE.COM, users: {} }` at the top of the lab",
        ));
        return Err(mistakes);
    };
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let accounts = Account::all(request.lab);
    let secrets = accounts::secrets(&accounts);
    let settings = Settings {
        domain,
        accounts,
        membership,
        lockout_after: options.lockout.after.unwrap_or(10),
        lockout_within,
        lockout_for,
        computers: ldap::Contents::computers(request.lab, &request.node.fqdn),
        refuses_plain_passwords: options.plain_passwords == Some(false),
    };
    Ok(Setup {
        settings: serde_json::to_value(settings).unwrap_or_default(),
        listens: listens(request),
        secrets,
        ..Setup::default()
    })
}

/// A socket an address: an answer over UDP must come from the address that was asked.
fn listens(request: &SetupRequest<'_>) -> Vec<Listen> {
    let legs = request.node.attachments.iter();
    let addresses = legs.flat_map(|leg| &leg.addresses);
    let sockets = [
        (KERBEROS, Transport::Udp, KERBEROS_PORT),
        (KERBEROS, Transport::Tcp, KERBEROS_PORT),
        (LDAP, Transport::Tcp, ldap::PORT),
        (LDAPS, Transport::Tcp, ldap::SECURE_PORT),
    ];
    addresses
        .flat_map(|net| {
            sockets.map(|(name, protocol, port)| Listen {
                name: name.into(),
                protocol,
                address: Some(net.addr()),
                port,
            })
        })
        .collect()
}

/// Seconds of `30s`, `10m`, `1h`; at least one.
fn span(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return None,
    };
    number.checked_mul(factor).filter(|seconds| *seconds > 0)
}

fn mistake(pointer: &str, message: &str, help: &str) -> OptionError {
    OptionError {
        pointer: pointer.to_owned(),
        message: message.to_owned(),
        help: Some(help.to_owned()),
    }
}

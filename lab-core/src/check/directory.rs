//! Accounts.

use std::collections::BTreeMap;

use super::lab::{Directory, ServiceAccount, User};
use super::names::{Kind, Names, Thing};
use crate::model::file::File;
use crate::model::{Diagnostic, Spanned};

/// The directory of the lab.
pub(super) fn directory(
    file: &File,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Directory> {
    let written = file.directory.as_ref()?;
    let realm = super::labels::check_dns_name(&written.realm, diagnostics);
    let netbios = &written.domain;
    let valid = (1..=15).contains(&netbios.len())
        && netbios
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !valid {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-name",
                format!("`{}` is no NetBIOS domain name.", netbios.escape_debug()),
                &netbios.place,
                "this name",
            )
            .help("it has up to 15 letters, digits and hyphens, like `EXAMPLE`"),
        );
    }
    let mut users = BTreeMap::new();
    for (account, user) in written.users.iter() {
        check_account(account, diagnostics);
        if user.password.is_empty() {
            diagnostics.push(
                Diagnostic::error(
                    "lab::no-password",
                    format!(
                        "`{}` has an empty password, with which nobody can log in.",
                        account.value
                    ),
                    &user.password.place,
                    "empty",
                )
                .help("write one"),
            );
        }
        let mailbox = user
            .mailbox
            .as_ref()
            .and_then(|word| names.node(word, diagnostics));
        for address in user.mail.iter().chain(&user.sip) {
            check_address(address, diagnostics);
        }
        users.insert(
            account.value.clone(),
            User {
                name: user.name.clone().unwrap_or_else(|| account.value.clone()),
                password: user.password.value.clone(),
                mail: user.mail.as_ref().map(|mail| mail.value.clone()),
                sip: user.sip.as_ref().map(|sip| sip.value.clone()),
                mailbox: mailbox.map(|node| node.name.clone()),
                groups: user.groups.0.clone(),
                disabled: user.disabled.unwrap_or_default(),
                expired: user.expired.unwrap_or_default(),
                password_expired: user.password_expired.unwrap_or_default(),
            },
        );
    }
    let services = service_accounts(written, names, diagnostics);
    Some(Directory {
        domain: netbios.value.to_ascii_uppercase(),
        realm: realm?.to_ascii_uppercase(),
        users,
        services,
    })
}

/// The accounts that services run under; a name belongs to one of them.
fn service_accounts(
    written: &crate::model::directory::Directory,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, ServiceAccount> {
    let mut accounts = BTreeMap::new();
    let mut owners: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for (account, service) in written.services.iter() {
        check_account(account, diagnostics);
        if let Some((user, _)) = written
            .users
            .iter()
            .find(|(user, _)| user.value == account.value)
        {
            diagnostics.push(
                Diagnostic::error(
                    "lab::duplicate",
                    format!("`{}` is a user and a service account.", account.value),
                    &account.place,
                    "the service account",
                )
                .also(&user.place, "the user")
                .help("give one of them another name"),
            );
        }
        let mut principals = Vec::new();
        for principal in &service.principals.0 {
            check_principal(principal, diagnostics);
            if let Some(owner) = owners.insert(principal.to_ascii_lowercase(), principal) {
                diagnostics.push(
                    Diagnostic::error(
                        "lab::duplicate",
                        format!("`{}` belongs to two accounts.", principal.value),
                        &principal.place,
                        "here again",
                    )
                    .also(&owner.place, "here first")
                    .help("a ticket is made with the key of one account: take it from the other"),
                );
            }
            principals.push(principal.value.clone());
        }
        let mut nodes = Vec::new();
        for word in &service.on.0 {
            if let Some(Thing::Nodes(found)) = names.find(word, &[Kind::Node], diagnostics) {
                nodes.extend(found.iter().map(|node| node.name.clone()));
            }
        }
        nodes.sort();
        nodes.dedup();
        accounts.insert(account.value.clone(), ServiceAccount { principals, nodes });
    }
    accounts
}

fn check_principal(principal: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) {
    let valid = principal.split_once('/').is_some_and(|(class, host)| {
        !class.is_empty()
            && class.chars().all(|c| c.is_ascii_alphanumeric())
            && super::labels::dns_name(host).is_ok()
    });
    if !valid {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-name",
                format!(
                    "`{}` is no service principal name.",
                    principal.escape_debug()
                ),
                &principal.place,
                "not a name",
            )
            .help("it looks like `HTTP/intranet.example.com`: a class, a slash and a host"),
        );
    }
}

fn check_account(account: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) {
    let valid = (1..=64).contains(&account.len())
        && account
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
    if !valid {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-name",
                format!(
                    "`{}` can't be the name of an account.",
                    account.escape_debug()
                ),
                &account.place,
                "this name",
            )
            .help("it has small letters, digits, `-`, `_` and `.`"),
        );
    }
}

fn check_address(address: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) {
    let valid = address.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !local.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':')
            && super::labels::dns_name(domain).is_ok()
    });
    if !valid {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-address",
                format!("`{}` is no address of a user.", address.escape_debug()),
                &address.place,
                "not an address",
            )
            .help("it looks like `alice@example.com`"),
        );
    }
}

//! The domain, its people, groups and computers.

use std::collections::{BTreeMap, BTreeSet};

use super::contents::host_of;
use super::entry::MADE_FILE_TIME;
use super::{Contents, Entry};
use crate::directory::{Person, Sid, State};
use crate::ldap::name::Name;

/// Groups of every domain: name, RID, scope and kind ([MS-ADTS] §6.1.1.6).
const GROUPS: [(&str, u32); 4] = [
    ("Domain Admins", 512),
    ("Domain Users", DOMAIN_USERS),
    ("Domain Computers", DOMAIN_COMPUTERS),
    ("Domain Controllers", DOMAIN_CONTROLLERS),
];
const DOMAIN_USERS: u32 = 513;
const DOMAIN_COMPUTERS: u32 = 515;
const DOMAIN_CONTROLLERS: u32 = 516;
/// Global security group ([MS-ADTS] §2.2.12).
const GLOBAL_SECURITY: i32 = i32::MIN | 2;
/// SAM_GROUP_OBJECT, SAM_USER_OBJECT, SAM_MACHINE_ACCOUNT ([MS-SAMR] §2.2.1.9).
const SAM_GROUP: u32 = 0x1000_0000;
const SAM_USER: u32 = 0x3000_0000;
const SAM_MACHINE: u32 = 0x3000_0001;
/// ACCOUNTDISABLE, NORMAL_ACCOUNT, DONT_EXPIRE_PASSWORD, WORKSTATION_TRUST_ACCOUNT, SERVER_TRUST_ACCOUNT,
/// TRUSTED_FOR_DELEGATION ([MS-ADTS] §2.2.16).
const DISABLED: u32 = 2;
const NORMAL: u32 = 0x200;
const PASSWORD_STAYS: u32 = 0x1_0000;
const WORKSTATION: u32 = 0x1000;
const CONTROLLER: u32 = 0x2000 | 0x8_0000;
/// AES128 and AES256 ([MS-KILE] §2.2.7).
const AES: u32 = 0x18;
/// Never ([MS-ADTS] accountExpires).
const NEVER: i64 = i64::MAX;
/// Windows Server 2012 R2 ([MS-ADTS] §6.1.4.2).
pub(super) const LEVEL: u32 = 6;
/// The first part of every organisation's Exchange configuration.
const EXCHANGE: &str = "/o=First Organization/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)";

/// What an account's state is in attributes.
fn restrict(entry: &mut Entry, state: State) {
    match state {
        State::Active => {}
        State::Disabled => {
            entry.put_number("userAccountControl", NORMAL | PASSWORD_STAYS | DISABLED);
        }
        // A second after it was made: long ago.
        State::Expired => entry.put_number("accountExpires", MADE_FILE_TIME + 10_000_000),
        State::PasswordExpired => {
            entry.put_number("userAccountControl", NORMAL);
            entry.put_number("pwdLastSet", 0);
        }
    }
}

struct Builder<'a> {
    contents: &'a Contents,
    base: Name,
    schema: Name,
    sid: Sid,
    entries: Vec<Entry>,
    /// RID of the next group or computer: those of accounts are given.
    next: u32,
}

/// Its entries, parents first.
pub(super) fn entries(contents: &Contents) -> Vec<Entry> {
    let accounts = contents.people.iter().map(|(person, _)| person);
    let accounts = accounts.chain(contents.services.iter().map(|(person, _)| person));
    let last = accounts.map(|person| person.rid).max().unwrap_or(999);
    let mut builder = Builder {
        contents,
        base: contents.base(),
        schema: contents.schema(),
        sid: contents.domain.sid(),
        entries: Vec::new(),
        next: last + 1,
    };
    builder.containers();
    builder.people();
    builder.services();
    builder.computers();
    builder.groups();
    builder.entries
}

impl Builder<'_> {
    fn containers(&mut self) {
        let users = self.base.child("CN", "Users");
        let computers = self.base.child("CN", "Computers");
        let controllers = self.base.child("OU", "Domain Controllers");
        let mut domain = Entry::new(self.base.clone(), "domainDNS", &self.schema);
        domain.put_sid(&self.sid);
        domain.put("instanceType", ["5"]);
        domain.put_number("msDS-Behavior-Version", LEVEL);
        domain.put("fSMORoleOwner", [self.contents.service().to_string()]);
        domain.put("isCriticalSystemObject", ["TRUE"]);
        // [MS-ADTS] §6.1.1.4: places that clients find by GUID.
        let known = [
            ("A9D1CA15768811D1ADED00C04FD8D5CD", &users),
            ("AA312825768811D1ADED00C04FD8D5CD", &computers),
            ("A361B2FFFFD211D1AA4B00C04FD7D83A", &controllers),
        ];
        domain.put(
            "wellKnownObjects",
            known.map(|(guid, name)| format!("B:32:{guid}:{name}")),
        );
        self.entries.push(domain);
        for (name, class) in [
            (users, "container"),
            (computers, "container"),
            (controllers, "organizationalUnit"),
        ] {
            let entry = Entry::new(name, class, &self.schema);
            self.entries
                .push(entry.with("isCriticalSystemObject", ["TRUE"]));
        }
    }

    /// What every account has that logs in.
    fn account(&self, name: Name, class: &str, person: &Person) -> Entry {
        let mut entry = Entry::new(name, class, &self.schema);
        entry.account = Some(person.account.clone());
        entry.put("sAMAccountName", [person.account.as_str()]);
        entry.put_sid(&self.sid.with(person.rid));
        entry.put_number("sAMAccountType", SAM_USER);
        entry.put_number("userAccountControl", NORMAL | PASSWORD_STAYS);
        entry.put_number("primaryGroupID", DOMAIN_USERS);
        entry.put_number("accountExpires", NEVER);
        entry.put_number("pwdLastSet", MADE_FILE_TIME);
        entry.put_number("logonCount", 0);
        entry.put_number("msDS-SupportedEncryptionTypes", AES);
        let principal = format!("{}\\{}", self.contents.domain.netbios, person.account);
        entry.put("msDS-PrincipalName", [principal]);
        entry
    }

    fn people(&mut self) {
        // Two people of one name, and one named like a group, cannot have one entry.
        let mut taken: BTreeSet<String> = self.group_names();
        for (person, state) in &self.contents.people {
            let cn = if taken.insert(person.name.to_lowercase()) {
                &person.name
            } else {
                &person.account
            };
            let name = self.base.child("CN", "Users").child("CN", cn);
            let mut entry = self.account(name, "user", person);
            let domain = self.contents.domain.dns_name();
            entry.put(
                "userPrincipalName",
                [format!("{}@{domain}", person.account)],
            );
            entry.put("displayName", [person.name.as_str()]);
            if let Some((given, family)) = person.name.rsplit_once(' ') {
                entry.put("givenName", [given]);
                entry.put("sn", [family]);
            } else {
                entry.put("givenName", [person.name.as_str()]);
            }
            self.addresses(&mut entry, person);
            restrict(&mut entry, *state);
            let groups: Vec<String> = self.groups_of(person);
            entry.put("memberOf", groups);
            self.entries.push(entry);
        }
    }

    fn addresses(&self, entry: &mut Entry, person: &Person) {
        let mut proxies = Vec::new();
        if let Some(mail) = &person.mail {
            entry.put("mail", [mail.as_str()]);
            proxies.push(format!("SMTP:{mail}"));
        }
        if let Some(sip) = &person.sip {
            entry.put("msRTCSIP-PrimaryUserAddress", [format!("sip:{sip}")]);
            entry.put("msRTCSIP-UserEnabled", ["TRUE"]);
            proxies.push(format!("sip:{sip}"));
        }
        entry.put("proxyAddresses", proxies);
        if let Some(server) = &person.mailbox {
            let server = server.to_uppercase();
            let cn = entry.name.first().map(|(_, cn)| cn.to_owned());
            let own = format!("{EXCHANGE}/cn=Recipients/cn={}", cn.unwrap_or_default());
            let home = format!("{EXCHANGE}/cn=Configuration/cn=Servers/cn={server}");
            let database = self
                .contents
                .configuration()
                .child("CN", "Services")
                .child("CN", "Microsoft Exchange")
                .child("CN", "First Organization")
                .child("CN", "Administrative Groups")
                .child("CN", "Exchange Administrative Group (FYDIBOHF23SPDLT)")
                .child("CN", "Databases")
                .child("CN", &format!("Mailbox Database {server}"));
            entry.put("mailNickname", [person.account.as_str()]);
            entry.put("legacyExchangeDN", [own]);
            entry.put("msExchHomeServerName", [home]);
            entry.put("homeMDB", [database.to_string()]);
        }
    }

    fn services(&mut self) {
        for (person, principals) in &self.contents.services {
            let users = self.base.child("CN", "Users");
            let name = users.child("CN", &person.account);
            let mut entry = self.account(name, "user", person);
            let domain = self.contents.domain.dns_name();
            entry.put(
                "userPrincipalName",
                [format!("{}@{domain}", person.account)],
            );
            entry.put("displayName", [person.name.as_str()]);
            entry.put(
                "servicePrincipalName",
                principals.iter().map(String::as_str),
            );
            self.entries.push(entry);
        }
    }

    fn computers(&mut self) {
        let controllers = self.base.child("OU", "Domain Controllers");
        let computers = self.base.child("CN", "Computers");
        let all = std::iter::once((&self.contents.controller, controllers, CONTROLLER));
        let members = self.contents.computers.iter();
        let all = all.chain(members.map(|fqdn| (fqdn, computers.clone(), WORKSTATION)));
        for (fqdn, place, control) in all {
            let host = host_of(fqdn).to_uppercase();
            let person = Person {
                account: format!("{host}$"),
                rid: self.next,
                ..Person::default()
            };
            self.next += 1;
            let mut entry = self.account(place.child("CN", &host), "computer", &person);
            entry.account = None;
            entry.put("dNSHostName", [fqdn.as_str()]);
            entry.put("displayName", [person.account.as_str()]);
            entry.put("operatingSystem", ["Linux"]);
            entry.put_number("sAMAccountType", SAM_MACHINE);
            entry.put_number("userAccountControl", control);
            let primary = if control == CONTROLLER {
                DOMAIN_CONTROLLERS
            } else {
                DOMAIN_COMPUTERS
            };
            entry.put_number("primaryGroupID", primary);
            entry.put(
                "servicePrincipalName",
                [format!("HOST/{host}"), format!("HOST/{fqdn}")],
            );
            self.entries.push(entry);
        }
    }

    /// Names of the groups that people are in, as they are written first.
    fn member_lists(&self) -> BTreeMap<String, (String, Vec<String>)> {
        let mut lists: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
        for (person, _) in &self.contents.people {
            for group in &person.groups {
                let list = lists.entry(group.to_lowercase());
                let (_, members) = list.or_insert_with(|| (group.clone(), Vec::new()));
                members.push(person.account.clone());
            }
        }
        lists
    }

    fn group_names(&self) -> BTreeSet<String> {
        let known = GROUPS.iter().map(|(name, _)| name.to_lowercase());
        let services = self.contents.services.iter();
        let services = services.map(|(person, _)| person.account.to_lowercase());
        let lists = self.member_lists().into_keys();
        known.chain(services).chain(lists).collect()
    }

    fn groups_of(&self, person: &Person) -> Vec<String> {
        let users = self.base.child("CN", "Users");
        let lists = self.member_lists();
        let groups = person.groups.iter();
        // The primary group is not among them ([MS-ADTS] §3.1.1.1.5).
        groups
            .filter_map(|group| lists.get(&group.to_lowercase()))
            .map(|(name, _)| users.child("CN", name).to_string())
            .collect()
    }

    fn groups(&mut self) {
        let users = self.base.child("CN", "Users");
        let known: BTreeMap<String, u32> = GROUPS
            .iter()
            .map(|(name, rid)| (name.to_lowercase(), *rid))
            .collect();
        let mut lists = self.member_lists();
        for (name, _) in GROUPS {
            lists
                .entry(name.to_lowercase())
                .or_insert_with(|| (name.to_owned(), Vec::new()));
        }
        for (folded, (name, members)) in lists {
            let rid = known.get(&folded).copied().unwrap_or_else(|| {
                self.next += 1;
                self.next - 1
            });
            let mut entry = Entry::new(users.child("CN", &name), "group", &self.schema);
            entry.put("sAMAccountName", [name.as_str()]);
            entry.put_sid(&self.sid.with(rid));
            entry.put_number("sAMAccountType", SAM_GROUP);
            entry.put_number("groupType", GLOBAL_SECURITY);
            if known.contains_key(&folded) {
                entry.put("isCriticalSystemObject", ["TRUE"]);
            }
            let principal = format!("{}\\{name}", self.contents.domain.netbios);
            entry.put("msDS-PrincipalName", [principal]);
            let member = |account: &String| {
                let mut entries = self.entries.iter();
                let found = entries.find(|entry| entry.account.as_ref() == Some(account));
                found.map(|entry| entry.name.to_string())
            };
            let members: Vec<String> = members.iter().filter_map(member).collect();
            entry.put("member", members);
            self.entries.push(entry);
        }
        self.token_groups();
    }

    /// `tokenGroups`: the identifiers of all groups that an account is in, the primary among them.
    fn token_groups(&mut self) {
        let sids: BTreeMap<String, Vec<u8>> = self
            .entries
            .iter()
            .filter(|entry| !entry.get("groupType").is_empty())
            .filter_map(|entry| {
                Some((
                    entry.name.to_string(),
                    entry.get("objectSid").first()?.clone(),
                ))
            })
            .collect();
        for entry in &mut self.entries {
            let Some(primary) = entry.get("primaryGroupID").first() else {
                continue;
            };
            let primary = std::str::from_utf8(primary).ok();
            let primary = primary.and_then(|rid| rid.parse().ok());
            let mut groups: Vec<Vec<u8>> = primary
                .map(|rid| self.sid.with(rid).to_bytes())
                .into_iter()
                .collect();
            let others = entry.get("memberOf").iter();
            groups.extend(others.filter_map(|name| {
                let name = std::str::from_utf8(name).ok()?;
                sids.get(name).cloned()
            }));
            entry.put("tokenGroups", groups);
        }
    }
}

//! Who signed in, as sites know them: claims.

use serde::{Deserialize, Serialize};

use crate::directory::Person;
use crate::login::Identity;
use crate::saml::Claims;

/// Somebody who signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Principal {
    /// The encoded claim that names them ([MS-SPSTWS]; `i:0#.w|contoso\alice`).
    pub login: String,
    /// What people call them.
    pub title: String,
    /// Mail address.
    pub mail: Option<String>,
    /// A name for their own site: letters that a path may have.
    pub account: String,
    /// Groups.
    pub groups: Vec<String>,
    /// How they signed in.
    pub method: String,
}

/// The claim that everybody has who signed in.
pub(super) const EVERYONE: &str = "everyone";

impl Principal {
    /// Somebody of the domain who signed in by Windows.
    pub fn windows(identity: &Identity, domain: &str) -> Self {
        let person = &identity.person;
        let login = format!("i:0#.w|{}\\{}", domain.to_lowercase(), person.account);
        Self::of(person, login, identity.method.word())
    }

    /// Somebody of the domain who signed in by a form.
    pub fn of_domain_by_form(person: &Person) -> Self {
        Self::of(person, format!("i:0#.f|ldap|{}", person.account), "forms")
    }

    fn of(person: &Person, login: String, method: &str) -> Self {
        Self {
            login,
            title: person.name.clone(),
            mail: person.mail.clone(),
            account: person.account.to_lowercase(),
            groups: person.groups.clone(),
            method: method.to_owned(),
        }
    }

    /// Somebody whom only this farm knows.
    pub fn of_farm(account: &str, name: &str, groups: &[String]) -> Self {
        Self {
            login: format!("i:0#.f|farm|{account}"),
            title: name.to_owned(),
            mail: None,
            account: place_name(&format!("farm-{account}")),
            groups: groups.to_vec(),
            method: "forms".to_owned(),
        }
    }

    /// Somebody with a token of a trusted provider.
    pub fn trusted(claims: &Claims, provider: &str, groups: &[String]) -> Self {
        let mail = claims.email().unwrap_or(&claims.subject).to_lowercase();
        Self {
            login: format!("i:05.t|{provider}|{mail}"),
            title: claims.name().to_owned(),
            account: place_name(&format!("{provider}-{mail}")),
            mail: Some(mail),
            groups: groups.to_vec(),
            method: "saml".to_owned(),
        }
    }

    /// What sites are opened to: everybody, groups, and this one alone.
    pub fn claims(&self) -> Vec<String> {
        let mut claims = vec![EVERYONE.to_owned(), self.own_claim()];
        claims.extend(self.groups.iter().cloned());
        claims
    }

    /// The claim that nobody else has; people of the domain have the same however they signed in.
    pub fn own_claim(&self) -> String {
        let domain = ["i:0#.w|", "i:0#.f|ldap|"];
        match domain.iter().any(|kind| self.login.starts_with(kind)) {
            true => format!("user|{}", self.account),
            false => format!("user|{}", self.login),
        }
    }

    /// Whether one of these claims is theirs.
    pub fn has(&self, claims: &[String]) -> bool {
        let own = self.own_claim();
        claims
            .iter()
            .any(|claim| claim == EVERYONE || *claim == own || self.groups.contains(claim))
    }
}

/// Only letters, digits, `-` and `.` of a name.
fn place_name(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .map(|character| match character {
            'a'..='z' | '0'..='9' | '-' | '.' => character,
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_open_what_they_are_for() {
        let ivan = Principal::of_farm("ivan", "Ivan", &["partners".to_owned()]);
        let claims = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert!(ivan.has(&claims(&["employees", "partners"])));
        assert!(ivan.has(&claims(&["everyone"])) && ivan.has(&claims(&["user|i:0#.f|farm|ivan"])));
        assert!(!ivan.has(&claims(&["employees", "user|ivan"])) && !ivan.has(&[]));
        let alice = Principal::of_domain_by_form(&Person {
            account: "Alice".into(),
            ..Person::default()
        });
        assert_eq!(alice.own_claim(), "user|alice");
    }
}

//! A search, from its request to its last entry ([MS-ADTS] §3.1.1.3.1.3).

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::controls::{Page, Sort, Wishes};
use super::matching::{Key, Shown, Test};
use super::name::Name;
use super::selection::Selection;
use super::server::{Directory, Server};
use super::tree::{Entry, root};
use super::wire::{Answer, Control, Outcome, Response, Scope, Search};
use super::{Code, base, schema, time};

/// Most entries of one answer: AD's MaxPageSize ([MS-ADTS] §3.1.1.3.4.6).
const MOST_ENTRIES: usize = 1000;
/// Longest search: AD's MaxQueryDuration.
const LONGEST: Duration = Duration::from_secs(120);
/// Entries that one step looks at; other connections have their turn between steps.
const STEP: usize = 64;
/// Bytes that one step writes, about.
const PIECE: usize = 32 << 10;

/// A search that is being answered.
pub struct Running {
    /// Message id.
    pub id: i32,
    /// Result code, once it is over.
    pub ended: Option<Code>,
    /// Entries sent.
    pub sent: usize,
    /// When it began.
    pub began: Instant,
    /// What was asked, for those who watch.
    pub asked: String,
    directory: Arc<Directory>,
    place: Place,
    scope: Scope,
    test: Test,
    selection: Selection,
    until: Instant,
    most: usize,
    page: Option<Page>,
    sort: Option<Sort>,
    fingerprint: u64,
    /// How far the tree was looked through.
    scanned: usize,
    /// Places in the tree of what was found, with what it is ordered by.
    found: Vec<(Option<Key>, usize)>,
    /// How many of these are behind.
    at: usize,
}

/// Where a search looks.
enum Place {
    Root(Box<Entry>),
    Below(Name),
}

impl Running {
    /// Begins a search; `known`: the client has said who it is.
    ///
    /// # Errors
    /// The base is not there or not for everybody, a control cannot be kept.
    pub fn begin(
        id: i32,
        search: &Search,
        controls: &[Control],
        known: bool,
        server: &Server,
    ) -> Result<Self, Outcome> {
        let wishes = Wishes::read(controls)?;
        let directory = server.directory();
        let place = if search.base.is_empty() && search.scope == Scope::Base {
            let now = time::generalized(SystemTime::now());
            let root = root(&directory.contents, &server.abilities, &now);
            Place::Root(Box::new(root))
        } else if known {
            Place::Below(base::find(&search.base, &directory.tree)?.name.clone())
        } else {
            return Err(Outcome::new(Code::OPERATIONS_ERROR, BIND_FIRST));
        };
        let critical = wishes.sort.as_ref().filter(|sort| sort.critical);
        if critical.is_some_and(|sort| sort.several || schema::attribute(&sort.attribute).is_none())
        {
            return Err(Outcome::new(
                Code::UNAVAILABLE_CRITICAL_EXTENSION,
                "00000057: LdapErr: entries are sorted by one attribute of the schema",
            ));
        }
        let fingerprint = fingerprint(search);
        let mut at = 0;
        if let Some(page) = wishes.page.as_ref().filter(|page| !page.cookie.is_empty()) {
            at = place_in(&page.cookie, fingerprint).ok_or_else(|| {
                Outcome::new(
                    Code::UNAVAILABLE_CRITICAL_EXTENSION,
                    "00000057: LdapErr: the cookie is that of no page of this search",
                )
            })?;
        }
        let most = usize::try_from(search.most).unwrap_or(usize::MAX);
        let seconds = u64::try_from(search.seconds)
            .ok()
            .filter(|asked| *asked > 0);
        let longest = seconds.map_or(LONGEST, |asked| LONGEST.min(Duration::from_secs(asked)));
        let now = Instant::now();
        let test = Test::new(&search.filter, &directory.contents);
        Ok(Self {
            id,
            ended: None,
            sent: 0,
            began: now,
            asked: format!("search {} {}", search.scope, search.base),
            directory,
            place,
            scope: search.scope,
            test,
            selection: Selection::new(&search.attributes, search.types_only),
            until: now + longest,
            most: if most == 0 { usize::MAX } else { most },
            page: wishes.page,
            sort: wishes.sort.filter(|sort| !sort.several),
            fingerprint,
            scanned: 0,
            found: Vec::new(),
            at,
        })
    }

    /// Goes on for a while, and appends what it came to.
    pub fn advance(&mut self, server: &Server, out: &mut Vec<u8>) {
        let directory = Arc::clone(&self.directory);
        let entries = directory.tree.entries();
        let start = out.len();
        if let Place::Root(entry) = &self.place {
            let shown = Shown::new(entry, &server.accounts);
            if self.test.holds(&shown) == Some(true) {
                self.selection.response(self.id, &shown).write(out);
                self.sent = 1;
            }
            return self.end(Code::SUCCESS, "", out);
        }
        // The pages left are not wanted any more (RFC 2696 §3).
        if self.page.as_ref().is_some_and(|page| page.size == 0) {
            return self.end(Code::SUCCESS, "", out);
        }
        if Instant::now() > self.until {
            let message = "00000055: SvcErr: the search took longer than it may";
            return self.end(Code::TIME_LIMIT_EXCEEDED, message, out);
        }
        if self.scanned < entries.len() {
            let end = entries.len().min(self.scanned + STEP);
            self.scan(server, end);
            if end == entries.len() {
                self.order();
            }
            return;
        }
        let page = self.page.as_ref().map_or(usize::MAX, |page| page.size);
        while let Some((_, place)) = self.found.get(self.at) {
            if self.sent == page || (self.page.is_some() && self.sent == MOST_ENTRIES) {
                return self.end(Code::SUCCESS, "", out);
            }
            if self.sent == self.most.min(MOST_ENTRIES) {
                let message =
                    "00002023: SvcErr: there are more entries than the limit lets through";
                return self.end(Code::SIZE_LIMIT_EXCEEDED, message, out);
            }
            if let Some(entry) = entries.get(*place) {
                let shown = Shown::new(entry, &server.accounts);
                self.selection.response(self.id, &shown).write(out);
            }
            self.sent += 1;
            self.at += 1;
            if out.len() - start > PIECE {
                return;
            }
        }
        self.end(Code::SUCCESS, "", out);
    }

    fn scan(&mut self, server: &Server, end: usize) {
        let Place::Below(base) = &self.place else {
            return;
        };
        let by = self.sort.as_ref();
        let by = by.and_then(|sort| schema::attribute(&sort.attribute));
        let entries = self.directory.tree.entries().iter().enumerate();
        for (place, entry) in entries.take(end).skip(self.scanned) {
            if !is_in_scope(&entry.name, base, self.scope) {
                continue;
            }
            let shown = Shown::new(entry, &server.accounts);
            if self.test.holds(&shown) == Some(true) {
                let key = by.and_then(|by| Key::of(by, shown.values(by.name).first()?));
                self.found.push((key, place));
            }
        }
        self.scanned = end;
    }

    /// Entries without the attribute are the greatest (RFC 2891 §2.2).
    fn order(&mut self) {
        let Some(sort) = &self.sort else {
            return;
        };
        self.found.sort_by(|(one, _), (other, _)| {
            let order = match (one, other) {
                (Some(one), Some(other)) => one.cmp(other).unwrap_or(Ordering::Equal),
                _ => one.is_none().cmp(&other.is_none()),
            };
            if sort.reverse { order.reverse() } else { order }
        });
    }

    fn end(&mut self, code: Code, message: &str, out: &mut Vec<u8>) {
        let mut response = Response::new(self.id, Answer::Found(Outcome::new(code, message)));
        if let Some(page) = &self.page {
            let more = code == Code::SUCCESS && page.size > 0 && self.at < self.found.len();
            let cookie = if more { self.cookie() } else { Vec::new() };
            response.controls.push(Page::next(&cookie));
        }
        if let Some(sort) = &self.sort {
            let known = schema::attribute(&sort.attribute).is_some();
            let code = if known {
                Code::SUCCESS
            } else {
                Code::NO_SUCH_ATTRIBUTE
            };
            response.controls.push(Sort::result(code));
        }
        response.write(out);
        self.ended = Some(code);
    }

    fn cookie(&self) -> Vec<u8> {
        let place = u64::try_from(self.at).unwrap_or(u64::MAX);
        [place.to_le_bytes(), self.fingerprint.to_le_bytes()].concat()
    }
}

/// What AD says to those who have not said who they are: clients look for these words.
pub(super) const BIND_FIRST: &str = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this \
    operation a successful bind must be completed on the connection., data 0, v2580";

fn is_in_scope(name: &Name, base: &Name, scope: Scope) -> bool {
    let below = name.depth().checked_sub(base.depth());
    let deep_enough = match scope {
        Scope::Base => below == Some(0),
        Scope::Children => below == Some(1),
        Scope::Subtree => true,
    };
    deep_enough && name.is_within(base)
}

/// What a page's cookie says of its search: a cookie of another search leads nowhere. It guards
/// against mistakes; there is nothing in a search that a forged one would open.
fn fingerprint(search: &Search) -> u64 {
    let mut hasher = DefaultHasher::new();
    search.base.to_lowercase().hash(&mut hasher);
    search.scope.hash(&mut hasher);
    search.filter.hash(&mut hasher);
    hasher.finish()
}

fn place_in(cookie: &[u8], fingerprint: u64) -> Option<usize> {
    let (place, rest) = cookie.split_first_chunk::<8>()?;
    let own = <[u8; 8]>::try_from(rest).ok()?;
    if u64::from_le_bytes(own) != fingerprint {
        return None;
    }
    usize::try_from(u64::from_le_bytes(*place)).ok()
}

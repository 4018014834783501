//! Pools and their members as they are now.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lab_core::check::{HealthCheck, Member, Pool, Spread};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Notify, watch};

/// A pool.
pub(super) struct LivePool {
    /// Its name in reports and pages.
    pub name: String,
    /// The active check.
    pub health: HealthCheck,
    /// Members, in the order of the file.
    pub members: Vec<Arc<LiveMember>>,
    spread: Spread,
    next: AtomicUsize,
}

/// A member of a pool.
pub(super) struct LiveMember {
    /// Who it is.
    pub member: Member,
    /// Notified when it shall be checked now.
    pub check_now: Notify,
    /// Healthy or not; none before the first check ended.
    state: watch::Sender<Option<bool>>,
    trouble: Mutex<String>,
    drained: AtomicBool,
    /// Notified when any member of the device changed.
    changed: Arc<Notify>,
}

impl LivePool {
    /// A pool whose members are not known to be healthy, but for those that another version of
    /// it knew.
    pub fn new(name: &str, pool: &Pool, before: Option<&Self>, changed: &Arc<Notify>) -> Self {
        let member = |member: &Member| {
            let known = before.and_then(|before| {
                let mut members = before.members.iter();
                *members
                    .find(|known| known.member == *member)?
                    .state
                    .borrow()
            });
            Arc::new(LiveMember {
                member: member.clone(),
                check_now: Notify::new(),
                state: watch::Sender::new(known),
                trouble: Mutex::default(),
                drained: AtomicBool::new(false),
                changed: changed.clone(),
            })
        };
        Self {
            name: name.to_owned(),
            health: pool.health.clone(),
            members: pool.members.iter().map(member).collect(),
            spread: pool.spread,
            next: AtomicUsize::new(0),
        }
    }

    /// Whether any member is healthy.
    pub fn is_alive(&self) -> bool {
        self.members.iter().any(|member| member.is_up())
    }

    /// Healthy members that take new clients, but for those in `tried`.
    pub fn candidates(&self, tried: &[Member]) -> Vec<&Arc<LiveMember>> {
        self.members
            .iter()
            .filter(|one| one.is_up() && !one.is_drained() && !tried.contains(&one.member))
            .collect()
    }

    /// Asks its members once more, now; true as soon as one is healthy, false when none is in half
    /// the time of a check. A VIP that stands behind this pool fails a check that met a dead member
    /// of its own, though it has left that one by now.
    pub async fn revives(&self) -> bool {
        let members = self.members.iter().filter(|one| !one.is_drained());
        let ups: Vec<_> = members
            .map(|member| {
                member.check_now.notify_one();
                Box::pin(member.up())
            })
            .collect();
        if ups.is_empty() {
            return false;
        }
        let any = futures::future::select_all(ups);
        tokio::time::timeout(self.health.timeout / 2, any)
            .await
            .is_ok()
    }

    /// Addresses of members whose last check failed.
    pub fn dead(&self) -> Vec<IpAddr> {
        let dead = self.members.iter().filter(|one| !one.is_up());
        dead.map(|one| one.member.address).collect()
    }

    /// How the pool spreads, for people.
    pub fn spread_name(&self) -> &'static str {
        match self.spread {
            Spread::RoundRobin => "round robin",
            Spread::Random => "random",
        }
    }

    /// One of the candidates, as the pool spreads.
    pub fn spread<'m>(&self, candidates: &[&'m Arc<LiveMember>]) -> Option<&'m Arc<LiveMember>> {
        let turn = match self.spread {
            Spread::RoundRobin => self.next.fetch_add(1, Ordering::Relaxed),
            Spread::Random => {
                let mut bytes = [0; size_of::<usize>()];
                // Without random numbers TLS would not have come so far.
                SystemRandom::new().fill(&mut bytes).ok()?;
                usize::from_ne_bytes(bytes)
            }
        };
        candidates.get(turn % candidates.len().max(1)).copied()
    }
}

impl LiveMember {
    /// Whether its last check succeeded.
    pub fn is_up(&self) -> bool {
        *self.state.borrow() == Some(true)
    }

    /// Whether a check has ended yet.
    pub fn is_known(&self) -> bool {
        self.state.borrow().is_some()
    }

    /// Whether it gets no new clients.
    pub fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// A check succeeded.
    pub fn is_well(&self) {
        self.set_up(true);
    }

    /// A check, or a request, failed.
    pub fn fails(&self, trouble: &str) {
        trouble.clone_into(&mut self.trouble.lock().unwrap_or_else(PoisonError::into_inner));
        self.set_up(false);
    }

    /// Why it failed last.
    pub fn trouble(&self) -> String {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_up(&self, up: bool) {
        if self
            .state
            .send_if_modified(|state| state.replace(up) != Some(up))
        {
            let now = if up { "healthy" } else { "down" };
            tracing::info!("{} is {now}", self.member.name);
            self.changed.notify_one();
        }
    }

    /// Drains it, or ends that.
    pub fn set_drained(&self, drained: bool) {
        if self.drained.swap(drained, Ordering::Relaxed) != drained {
            self.changed.notify_one();
        }
    }

    /// Waits until it is down.
    pub async fn down(&self) {
        // The sender lives in `self`, so there is no error.
        let _ = self
            .state
            .subscribe()
            .wait_for(|state| *state == Some(false))
            .await;
    }

    /// Waits until it is healthy.
    async fn up(&self) {
        // The sender lives in `self`, so there is no error.
        let _ = self
            .state
            .subscribe()
            .wait_for(|state| *state == Some(true))
            .await;
    }

    /// Its state, as reports call it.
    pub fn state_name(&self) -> &'static str {
        match (self.is_up(), self.is_drained()) {
            (false, _) => "down",
            (true, true) => "drained",
            (true, false) => "healthy",
        }
    }
}

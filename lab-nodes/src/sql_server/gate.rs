//! One writer at a time: who wants to write a database waits here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often who waits looks whether they shall stop.
const LOOK: Duration = Duration::from_millis(20);

/// The gate of a database.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Who is in, and who waits, in their order.
    queue: Mutex<Queue>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: VecDeque<u64>,
    taken: bool,
}

/// Who holds this may write; the next may when it is dropped.
#[derive(Debug)]
pub(super) struct Pass(Arc<Gate>);

impl Gate {
    /// Waits for its turn, for as long as is given; none when that is over, or when `stop` becomes
    /// true.
    pub fn enter(self: &Arc<Self>, longest: Duration, stop: &AtomicBool) -> Option<Pass> {
        let end = Instant::now().checked_add(longest);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let own = queue.next;
        queue.next += 1;
        queue.waiting.push_back(own);
        while queue.taken || queue.waiting.front() != Some(&own) {
            let over = end.is_some_and(|end| Instant::now() >= end);
            if over || stop.load(Ordering::Relaxed) {
                queue.waiting.retain(|number| *number != own);
                self.moved.notify_all();
                return None;
            }
            let waited = self.moved.wait_timeout(queue, LOOK);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.waiting.pop_front();
        queue.taken = true;
        Some(Pass(self.clone()))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.taken = false;
        self.0.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_for_the_first_or_gives_up() {
        let gate = Arc::new(Gate::default());
        let stop = AtomicBool::new(false);
        let first = gate.enter(Duration::ZERO, &stop).expect("nobody is in");
        assert!(gate.enter(Duration::ZERO, &stop).is_none());
        stop.store(true, Ordering::Relaxed);
        assert!(gate.enter(Duration::from_secs(60), &stop).is_none());
        drop(first);
        assert!(gate.enter(Duration::ZERO, &stop).is_some());
    }
}

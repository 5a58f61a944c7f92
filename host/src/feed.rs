//! Hands what happens to those who look on. Each of them has a bounded queue of its own: one that takes nothing loses what
//! comes meanwhile, is told how much that was, and holds up nobody.

mod event;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::sync::lock;

pub(crate) use event::{Event, Kind, looks_on, tell};

/// Of one listener. Further items are lost to it, and counted.
const ITEMS: usize = 2_000;
const BYTES: usize = 512 * 1024;

/// What a queue must know of its items.
pub(crate) trait Weigh {
    /// About what it takes in memory.
    fn bytes(&self) -> usize;
}

/// Where items are published. Without a listener that costs one load of an atomic.
pub(crate) struct Feed<T> {
    count: AtomicUsize,
    listeners: Mutex<Vec<Arc<Queue<T>>>>,
}

/// What a listener hears.
#[derive(Debug)]
pub(crate) enum Heard<T> {
    Item(Arc<T>),
    /// So many items are missing here.
    Dropped(u64),
}

/// One listener; dropping it ends it.
pub(crate) struct Listening<T: 'static> {
    feed: &'static Feed<T>,
    queue: Arc<Queue<T>>,
}

type Wants<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;

struct Queue<T> {
    wants: Wants<T>,
    waiting: Mutex<Waiting<T>>,
    news: Notify,
}

struct Waiting<T> {
    items: VecDeque<Heard<T>>,
    bytes: usize,
    dropped: u64,
}

impl<T: Weigh> Feed<T> {
    pub(crate) const fn new() -> Self {
        Self {
            count: AtomicUsize::new(0),
            listeners: Mutex::new(Vec::new()),
        }
    }

    /// Whether anybody listens.
    pub(crate) fn is_heard(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Hands an item to every listener that wants it; waits for none.
    pub(crate) fn publish(&self, item: &Arc<T>) {
        if !self.is_heard() {
            return;
        }
        for queue in lock(&self.listeners).iter() {
            if (queue.wants)(item) {
                queue.push(item);
            }
        }
    }

    /// Listens from here on, to what `wants` says.
    pub(crate) fn listen(&'static self, wants: impl Fn(&T) -> bool + Send + Sync + 'static) -> Listening<T> {
        let waiting = Waiting {
            items: VecDeque::new(),
            bytes: 0,
            dropped: 0,
        };
        let queue = Arc::new(Queue {
            wants: Box::new(wants),
            waiting: Mutex::new(waiting),
            news: Notify::new(),
        });
        lock(&self.listeners).push(queue.clone());
        self.count.fetch_add(1, Ordering::Relaxed);
        Listening { feed: self, queue }
    }
}

impl<T: Weigh> Queue<T> {
    fn push(&self, item: &Arc<T>) {
        let mut waiting = lock(&self.waiting);
        if waiting.items.len() >= ITEMS || waiting.bytes + item.bytes() > BYTES {
            waiting.dropped += 1;
            return;
        }
        if waiting.dropped > 0 {
            let dropped = std::mem::take(&mut waiting.dropped);
            waiting.items.push_back(Heard::Dropped(dropped));
        }
        waiting.bytes += item.bytes();
        waiting.items.push_back(Heard::Item(item.clone()));
        drop(waiting);
        self.news.notify_one();
    }

    fn pop(&self) -> Option<Heard<T>> {
        let mut waiting = lock(&self.waiting);
        match waiting.items.pop_front() {
            Some(Heard::Item(item)) => {
                waiting.bytes = waiting.bytes.saturating_sub(item.bytes());
                Some(Heard::Item(item))
            }
            None if waiting.dropped > 0 => Some(Heard::Dropped(std::mem::take(&mut waiting.dropped))),
            other => other,
        }
    }
}

impl<T: Weigh> Listening<T> {
    /// What waits, without waiting for more.
    pub(crate) fn waiting(&self) -> Option<Heard<T>> {
        self.queue.pop()
    }

    /// Waits for what comes next.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn next(&self) -> Heard<T> {
        loop {
            if let Some(heard) = self.queue.pop() {
                return heard;
            }
            self.queue.news.notified().await;
        }
    }
}

impl<T> Drop for Listening<T> {
    fn drop(&mut self) {
        lock(&self.feed.listeners).retain(|queue| !Arc::ptr_eq(queue, &self.queue));
        self.feed.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for u64 {
        fn bytes(&self) -> usize {
            8
        }
    }

    #[test]
    fn who_does_not_read_loses_what_comes_meanwhile_and_is_told_how_much_and_where() {
        static FEED: Feed<u64> = Feed::new();
        FEED.publish(&Arc::new(0));
        let even = FEED.listen(|number| number % 2 == 0);
        let all = FEED.listen(|_| true);
        let count = ITEMS as u64 + 7;
        for number in 0..count {
            FEED.publish(&Arc::new(number));
        }
        for number in 0..ITEMS as u64 {
            assert!(matches!(all.waiting(), Some(Heard::Item(heard)) if *heard == number));
        }
        FEED.publish(&Arc::new(count));
        assert!(matches!(all.waiting(), Some(Heard::Dropped(7))));
        assert!(matches!(all.waiting(), Some(Heard::Item(heard)) if *heard == count));
        assert!(all.waiting().is_none());
        let evens = std::iter::from_fn(|| even.waiting()).count() as u64;
        assert_eq!(evens, count.div_ceil(2));
        drop((even, all));
        assert!(!FEED.is_heard());
    }

    #[test]
    fn a_queue_is_bounded_in_bytes_too() {
        static FEED: Feed<Heavy> = Feed::new();
        struct Heavy;
        impl Weigh for Heavy {
            fn bytes(&self) -> usize {
                BYTES / 2
            }
        }
        let listening = FEED.listen(|_| true);
        (0..5).for_each(|_| FEED.publish(&Arc::new(Heavy)));
        assert!(matches!(listening.waiting(), Some(Heard::Item(_))));
        assert!(matches!(listening.waiting(), Some(Heard::Item(_))));
        assert!(matches!(listening.waiting(), Some(Heard::Dropped(3))));
    }
}

//! One lane for each conversation: in order inside, in parallel across, round robin.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Decides who runs next; knows neither clock nor disk.
///
/// *Order*: items of one key run one after the other in the order of `push`. *Fairness*: keys that wait take
/// turns. *Bounds*: at most `limit` keys run; an item that runs alone shares the time with nobody. The number of
/// waiting items is bounded by who pushes. While items that run alone are held back, so are those behind them. An
/// *open* item, the last of its lane, waits for what may still join it: until `settled`, or until another one comes
/// behind it.
pub(crate) struct Lanes<K, T> {
    lanes: HashMap<K, Lane<T>>,
    /// Keys that wait and do not run, in the order of their turn.
    ready: VecDeque<K>,
    /// Keys whose next item runs alone, while such items are held back.
    held: Option<Vec<K>>,
    running: usize,
    alone: bool,
    limit: usize,
}

struct Lane<T> {
    waiting: VecDeque<(T, bool)>,
    running: bool,
    /// The last one that waits is open.
    open: bool,
}

impl<T> Lane<T> {
    /// Whether the next item can have its turn.
    fn is_ready(&self) -> bool {
        let only_open = self.open && self.waiting.len() == 1;
        !self.running && !self.waiting.is_empty() && !only_open
    }
}

impl<K: Clone + Eq + Hash, T> Lanes<K, T> {
    /// At most `limit` keys run at once; at least one does.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            held: None,
            running: 0,
            alone: false,
            limit: limit.max(1),
        }
    }

    /// Another limit, for those that begin from here on.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }

    /// Queues an item; `alone` keeps all others from running beside it.
    pub(crate) fn push(&mut self, key: K, item: T, alone: bool) {
        self.insert(key, (item, alone), false);
    }

    /// Queues an open item.
    pub(crate) fn push_open(&mut self, key: K, item: T) {
        self.insert(key, (item, false), true);
    }

    fn insert(&mut self, key: K, item: (T, bool), open: bool) {
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            running: false,
            open: false,
        });
        let was_ready = lane.is_ready();
        lane.waiting.push_back(item);
        lane.open = open;
        if !was_ready && lane.is_ready() {
            self.ready.push_back(key);
        }
    }

    /// Nothing more joins the open item of `key`.
    pub(crate) fn settled(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.open) else {
            return;
        };
        let was_ready = lane.is_ready();
        lane.open = false;
        if !was_ready && lane.is_ready() {
            self.ready.push_back(key.clone());
        }
    }

    /// Items of `key` that wait, in order, each with whether it runs alone.
    pub(crate) fn waiting_mut(&mut self, key: &K) -> impl DoubleEndedIterator<Item = (&mut T, bool)> {
        let waiting = self.lanes.get_mut(key).map(|lane| lane.waiting.iter_mut());
        waiting.into_iter().flatten().map(|(item, alone)| (item, *alone))
    }

    /// Items of all keys that wait.
    pub(crate) fn items(&self) -> impl Iterator<Item = &T> {
        self.lanes
            .values()
            .flat_map(|lane| lane.waiting.iter().map(|(item, _)| item))
    }

    /// Holds back what runs alone until `release`.
    pub(crate) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Lets go what `hold` held back.
    pub(crate) fn release(&mut self) {
        self.ready.extend(self.held.take().unwrap_or_default());
    }

    /// The next item that may start; its key runs until `finish`.
    pub(crate) fn next(&mut self) -> Option<(K, T)> {
        if self.alone || self.running >= self.limit {
            return None;
        }
        self.put_held_aside();
        let key = self.ready.front()?.clone();
        let alone = self.next_runs_alone(&key);
        if alone && self.running > 0 {
            return None;
        }
        let lane = self.lanes.get_mut(&key)?;
        self.ready.pop_front();
        let (item, _) = lane.waiting.pop_front()?;
        lane.running = true;
        self.running += 1;
        self.alone = alone;
        Some((key, item))
    }

    fn put_held_aside(&mut self) {
        while let Some(key) = self.ready.front()
            && self.held.is_some()
            && self.next_runs_alone(key)
        {
            let key = self.ready.pop_front();
            self.held.get_or_insert_default().extend(key);
        }
    }

    fn next_runs_alone(&self, key: &K) -> bool {
        let next = self.lanes.get(key).and_then(|lane| lane.waiting.front());
        next.is_some_and(|(_, alone)| *alone)
    }

    /// Ends the run of `key`.
    pub(crate) fn finish(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.running) else {
            return;
        };
        lane.running = false;
        self.running -= 1;
        self.alone = false;
        if lane.waiting.is_empty() {
            self.lanes.remove(key);
        } else if lane.is_ready() {
            self.ready.push_back(key.clone());
        }
    }

    /// Takes out the first waiting item that `which` names.
    pub(crate) fn withdraw(&mut self, which: impl Fn(&T) -> bool) -> Option<(K, T)> {
        let place = |lane: &Lane<T>| lane.waiting.iter().position(|(item, _)| which(item));
        let (key, at) = self
            .lanes
            .iter()
            .find_map(|(key, lane)| Some((key.clone(), place(lane)?)))?;
        let lane = self.lanes.get_mut(&key)?;
        let (item, _) = lane.waiting.remove(at)?;
        lane.open &= at < lane.waiting.len();
        let (ready, over) = (lane.is_ready(), lane.waiting.is_empty() && !lane.running);
        if !ready {
            self.ready.retain(|ready| *ready != key);
            if let Some(held) = &mut self.held {
                held.retain(|held| *held != key);
            }
        }
        if over {
            self.lanes.remove(&key);
        }
        Some((key, item))
    }

    /// Items of `key` that wait.
    #[cfg(test)]
    pub(crate) fn waiting_of(&self, key: &K) -> usize {
        self.lanes.get(key).map_or(0, |lane| lane.waiting.len())
    }

    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Number of items of all keys that wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.items().count()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_take_turns() {
        let mut lanes = Lanes::new(1);
        for item in 0..3 {
            lanes.push('a', item, false);
        }
        lanes.push('b', 10, false);
        let mut order = Vec::new();
        while let Some((key, item)) = lanes.next() {
            order.push(item);
            lanes.finish(&key);
        }
        assert_eq!(order, [0, 10, 1, 2]);
    }

    #[test]
    fn what_is_held_back_keeps_its_place_in_its_lane_and_others_pass() {
        let mut lanes = Lanes::new(8);
        lanes.hold();
        lanes.push('c', 9, true);
        lanes.push('a', 1, true);
        lanes.push('a', 2, false);
        lanes.push('b', 3, false);
        assert_eq!(lanes.next(), Some(('b', 3)));
        assert_eq!(lanes.next(), None);
        lanes.push('a', 4, false);
        lanes.finish(&'b');
        assert_eq!(lanes.withdraw(|item| *item == 9), Some(('c', 9)));
        assert_eq!((lanes.next(), lanes.waiting()), (None, 3));
        lanes.release();
        for item in [1, 2, 4] {
            assert_eq!(lanes.next(), Some(('a', item)));
            assert_eq!(lanes.next(), None);
            lanes.finish(&'a');
        }
    }

    #[test]
    fn an_item_that_runs_alone_waits_for_the_others_and_holds_them_off() {
        let mut lanes = Lanes::new(8);
        lanes.push('a', 1, false);
        lanes.push('b', 2, true);
        lanes.push('c', 3, false);
        assert_eq!(lanes.next(), Some(('a', 1)));
        assert_eq!(lanes.next(), None);
        lanes.finish(&'a');
        assert_eq!(lanes.next(), Some(('b', 2)));
        assert_eq!(lanes.next(), None);
        lanes.finish(&'b');
        assert_eq!(lanes.next(), Some(('c', 3)));
    }

    #[test]
    fn an_item_that_is_taken_out_leaves_the_others_in_order() {
        let mut lanes = Lanes::new(1);
        for item in 0..3 {
            lanes.push('a', item, false);
        }
        lanes.push('b', 10, false);
        assert_eq!(lanes.withdraw(|item| *item == 1), Some(('a', 1)));
        assert_eq!(lanes.withdraw(|item| *item == 10), Some(('b', 10)));
        assert_eq!(lanes.withdraw(|item| *item == 10), None);
        let mut order = Vec::new();
        while let Some((key, item)) = lanes.next() {
            order.push(item);
            lanes.finish(&key);
        }
        assert_eq!(order, [0, 2]);
    }

    #[test]
    fn an_open_item_waits_until_it_is_settled_or_another_one_comes() {
        let mut lanes = Lanes::new(8);
        lanes.push_open('a', 1);
        assert_eq!(lanes.next(), None);
        lanes.settled(&'a');
        lanes.settled(&'a');
        assert_eq!((lanes.next(), lanes.next()), (Some(('a', 1)), None));
        lanes.push_open('a', 2);
        lanes.finish(&'a');
        assert_eq!(lanes.next(), None);
        lanes.push('a', 3, false);
        assert_eq!(lanes.next(), Some(('a', 2)));
        lanes.push_open('a', 4);
        lanes.finish(&'a');
        assert_eq!(lanes.withdraw(|item| *item == 3), Some(('a', 3)));
        assert_eq!(lanes.next(), None);
        assert_eq!(lanes.withdraw(|item| *item == 4), Some(('a', 4)));
        lanes.push('a', 5, false);
        assert_eq!((lanes.next(), lanes.waiting()), (Some(('a', 5)), 0));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8, bool),
        PushOpen(u8),
        Settle(u8),
        Next,
        Finish(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..5u8, prop::bool::weighted(0.1)).prop_map(|(key, alone)| Step::Push(key, alone)),
            1 => (0..5u8).prop_map(Step::PushOpen),
            1 => (0..5u8).prop_map(Step::Settle),
            3 => Just(Step::Next),
            2 => any::<usize>().prop_map(Step::Finish),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_doubled_or_reordered(steps in steps(), limit in 1..4usize) {
            let mut lanes = Lanes::new(limit);
            let (mut pushed, mut started): (HashMap<u8, Vec<u32>>, HashMap<u8, Vec<u32>>) = Default::default();
            let (mut running, mut count) = (Vec::new(), 0u32);
            let mut start = |lanes: &mut Lanes<u8, u32>, running: &mut Vec<u8>| -> bool {
                let Some((key, item)) = lanes.next() else { return false };
                assert!(!running.contains(&key), "two runs of one key");
                started.entry(key).or_default().push(item);
                running.push(key);
                assert!(running.len() <= limit);
                true
            };
            for step in steps {
                match step {
                    Step::Push(key, alone) => {
                        lanes.push(key, count, alone);
                        pushed.entry(key).or_default().push(count);
                        count += 1;
                    }
                    Step::PushOpen(key) => {
                        lanes.push_open(key, count);
                        pushed.entry(key).or_default().push(count);
                        count += 1;
                    }
                    Step::Settle(key) => lanes.settled(&key),
                    Step::Next => drop(start(&mut lanes, &mut running)),
                    Step::Finish(index) if !running.is_empty() => {
                        let key = running.swap_remove(index % running.len());
                        lanes.finish(&key);
                    }
                    Step::Finish(_) => {}
                }
                prop_assert_eq!(lanes.running(), running.len());
            }
            (0..5).for_each(|key| lanes.settled(&key));
            loop {
                while start(&mut lanes, &mut running) {}
                let Some(key) = running.pop() else { break };
                lanes.finish(&key);
            }
            prop_assert_eq!(started, pushed);
            prop_assert_eq!(lanes.waiting(), 0);
            prop_assert_eq!(lanes.waiting_of(&0), 0);
        }
    }
}

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;

use super::SpoolError;
use super::work::Task;

/// Tasks that may wait for the writer. Where it is full, callers wait.
const ROOM: usize = 1_024;

/// The way from callers to the writer thread: in order, bounded, closed from either side.
pub(super) struct Queue {
    room: Semaphore,
    line: Mutex<Line>,
    arrived: Condvar,
}

#[derive(Default)]
struct Line {
    tasks: VecDeque<Box<dyn Task>>,
    closed: bool,
}

/// A task on its way into the queue. Dropped while it waits for room it goes in all the same, so that a
/// cancelled caller changes nothing; each caller can exceed the bound by that one task only.
pub(super) struct Submission {
    queue: Arc<Queue>,
    task: Option<Box<dyn Task>>,
}

impl Queue {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            room: Semaphore::new(ROOM),
            line: Mutex::new(Line::default()),
            arrived: Condvar::new(),
        })
    }

    /// Puts a task in line at once where there is room, otherwise when the submission is awaited or dropped.
    pub(super) fn submit(self: &Arc<Self>, task: Box<dyn Task>) -> Submission {
        let mut submission = Submission {
            queue: Arc::clone(self),
            task: Some(task),
        };
        if let Ok(permit) = self.room.try_acquire() {
            permit.forget();
            submission.push();
        }
        submission
    }

    /// Moves up to `limit` tasks to `into`; waits for the first one, at most to `until`. False where the queue
    /// is closed and empty.
    pub(super) fn take(&self, into: &mut Vec<Box<dyn Task>>, limit: usize, until: Option<Instant>) -> bool {
        let mut line = self.line();
        while line.tasks.is_empty() {
            if line.closed {
                return false;
            }
            let Some(until) = until else {
                line = self.arrived.wait(line).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let waited = self.arrived.wait_timeout(line, left);
            line = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = line.tasks.len().min(limit);
        into.extend(line.tasks.drain(..count));
        drop(line);
        self.room.add_permits(count);
        true
    }

    /// Takes nothing more; what is in line stays there for [`Queue::take`].
    pub(super) fn close(&self) {
        self.line().closed = true;
        self.room.close();
        self.arrived.notify_all();
    }

    /// Closes and answers what is in line with `error`.
    pub(super) fn refuse(&self, error: &SpoolError) {
        self.close();
        let tasks = std::mem::take(&mut self.line().tasks);
        for task in tasks {
            task.settle(Err(error.clone()));
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Submission {
    /// Returns when the task is in line.
    pub(super) async fn enter(mut self) {
        if self.task.is_none() {
            return;
        }
        // A closed queue gives no permit: the push then answers the task.
        if let Ok(permit) = self.queue.room.acquire().await {
            permit.forget();
        }
        self.push();
    }

    fn push(&mut self) {
        let Some(task) = self.task.take() else { return };
        let mut line = self.queue.line();
        if line.closed {
            drop(line);
            task.settle(Err(SpoolError::Closed));
            return;
        }
        line.tasks.push_back(task);
        drop(line);
        self.queue.arrived.notify_one();
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        self.push();
    }
}

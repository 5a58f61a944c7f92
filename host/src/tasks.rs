//! The one place that spawns: every task has a name, is joined, and its panic is logged.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::error;

/// Tasks that belong together. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Tasks(TaskTracker);

impl Tasks {
    /// Runs a task; `None` from its handle says that it panicked, which is in the log by then.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        // Boxed, so that what runs a task is compiled once for each type of value, not for each task.
        self.0.spawn(guarded(name, task.boxed()))
    }

    /// Waits until no task is left; more may be spawned meanwhile.
    pub(crate) async fn join(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

async fn guarded<T>(name: &'static str, task: BoxFuture<'static, T>) -> Option<T> {
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok(value) => Some(value),
        Err(panic) => {
            error!(task = name, panic = panic_text(panic.as_ref()), "Task panicked");
            None
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

use super::shared::CommitTimes;
use super::work::{Need, Tx, Work};
use super::{SpoolError, SqliteSpool};

/// Asks for a commit and nothing in it.
struct Probe;

impl Work for Probe {
    type Answer = ();
    const NEED: Need = Need::Written;

    fn run(&self, _: &mut Tx<'_, '_>) -> rusqlite::Result<()> {
        Ok(())
    }
}

/// Tells that it holds up the writer, and does so until the other end goes.
#[cfg(test)]
struct Hang(
    std::sync::mpsc::Sender<()>,
    std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
);

#[cfg(test)]
impl Work for Hang {
    type Answer = ();
    const NEED: Need = Need::Read;

    fn run(&self, _: &mut Tx<'_, '_>) -> rusqlite::Result<()> {
        self.0.send(()).unwrap();
        let _ = self.1.lock().unwrap().recv();
        Ok(())
    }
}

impl SqliteSpool {
    /// Holds up the writer until what it returns is dropped.
    #[cfg(test)]
    pub(crate) fn hang(&self) -> std::sync::mpsc::Sender<()> {
        let (release, held) = std::sync::mpsc::channel();
        let (begins, begun) = std::sync::mpsc::channel();
        drop(self.ask(Hang(begins, std::sync::Mutex::new(held))));
        begun.recv().unwrap();
        release
    }

    /// Goes through the writer and its next commit, which notes the time, so that the disk is written to.
    ///
    /// # Errors
    /// While the disk takes nothing, or for good.
    pub(crate) async fn probe(&self) -> Result<(), SpoolError> {
        self.ask(Probe).await
    }

    /// Why the disk takes nothing, as far as the last commit tells.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.shared.trouble.borrow().clone()
    }

    /// How long commits took.
    pub(crate) fn commit_times(&self) -> &CommitTimes {
        &self.shared.commits
    }
}

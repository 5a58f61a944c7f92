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

impl SqliteSpool {
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

//! The promises of sessions, each against a real spool and real files.

mod checkpoints;
mod model;
mod sweeping;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use miniclaw_plugin_api::Role;
use tempfile::TempDir;

use super::*;
use crate::spool::{Appended, FinishedTurn, Spool, SqliteSpool};

struct World {
    dir: TempDir,
    running: Option<(Arc<SqliteSpool>, Arc<SessionManager>)>,
    cache: usize,
}

impl World {
    fn new() -> Self {
        Self::with_cache(100)
    }

    fn with_cache(cache: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = Self {
            dir,
            running: None,
            cache,
        };
        world.crash();
        world
    }

    fn spool(&self) -> &Arc<SqliteSpool> {
        &self.running.as_ref().unwrap().0
    }

    fn sessions(&self) -> &Arc<SessionManager> {
        &self.running.as_ref().unwrap().1
    }

    fn sessions_dir(&self) -> PathBuf {
        self.dir.path().join("sessions")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.sessions_dir().join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = file::names(&self.sessions_dir()).unwrap().collect();
        names.sort();
        names
    }

    /// Ends without a clean stop and starts again.
    fn crash(&mut self) {
        self.running = None;
        let spool = SqliteSpool::open(self.dir.path()).unwrap().spool;
        let sessions = SessionManager::new(
            Arc::<SqliteSpool>::clone(&spool),
            self.sessions_dir(),
            4,
            self.cache,
        );
        self.running = Some((spool, sessions));
    }

    /// Starts with another spool, as after the loss of the first one.
    fn lose_spool(&mut self) {
        self.running = None;
        for name in ["spool.db", "spool.db-wal", "spool.db-shm"] {
            let _ = fs::remove_file(self.dir.path().join(name));
        }
        self.crash();
    }

    async fn restart(&mut self) {
        self.sessions().checkpoint().await;
        self.spool().close().await.unwrap();
        self.crash();
    }

    async fn texts(&self, name: &str) -> Vec<String> {
        let snapshot = self.sessions().snapshot(&key(name)).await.unwrap();
        snapshot.entries.iter().map(|entry| entry.text.clone()).collect()
    }

    /// A turn that adds one message.
    async fn turn(&self, name: &str, text: &str) {
        let generation = self.sessions().snapshot(&key(name)).await.unwrap().generation;
        let entries = vec![entry(text)];
        let row = self.finish(name, generation, entries.clone(), false).await;
        self.sessions().applied(&key(name), generation, row, entries);
    }

    /// A summary of all but the last `keeps` messages.
    async fn sum_up(&self, name: &str, text: &str, keeps: usize) {
        let generation = self.sessions().snapshot(&key(name)).await.unwrap().generation;
        let entries = vec![Entry {
            role: Role::System,
            summary: Some(Summary { keeps, stands_for: 1 }),
            ..entry(text)
        }];
        let row = self.finish(name, generation, entries.clone(), false).await;
        self.sessions().applied(&key(name), generation, row, entries);
    }

    /// The turn that `/new` is.
    async fn start_over(&self, name: &str) {
        let generation = self.sessions().snapshot(&key(name)).await.unwrap().generation;
        self.finish(name, generation, Vec::new(), true).await;
        self.sessions().reset(&key(name), generation + 1);
    }

    async fn finish(
        &self,
        name: &str,
        generation: u64,
        entries: Vec<Entry>,
        new_generation: bool,
    ) -> Option<Appended> {
        let turn = FinishedTurn {
            session: key(name),
            generation,
            new_generation,
            inbound: Vec::new(),
            entries,
            channel: "t".into(),
            chunks: Vec::new(),
            story: None,
            usage: Vec::new(),
            choice: None,
        };
        self.spool().finish(&turn).await.unwrap().journal
    }
}

fn key(name: &str) -> SessionKey {
    SessionKey(name.into())
}

fn entry(text: &str) -> Entry {
    Entry::new(Role::User, text, 1)
}

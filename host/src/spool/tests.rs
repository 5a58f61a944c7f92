//! The promises of the store, each against a real file.

mod check;
mod crash;
mod files;
mod flow;
mod letters;
mod log;
mod salvage;
mod trouble;
mod usage;

use miniclaw_plugin_api::{ChatRef, InboundMessage, OutboundMessage, Role};
use rusqlite::Connection;
use tempfile::TempDir;

use super::work::{Need, Tx, Work};
use super::*;

struct Store {
    dir: TempDir,
    opened: Option<Opened>,
}

impl Store {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let opened = Some(SqliteSpool::open(dir.path()).unwrap());
        Self { dir, opened }
    }

    fn spool(&self) -> &SqliteSpool {
        &self.opened().spool
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().unwrap()
    }

    /// Ends without a clean stop and starts again.
    fn crash(&mut self) {
        self.opened = None;
        self.opened = Some(SqliteSpool::open(self.dir.path()).unwrap());
    }

    async fn restart(&mut self) {
        self.spool().close().await.unwrap();
        self.crash();
    }
}

fn session(name: &str) -> SessionKey {
    SessionKey(name.into())
}

fn message(id: &str) -> BatchItem {
    BatchItem::Message {
        session: session("t_7"),
        message: Box::new(InboundMessage::new("7", id, "42", format!("text {id}"))),
    }
}

fn refused(id: &str) -> BatchItem {
    BatchItem::Refused {
        message: Box::new(InboundMessage::new("7", id, "42", "too much")),
        note: Some(Box::new(OutboundMessage::new(ChatRef::new("7"), "slow down"))),
        session: session("t_7"),
    }
}

fn batch(items: Vec<BatchItem>, cursor: Option<&str>) -> Batch {
    Batch {
        channel: "t".into(),
        account: "bot".into(),
        items,
        cursor: cursor.map(str::to_owned),
    }
}

async fn accept(spool: &SqliteSpool, id: &str) -> InboundRow {
    let mut admissions = spool.accept(batch(vec![message(id)], None)).await.unwrap();
    match admissions.remove(0) {
        Admission::Accepted(row) => row,
        other => panic!("{id} is {other:?}"),
    }
}

fn entry(text: &str) -> Entry {
    Entry::new(Role::User, text, 1)
}

fn turn(inbound: &[u64], generation: u64, chunks: usize) -> FinishedTurn {
    let chunk = |n| OutboundMessage::new(ChatRef::new("7"), format!("chunk {n}"));
    FinishedTurn {
        session: session("t_7"),
        generation,
        new_generation: false,
        inbound: inbound.to_vec(),
        entries: vec![entry("question"), entry("answer")],
        channel: "t".into(),
        chunks: (0..chunks).map(chunk).collect(),
        story: None,
        usage: Vec::new(),
        choice: None,
    }
}

async fn pending(spool: &SqliteSpool) -> Vec<InboundRow> {
    spool.pending(0, 1_000).await.unwrap()
}

async fn outbox(spool: &SqliteSpool) -> Vec<OutboxRow> {
    spool.outbox("t".into(), None, 0, 1_000).await.unwrap().0
}

async fn journal_seqs(spool: &SqliteSpool) -> (u64, Vec<u64>) {
    let journal = spool.journal(session("t_7"), 0).await.unwrap();
    (
        journal.generation,
        journal.rows.iter().map(|row| row.seq).collect(),
    )
}

/// Does as told on the writer thread, inside a transaction or, as a read, outside of one.
struct Inject<F, const IN_TRANSACTION: bool>(F);

impl<F, T, const IN_TRANSACTION: bool> Work for Inject<F, IN_TRANSACTION>
where
    F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    T: Send + 'static,
{
    type Answer = T;
    const NEED: Need = if IN_TRANSACTION { Need::Written } else { Need::Read };

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<T> {
        (self.0)(tx.conn)
    }
}

/// Runs a query for one number on the writer's connection, outside of a transaction.
async fn number(spool: &SqliteSpool, sql: &'static str) -> i64 {
    let query = move |conn: &Connection| conn.query_row(sql, [], |row| row.get(0));
    spool.ask(Inject::<_, false>(query)).await.unwrap()
}

type Held = BoxFuture<'static, Result<(), SpoolError>>;

/// Keeps the writer busy until the sender is used.
fn hold(spool: &SqliteSpool) -> (std::sync::mpsc::Sender<()>, Held) {
    let (release, held) = std::sync::mpsc::channel();
    let held = std::sync::Mutex::new(held);
    let wait = move |_: &Connection| {
        held.lock().unwrap().recv().unwrap();
        Ok(())
    };
    (release, Box::pin(spool.ask(Inject::<_, false>(wait))))
}

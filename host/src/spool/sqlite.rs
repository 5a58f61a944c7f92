use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tracing::error;

use super::accept::{Accept, Body, Item, Stored, key};
use super::aliases::{Alias, Aliases};
use super::clock::Clock;
use super::finish::Finish;
use super::inbound::{Cursor, MarkStarted, Pending};
use super::journal::{RaiseGeneration, ReadJournal, TrimJournal};
use super::letters::Unreadable;
use super::open::{self, Started};
use super::send::{Outbox, Record, fresh};
use super::shared::Shared;
use super::upkeep::{Close, Upkeep};
use super::usage::{NoteDraft, ReadSpent};
use super::work::{Ask, Work};
use super::writer;
use super::{
    Admission, Batch, BatchItem, Committed, FinishedTurn, InboundRow, Journal, OutboxRow, SendEvent, Spent,
    Spool, SpoolError,
};
use crate::sessions::SessionKey;

/// The [`Spool`] in an SQLite file of the state folder, `spool.db`. One thread owns the file: it commits
/// whatever is queued as one transaction and answers afterwards.
///
/// Dropped without [`Spool::close`] it does what is queued and ends as after a crash.
pub(crate) struct SqliteSpool {
    pub(super) shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

/// What [`SqliteSpool::open`] found.
pub(crate) struct Opened {
    pub(crate) spool: Arc<SqliteSpool>,
    /// The process before this one stopped cleanly, or there was none.
    pub(crate) clean: bool,
    /// Inbound rows that wait for their turn.
    pub(crate) pending: u64,
    /// Outbox rows that wait to be sent.
    pub(crate) outbox: u64,
    /// Dead letters, in and out, those of this start included.
    pub(crate) dead: u64,
    /// Messages that ended the process too often and became dead letters at this start.
    pub(crate) buried: Vec<InboundRow>,
    /// Starts of this store, this one included.
    pub(crate) epoch: u64,
}

impl SqliteSpool {
    /// Opens the spool in `dir`, or makes one. Blocks for a few milliseconds, longer after a crash.
    ///
    /// # Errors
    /// [`SpoolError::Refused`] where the file is damaged, of a newer version, or not to be written; it is left as it is.
    pub(crate) fn open(dir: &Path) -> Result<Opened, SpoolError> {
        let path = dir.join(open::FILE);
        let started = open::start(&path)?;
        let Started { conn, ids, .. } = started;
        let name = path.display().to_string();
        let shared = Arc::new(Shared::new(
            name.clone(),
            started.id,
            Clock::starting_at(started.activity),
        ));
        let thread = std::thread::Builder::new().name("mc-spool".into());
        let on_thread = Arc::clone(&shared);
        let writer = thread
            .spawn(move || writer::run(conn, ids, &on_thread))
            .map_err(|error| {
                let reason = format!("cannot start its thread: {error}");
                SpoolError::Refused { path: name, reason }
            })?;
        Ok(Opened {
            spool: Arc::new(Self {
                shared,
                writer: Some(writer),
            }),
            clean: started.clean,
            pending: started.pending,
            outbox: started.outbox,
            dead: started.dead,
            buried: started.buried,
            epoch: started.epoch,
        })
    }

    /// Queues the work at once; the future only waits for the answer.
    pub(super) fn ask<W: Work>(
        &self,
        work: W,
    ) -> impl Future<Output = Result<W::Answer, SpoolError>> + Send + use<W> {
        let (reply, answer) = oneshot::channel();
        let submission = self.shared.queue.submit(Ask::new(work, reply));
        let shared = Arc::clone(&self.shared);
        async move {
            submission.enter().await;
            // Only a panic of the writer leaves a task without an answer.
            answer
                .await
                .unwrap_or_else(|_| Err(shared.fail("its writer panicked".into())))
        }
    }

    /// The error of a request that cannot be done, with its reason.
    fn refused(&self, reason: String) -> SpoolError {
        SpoolError::Refused {
            path: self.shared.path.clone(),
            reason,
        }
    }

    pub(super) fn spool_id(&self) -> &str {
        &self.shared.id
    }

    /// Makes dead letters of rows that cannot be read; whether there were any.
    async fn set_aside(&self, inbound: bool, rows: Vec<(u64, String)>) -> Result<bool, SpoolError> {
        for (id, reason) in &rows {
            error!(id, reason, "Row of the spool cannot be read and is a dead letter");
        }
        let any = !rows.is_empty();
        if any {
            self.ask(Unreadable { inbound, rows }).await?;
        }
        Ok(any)
    }

    fn json<T: serde::Serialize>(&self, value: &T) -> Result<String, SpoolError> {
        serde_json::to_string(value)
            .map_err(|error| self.refused(format!("cannot write it as JSON: {error}")))
    }

    fn item(&self, batch: &Batch, item: &BatchItem) -> Result<Item, SpoolError> {
        let (session, message, body) = match item {
            BatchItem::Message { session, message } => (session, message, Body::Message(self.json(message)?)),
            BatchItem::Refused {
                message,
                note,
                session,
            } => {
                let note = note.as_ref().map(|note| self.json(note)).transpose()?;
                (session, message, Body::Refused(note))
            }
        };
        Ok(Item {
            key: key(&batch.channel, &batch.account, message),
            session: Arc::clone(&session.0),
            body,
        })
    }

    fn admission(&self, channel: &Arc<str>, item: BatchItem, stored: Stored) -> Admission {
        match (stored, item) {
            (Stored::Accepted { seq, received_ms }, BatchItem::Message { session, message }) => {
                Admission::Accepted(InboundRow {
                    seq,
                    channel: Arc::clone(channel),
                    session,
                    message: Arc::from(message),
                    attempts: 0,
                    suspect: false,
                    received_ms,
                    draft: None,
                })
            }
            (
                Stored::Noted { id, reply, created },
                BatchItem::Refused {
                    session,
                    note: Some(note),
                    ..
                },
            ) => Admission::Noted(fresh(
                &self.shared.id,
                id,
                channel,
                session,
                reply,
                *note,
                created,
            )),
            (Stored::Refused, _) => Admission::Refused,
            (Stored::RefusedBefore, _) => Admission::RefusedBefore,
            _ => Admission::Duplicate,
        }
    }

    #[cfg(test)]
    pub(crate) fn advance(&self, by: std::time::Duration) {
        self.shared.clock.advance(by);
    }
}

impl Spool for SqliteSpool {
    fn id(&self) -> &str {
        &self.shared.id
    }

    fn accept(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Admission>, SpoolError>> {
        let items = batch
            .items
            .iter()
            .map(|item| self.item(&batch, item))
            .collect::<Result<_, _>>();
        let Batch {
            channel,
            account,
            cursor,
            items: given,
        } = batch;
        let asked = items.map(|items| {
            self.ask(Accept {
                channel: Arc::clone(&channel),
                account,
                cursor,
                items,
            })
        });
        Box::pin(async move {
            let stored = asked?.await?;
            let admit = |(item, stored)| self.admission(&channel, item, stored);
            Ok(given.into_iter().zip(stored).map(admit).collect())
        })
    }

    fn finish<'a>(&'a self, turn: &FinishedTurn) -> BoxFuture<'a, Result<Committed, SpoolError>> {
        let entries = (!turn.entries.is_empty())
            .then(|| self.json(&turn.entries))
            .transpose();
        let bodies = turn
            .chunks
            .iter()
            .map(|chunk| self.json(chunk))
            .collect::<Result<_, _>>();
        let choice = turn.choice.as_ref().map(|choice| self.json(choice)).transpose();
        let asked = entries.and_then(|entries| {
            Ok(self.ask(Finish {
                session: Arc::clone(&turn.session.0),
                generation: turn.generation,
                new_generation: turn.new_generation,
                inbound: turn.inbound.clone(),
                entries,
                channel: Arc::clone(&turn.channel),
                chunks: bodies?,
                story: turn.story.clone(),
                usage: turn.usage.clone(),
                choice: choice?,
            }))
        });
        let (session, channel, chunks) = (turn.session.clone(), turn.channel.clone(), turn.chunks.clone());
        Box::pin(async move {
            let done = asked?.await?;
            let spool = &self.shared.id;
            let row = |(id, chunk)| {
                fresh(
                    spool,
                    id,
                    &channel,
                    session.clone(),
                    done.reply,
                    chunk,
                    done.created,
                )
            };
            Ok(Committed {
                outbox: done.ids.into_iter().zip(chunks).map(row).collect(),
                journal: done.journal,
            })
        })
    }

    fn record(&self, event: SendEvent) -> BoxFuture<'_, Result<usize, SpoolError>> {
        Box::pin(self.ask(Record(event)))
    }

    fn failed(&self) -> BoxFuture<'_, SpoolError> {
        Box::pin(self.shared.failed())
    }

    fn mark_started(&self, seq: u64) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(self.ask(MarkStarted(seq)))
    }

    fn pending(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<InboundRow>, SpoolError>> {
        Box::pin(async move {
            loop {
                let raw = self.ask(Pending { after, limit }).await?;
                let (mut rows, mut unreadable) = (Vec::with_capacity(raw.len()), Vec::new());
                for row in raw {
                    let seq = row.seq;
                    match row.parse() {
                        Ok(row) => rows.push(row),
                        Err(reason) => unreadable.push((seq, reason)),
                    }
                }
                if !self.set_aside(true, unreadable).await? {
                    return Ok(rows);
                }
            }
        })
    }

    fn outbox(
        &self,
        channel: Arc<str>,
        session: Option<SessionKey>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<(Vec<OutboxRow>, usize), SpoolError>> {
        Box::pin(async move {
            let mut buried = 0;
            loop {
                let raw = self
                    .ask(Outbox {
                        channel: Arc::clone(&channel),
                        session: session.as_ref().map(|session| Arc::clone(&session.0)),
                        after,
                        limit,
                    })
                    .await?;
                let (mut rows, mut unreadable) = (Vec::with_capacity(raw.len()), Vec::new());
                for row in raw {
                    let id = row.id;
                    match row.parse(&self.shared.id, &channel) {
                        Ok(row) => rows.push(row),
                        Err(reason) => unreadable.push((id, reason)),
                    }
                }
                buried += unreadable.len();
                if !self.set_aside(false, unreadable).await? {
                    return Ok((rows, buried));
                }
            }
        })
    }

    fn cursor(
        &self,
        channel: Arc<str>,
        account: String,
    ) -> BoxFuture<'_, Result<Option<String>, SpoolError>> {
        Box::pin(self.ask(Cursor { channel, account }))
    }

    fn aliases(&self, new: Vec<Alias>) -> BoxFuture<'_, Result<Vec<Alias>, SpoolError>> {
        Box::pin(self.ask(Aliases(new)))
    }

    fn journal(&self, session: SessionKey, after: u64) -> BoxFuture<'_, Result<Journal, SpoolError>> {
        let asked = self.ask(ReadJournal {
            session: session.0,
            after,
        });
        Box::pin(async move { Ok(asked.await?.parse()) })
    }

    fn raise_generation(&self, session: SessionKey) -> BoxFuture<'_, Result<u64, SpoolError>> {
        Box::pin(self.ask(RaiseGeneration(session.0)))
    }

    fn trim_journal(&self, session: SessionKey, through: u64) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(self.ask(TrimJournal {
            session: session.0,
            through,
        }))
    }

    fn note_draft(&self, seq: u64, message: String) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(self.ask(NoteDraft { seq, message }))
    }

    fn spent(
        &self,
        session: Option<SessionKey>,
        since_day: i64,
    ) -> BoxFuture<'_, Result<Vec<Spent>, SpoolError>> {
        Box::pin(self.ask(ReadSpent {
            session: session.map(|session| session.0),
            since_day,
        }))
    }

    fn upkeep(&self) -> BoxFuture<'_, Result<u64, SpoolError>> {
        Box::pin(async move {
            let mut gone = 0;
            loop {
                match self.ask(Upkeep).await? {
                    0 => return Ok(gone),
                    rows => gone += rows,
                }
            }
        })
    }

    fn activity_now(&self) -> u64 {
        self.shared.clock.now()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(self.ask(Close))
    }
}

impl Drop for SqliteSpool {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take() {
            // A panic there has been reported to all who waited.
            let _ = writer.join();
        }
    }
}

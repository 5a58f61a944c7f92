mod others;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use miniclaw_plugin_api::{ChatRef, InboundMessage, OutboundMessage, Role};
use tempfile::TempDir;

use super::*;
use crate::gateway::StateLock;
use crate::sessions::{Entry, SessionKey, SessionManager};
use crate::spool::{Batch, BatchItem, FinishedTurn, Spool, SqliteSpool};

const SESSIONS: usize = 6;
/// Each turn of this number in a session is a `/new`.
const RESET: usize = 17;

struct Home {
    _dir: TempDir,
    places: Places,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            state: dir.path().join("state"),
            sessions: dir.path().join("sessions"),
            data: dir.path().join("data"),
        };
        std::fs::create_dir(&places.state).unwrap();
        Self { _dir: dir, places }
    }

    fn start(&self) -> (Arc<dyn Spool>, Arc<SessionManager>) {
        let spool: Arc<dyn Spool> = SqliteSpool::open(&self.places.state).unwrap().spool;
        let sessions = SessionManager::new(spool.clone(), self.places.sessions.clone(), 1_000, 1_000);
        (spool, sessions)
    }

    fn backup(&self) -> PathBuf {
        self.places.state.join("../backup")
    }
}

fn key(number: usize) -> SessionKey {
    SessionKey(format!("t_{number}").into())
}

fn entry(number: usize) -> Entry {
    Entry::new(Role::User, number.to_string(), 1)
}

/// Accepts the message of this number.
async fn accept(spool: &dyn Spool, session: usize, number: usize) -> u64 {
    let message = InboundMessage::new(session.to_string(), number.to_string(), "42", "hi");
    let item = BatchItem::Message {
        session: key(session),
        message: Box::new(message),
    };
    let batch = Batch {
        channel: "t".into(),
        account: "bot".into(),
        items: vec![item],
        cursor: Some(number.to_string()),
    };
    match spool.accept(batch).await.unwrap().remove(0) {
        crate::spool::Admission::Accepted(row) => row.seq,
        other => panic!("{other:?}"),
    }
}

/// Accepts a message and answers it, as the hub does.
async fn turn(spool: &dyn Spool, sessions: &SessionManager, session: usize, number: usize) {
    let seq = accept(spool, session, number).await;
    let generation = sessions.snapshot(&key(session)).await.unwrap().generation;
    let reset = number.is_multiple_of(RESET);
    let turn = FinishedTurn {
        session: key(session),
        generation,
        new_generation: reset,
        inbound: vec![seq],
        entries: if reset { Vec::new() } else { vec![entry(number)] },
        channel: "t".into(),
        chunks: vec![OutboundMessage::new(ChatRef::new("7"), "answer")],
        story: None,
        usage: Vec::new(),
        choice: None,
    };
    let committed = spool.finish(&turn).await.unwrap();
    if reset {
        sessions.reset(&key(session), generation + 1);
    } else {
        sessions.applied(&key(session), generation, committed.journal, turn.entries);
    }
}

/// The history after this many turns.
fn history(turns: usize) -> Vec<String> {
    let since = turns / RESET * RESET;
    (since + 1..=turns).map(|number| number.to_string()).collect()
}

async fn texts(sessions: &SessionManager, session: usize) -> Vec<String> {
    let snapshot = sessions.snapshot(&key(session)).await.unwrap();
    snapshot.entries.iter().map(|entry| entry.text.clone()).collect()
}

fn done(state: &Path, session: usize) -> usize {
    let conn = Connection::open(state.join("spool.db")).unwrap();
    let sql = "SELECT count(*) FROM inbound WHERE state = 1 AND session = ?1";
    let count: i64 = conn.query_row(sql, [&*key(session).0], |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}

/// Restores a backup elsewhere and compares every history with the turns that are done there.
async fn verify(backup: &Path) -> usize {
    let home = Home::new();
    restore(&home.places, backup, false).unwrap();
    let (spool, sessions) = home.start();
    let mut turns = 0;
    for session in 0..SESSIONS {
        let done = done(&home.places.state, session);
        assert_eq!(
            texts(&sessions, session).await,
            history(done),
            "after {done} turns"
        );
        turns += done;
    }
    for session in 0..SESSIONS {
        let done = done(&home.places.state, session);
        turn(&*spool, &sessions, session, 1_000_000 * RESET + 1).await;
        assert_eq!(texts(&sessions, session).await.len(), history(done).len() + 1);
    }
    turns
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_backup_under_load_is_exact() {
    let home = Home::new();
    let (spool, sessions) = home.start();
    // They come after the others, and give those time for checkpoints between their copy and the spool's.
    std::fs::create_dir(&home.places.sessions).unwrap();
    for number in 0..500 {
        std::fs::write(home.places.sessions.join(format!("x_{number}.json")), "{}").unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let load = {
        let (spool, sessions, stop) = (spool.clone(), sessions.clone(), stop.clone());
        tokio::spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                for session in 0..SESSIONS {
                    turn(&*spool, &sessions, session, number).await;
                }
            }
            number * SESSIONS
        })
    };
    let checkpoints = {
        let (sessions, stop) = (sessions.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                sessions.checkpoint().await;
            }
        })
    };
    let mut turns = Vec::new();
    for _ in 0..12 {
        let (places, backup) = (home.places.clone(), home.backup());
        let made = tokio::task::spawn_blocking(move || make(&places, &backup, true));
        made.await.unwrap().unwrap();
        turns.push(verify(&home.backup()).await);
    }
    stop.store(true, Ordering::Relaxed);
    checkpoints.await.unwrap();
    let all = load.await.unwrap();
    assert!(
        turns.is_sorted() && turns[0] < turns[11] && turns[11] <= all,
        "{turns:?}"
    );
}

#[tokio::test]
async fn what_waited_at_the_backup_waits_after_it_and_may_have_been_sent() {
    let home = Home::new();
    let (spool, sessions) = home.start();
    turn(&*spool, &sessions, 0, 1).await;
    let seq = accept(&*spool, 0, 2).await;
    let made = make(&home.places, &home.backup(), false).unwrap();
    assert_eq!((made.spool.pending, made.spool.outbox, made.sessions), (1, 1, 0));
    let later = accept(&*spool, 0, 3).await;

    let other = Home::new();
    restore(&other.places, &home.backup(), false).unwrap();
    let opened = SqliteSpool::open(&other.places.state).unwrap();
    assert_eq!((opened.clean, opened.spool.id()), (true, spool.id()));
    let pending = opened.spool.pending(0, 10).await.unwrap();
    assert_eq!(
        (pending.len(), pending[0].seq, pending[0].suspect),
        (1, seq, false)
    );
    let outbox = opened.spool.outbox("t".into(), None, 0, 10).await.unwrap().0;
    assert!(outbox.len() == 1 && outbox[0].ambiguous);
    let cursor = opened.spool.cursor("t".into(), "bot".into()).await.unwrap();
    assert_eq!(cursor.as_deref(), Some("2"));
    assert!(accept(&*opened.spool, 0, 3).await > later + 4_096);
}

#[tokio::test]
async fn a_backup_is_private_and_replaces_nothing_by_itself() {
    let home = Home::new();
    assert!(matches!(
        make(&home.places, &home.backup(), false),
        Err(BackupError::Nothing(_))
    ));
    let (spool, sessions) = home.start();
    turn(&*spool, &sessions, 0, 1).await;
    make(&home.places, &home.backup(), false).unwrap();
    let mode = home.backup().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = make(&home.places, &home.backup(), false).unwrap_err();
    assert!(matches!(error, BackupError::Exists(_)));
    make(&home.places, &home.backup(), true).unwrap();
    let parent = home.backup().parent().unwrap().read_dir().unwrap();
    assert!(
        !parent
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().contains("tmp"))
    );
}

#[tokio::test]
async fn a_restore_keeps_what_was_there_and_refuses_it_without_force() {
    let home = Home::new();
    let (spool, sessions) = home.start();
    turn(&*spool, &sessions, 0, 1).await;
    sessions.checkpoint().await;
    make(&home.places, &home.backup(), false).unwrap();
    turn(&*spool, &sessions, 0, 2).await;
    sessions.checkpoint().await;
    spool.close().await.unwrap();
    let error = restore(&home.places, &home.backup(), false).unwrap_err();
    assert!(matches!(error, BackupError::Occupied(_)));
    let restored = restore(&home.places, &home.backup(), true).unwrap();
    assert_eq!(restored.moved_aside.len(), 2);
    let (_spool, sessions) = home.start();
    assert_eq!(texts(&sessions, 0).await, ["1"]);
    assert!(restored.moved_aside[0].join("spool.db").exists());
    assert!(restored.moved_aside[1].join("t_0.json.prev").exists());
}

#[tokio::test]
async fn a_damaged_backup_is_refused_before_anything_is_touched() {
    let home = Home::new();
    let (spool, sessions) = home.start();
    for number in 1..100 {
        turn(&*spool, &sessions, 0, number).await;
    }
    make(&home.places, &home.backup(), false).unwrap();
    let whole = std::fs::read(home.backup()).unwrap();
    let mut damaged = [whole.clone(), whole[..whole.len() / 2].to_vec(), b"text".to_vec()];
    let middle = whole.len() / 2 / 4096 * 4096;
    damaged[0][middle..middle + 4096].fill(0xab);
    let other = Home::new();
    for content in damaged {
        std::fs::write(home.backup(), content).unwrap();
        let error = restore(&other.places, &home.backup(), false).unwrap_err();
        assert!(matches!(error, BackupError::Refused { .. }), "{error}");
        assert_eq!(other.places.state.read_dir().unwrap().count(), 0);
        assert!(!other.places.sessions.exists());
    }
}

#[tokio::test]
async fn a_restore_that_was_cut_short_is_finished_by_whoever_takes_the_lock() {
    let home = Home::new();
    let (spool, sessions) = home.start();
    turn(&*spool, &sessions, 0, 1).await;
    sessions.checkpoint().await;
    std::fs::write(home.places.state.join("pairing.json"), "let in").unwrap();
    make(&home.places, &home.backup(), false).unwrap();
    spool.close().await.unwrap();
    for steps in 0..6 {
        let other = Home::new();
        let (spool, sessions) = other.start();
        accept(&*spool, 0, 1).await;
        turn(&*spool, &sessions, 0, 5).await;
        sessions.checkpoint().await;
        drop((spool, sessions));
        restore::cut_short(&other.places, &home.backup(), steps).unwrap();
        let error = make(&other.places, &other.backup(), false).unwrap_err();
        assert!(matches!(error, BackupError::Unfinished(_)), "{error}");
        drop(StateLock::acquire(&other.places.state).unwrap());
        assert!(!other.places.state.join("restore.json").exists());
        let pairing = std::fs::read(other.places.state.join("pairing.json"));
        assert_eq!(pairing.unwrap(), b"let in");
        let (_spool, sessions) = other.start();
        assert_eq!(texts(&sessions, 0).await, ["1"], "after {steps} steps");
        assert_eq!(done(&other.places.state, 0), 1);
    }
}

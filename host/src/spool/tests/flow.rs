use rusqlite::wal::CheckpointMode;

use super::*;

#[tokio::test]
async fn a_message_goes_from_acceptance_to_its_sent_reply() {
    let store = Store::new();
    let spool = store.spool();
    let row = accept(spool, "1").await;
    assert_eq!(
        (row.attempts, row.suspect, row.message.text().as_str()),
        (0, false, "text 1")
    );
    assert_eq!(pending(spool).await.len(), 1);

    let done = spool.finish(&turn(&[row.seq], 0, 2)).await.unwrap();
    assert!(pending(spool).await.is_empty());
    let waiting = outbox(spool).await;
    let ids: Vec<_> = waiting.iter().map(|row| row.id).collect();
    assert_eq!(ids, done.outbox.iter().map(|row| row.id).collect::<Vec<_>>());
    assert!(
        waiting
            .iter()
            .all(|out| out.reply == row.seq && out.session == session("t_7"))
    );
    assert_eq!(waiting[1].message, done.outbox[1].message);
    assert_eq!(
        waiting[1].message.idempotency_key,
        format!("{}-{}", spool.id(), ids[1])
    );

    for id in ids {
        spool.record(SendEvent::Sending { id }).await.unwrap();
        let message_ids = vec!["m".to_owned()];
        spool.record(SendEvent::Sent { id, message_ids }).await.unwrap();
    }
    assert!(outbox(spool).await.is_empty());
    let bodies = "SELECT count(body) FROM (SELECT body FROM inbound UNION ALL SELECT body FROM outbox)";
    assert_eq!(number(spool, bodies).await, 0);
}

#[tokio::test]
async fn a_second_copy_of_a_message_is_a_duplicate_for_72_hours() {
    let mut store = Store::new();
    let row = accept(store.spool(), "1").await;
    let again = store
        .spool()
        .accept(batch(vec![message("1"), message("2"), message("2")], None))
        .await
        .unwrap();
    assert!(matches!(
        again[..],
        [Admission::Duplicate, Admission::Accepted(_), Admission::Duplicate]
    ));
    store
        .spool()
        .finish(&turn(&[row.seq, row.seq + 1], 0, 0))
        .await
        .unwrap();
    store.restart().await;

    let spool = store.spool();
    spool.advance(std::time::Duration::from_hours(71));
    assert_eq!(spool.upkeep().await.unwrap(), 0);
    let again = spool.accept(batch(vec![message("1")], None)).await.unwrap();
    assert!(matches!(again[..], [Admission::Duplicate]));
    spool.advance(std::time::Duration::from_hours(2));
    assert_eq!(spool.upkeep().await.unwrap(), 2);
    assert!(accept(spool, "1").await.seq > row.seq + 1);
}

#[tokio::test]
async fn upkeep_leaves_what_still_waits_and_dead_letters() {
    let store = Store::new();
    let spool = store.spool();
    let rows = [accept(spool, "1").await, accept(spool, "2").await];
    let done = spool.finish(&turn(&[rows[1].seq], 0, 2)).await.unwrap();
    spool
        .record(SendEvent::Dead {
            id: done.outbox[1].id,
            error: "no".into(),
            note: None,
        })
        .await
        .unwrap();

    spool.advance(std::time::Duration::from_hours(100));
    assert_eq!(spool.upkeep().await.unwrap(), 1);
    assert_eq!(pending(spool).await[0].seq, rows[0].seq);
    assert_eq!(outbox(spool).await[0].id, done.outbox[0].id);
    let reader = SpoolReader::open(store.dir.path()).unwrap().unwrap();
    assert_eq!(reader.dead().unwrap(), 1);
    spool.advance(std::time::Duration::from_hours(31 * 24));
    assert_eq!(spool.upkeep().await.unwrap(), 1);
    assert_eq!(pending(spool).await.len(), 1);
}

#[tokio::test]
async fn another_account_starts_anew() {
    let store = Store::new();
    let spool = store.spool();
    spool.accept(batch(vec![message("1")], Some("8"))).await.unwrap();
    spool.accept(batch(Vec::new(), Some("9"))).await.unwrap();
    let mut other = batch(vec![message("1")], Some("1"));
    other.account = "other".into();
    assert!(matches!(
        spool.accept(other).await.unwrap()[..],
        [Admission::Accepted(_)]
    ));
    let cursor = |account: &str| spool.cursor("t".into(), account.into());
    assert_eq!(cursor("bot").await.unwrap().as_deref(), Some("9"));
    assert_eq!(cursor("other").await.unwrap().as_deref(), Some("1"));
    assert_eq!(cursor("third").await.unwrap(), None);
}

#[tokio::test]
async fn a_refused_message_is_done_at_once_and_its_note_goes_out() {
    let store = Store::new();
    let spool = store.spool();
    let admissions = spool
        .accept(batch(vec![refused("1"), message("1")], None))
        .await
        .unwrap();
    let [Admission::Noted(note), Admission::RefusedBefore] = &admissions[..] else {
        panic!("{admissions:?}");
    };
    assert!(pending(spool).await.is_empty());
    let waiting = outbox(spool).await;
    assert_eq!(
        (waiting[0].id, waiting[0].message.text().as_str()),
        (note.id, "slow down")
    );
}

#[tokio::test]
async fn what_comes_again_is_told_what_became_of_it_the_first_time() {
    let store = Store::new();
    let spool = store.spool();
    let silently = |id: &str| match refused(id) {
        BatchItem::Refused { session, message, .. } => BatchItem::Refused {
            session,
            message,
            note: None,
        },
        other => other,
    };
    let first = batch(vec![message("1"), refused("2"), silently("3")], None);
    let admissions = spool.accept(first).await.unwrap();
    assert!(matches!(
        admissions[..],
        [Admission::Accepted(_), Admission::Noted(_), Admission::Refused]
    ));
    for again in [message, refused, silently] {
        let admissions = spool.accept(batch(vec![again("1"), again("2"), again("3")], None));
        assert!(matches!(
            admissions.await.unwrap()[..],
            [
                Admission::Duplicate,
                Admission::RefusedBefore,
                Admission::RefusedBefore
            ]
        ));
    }
    assert_eq!((pending(spool).await.len(), outbox(spool).await.len()), (1, 1));
}

#[tokio::test]
async fn entries_of_a_generation_that_is_over_are_dropped_and_the_rest_stands() {
    let store = Store::new();
    let spool = store.spool();
    let row = accept(spool, "1").await;
    assert_eq!(spool.raise_generation(session("t_7")).await.unwrap(), 1);
    let done = spool.finish(&turn(&[row.seq], 0, 1)).await.unwrap();
    assert_eq!((done.journal_seq(), done.outbox.len()), (None, 1));
    assert!(pending(spool).await.is_empty());

    let done = spool.finish(&turn(&[], 1, 1)).await.unwrap();
    assert_eq!(journal_seqs(spool).await, (1, vec![done.journal_seq().unwrap()]));
    assert_eq!(done.outbox[0].reply, done.outbox[0].id);

    let raise = FinishedTurn {
        new_generation: true,
        ..turn(&[], 1, 1)
    };
    assert_eq!(spool.finish(&raise).await.unwrap().journal_seq(), None);
    assert_eq!(journal_seqs(spool).await, (2, Vec::new()));
}

#[tokio::test]
async fn a_trimmed_journal_keeps_later_rows_and_other_sessions() {
    let store = Store::new();
    let spool = store.spool();
    let first = spool
        .finish(&turn(&[], 0, 0))
        .await
        .unwrap()
        .journal_seq()
        .unwrap();
    let other = FinishedTurn {
        session: session("other"),
        ..turn(&[], 0, 0)
    };
    spool.finish(&other).await.unwrap();
    let second = spool
        .finish(&turn(&[], 0, 0))
        .await
        .unwrap()
        .journal_seq()
        .unwrap();
    spool.trim_journal(session("t_7"), first).await.unwrap();
    assert_eq!(journal_seqs(spool).await, (0, vec![second]));
    assert_eq!(spool.journal(session("other"), 0).await.unwrap().rows.len(), 1);
    assert!(
        spool
            .journal(session("t_7"), second)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
}

#[tokio::test]
async fn a_dead_chunk_takes_the_later_ones_of_its_reply_with_it() {
    let store = Store::new();
    let spool = store.spool();
    let row = accept(spool, "1").await;
    let dead = spool.finish(&turn(&[row.seq], 0, 3)).await.unwrap().outbox;
    let alive = spool.finish(&turn(&[], 0, 1)).await.unwrap().outbox;
    spool
        .record(SendEvent::Dead {
            id: dead[1].id,
            error: "gone".into(),
            note: None,
        })
        .await
        .unwrap();
    let left: Vec<_> = outbox(spool).await.iter().map(|row| row.id).collect();
    assert_eq!(left, [dead[0].id, alive[0].id]);
}

#[tokio::test]
async fn a_retry_keeps_its_attempts_and_its_time() {
    let mut store = Store::new();
    let id = store.spool().finish(&turn(&[], 0, 1)).await.unwrap().outbox[0].id;
    store.spool().record(SendEvent::Sending { id }).await.unwrap();
    let retry = SendEvent::Retry {
        id,
        attempts: 3,
        not_before_ms: 99,
        error: "busy".into(),
        killed: false,
        outage: false,
    };
    store.spool().record(retry).await.unwrap();
    store.crash();
    let row = &outbox(store.spool()).await[0];
    assert_eq!((row.attempts, row.not_before_ms, row.ambiguous), (3, 99, false));
}

#[tokio::test]
async fn reads_page_through_in_order() {
    let store = Store::new();
    let spool = store.spool();
    for id in 0..5 {
        accept(spool, &id.to_string()).await;
    }
    let first = spool.pending(0, 3).await.unwrap();
    let rest = spool.pending(first[2].seq, 3).await.unwrap();
    let ids: Vec<_> = first
        .iter()
        .chain(&rest)
        .map(|row| row.message.id.as_str())
        .collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_dropped_future_changes_nothing_even_where_the_queue_is_full() {
    let store = Store::new();
    let spool = store.spool();
    let (release, held) = hold(spool);
    let frames = |conn: &Connection| conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::NOOP);
    let asked: Vec<_> = (0..200)
        .map(|id| spool.accept(batch(vec![message(&id.to_string())], None)))
        .collect();
    release.send(()).unwrap();
    held.await.unwrap();
    for accepted in asked {
        accepted.await.unwrap();
    }
    // Alone, each of them would have written three pages at the least.
    assert!(spool.ask(Inject::<_, false>(frames)).await.unwrap().0 < 100);
}

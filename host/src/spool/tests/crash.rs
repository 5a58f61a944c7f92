use super::*;

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let mut store = Store::new();
    let first = accept(store.spool(), "1").await;
    accept(store.spool(), "2").await;
    let done = store.spool().finish(&turn(&[first.seq], 0, 1)).await.unwrap();
    store
        .spool()
        .record(SendEvent::Sending {
            id: done.outbox[0].id,
        })
        .await
        .unwrap();
    store.crash();

    let opened = store.opened();
    assert_eq!(
        (opened.clean, opened.pending, opened.outbox, opened.epoch),
        (false, 1, 1, 2)
    );
    let row = &pending(store.spool()).await[0];
    assert_eq!(
        (row.message.id.as_str(), row.suspect, row.attempts),
        ("2", true, 1)
    );
    assert!(outbox(store.spool()).await[0].ambiguous);
    assert_eq!(journal_seqs(store.spool()).await.1.len(), 1);
}

#[tokio::test]
async fn a_clean_stop_makes_nobody_a_suspect() {
    let mut store = Store::new();
    assert!(store.opened().clean);
    let row = accept(store.spool(), "1").await;
    store.spool().mark_started(row.seq).await.unwrap();
    store.restart().await;
    assert!(store.opened().clean);
    let row = &pending(store.spool()).await[0];
    assert_eq!((row.suspect, row.attempts), (false, 0));
}

#[tokio::test]
async fn a_send_that_a_clean_stop_cut_off_is_ambiguous_too() {
    let mut store = Store::new();
    let id = store.spool().finish(&turn(&[], 0, 1)).await.unwrap().outbox[0].id;
    store.spool().record(SendEvent::Sending { id }).await.unwrap();
    store.restart().await;
    assert!(outbox(store.spool()).await[0].ambiguous);
}

#[tokio::test]
async fn only_started_turns_count_a_crash_and_five_of_them_bury_the_message() {
    let mut store = Store::new();
    let poison = accept(store.spool(), "poison").await;
    let innocent = accept(store.spool(), "innocent").await;
    for attempts in 1..5 {
        store.spool().mark_started(poison.seq).await.unwrap();
        store.crash();
        assert!(store.opened().buried.is_empty());
        assert_eq!(pending(store.spool()).await[0].attempts, attempts);
    }
    store.spool().mark_started(poison.seq).await.unwrap();
    store.crash();
    let buried = &store.opened().buried;
    assert_eq!(
        (buried.len(), buried[0].seq, buried[0].attempts),
        (1, poison.seq, 5)
    );
    let left = pending(store.spool()).await;
    assert_eq!((left.len(), left[0].seq, left[0].attempts), (1, innocent.seq, 1));
    let reader = SpoolReader::open(store.dir.path()).unwrap().unwrap();
    assert_eq!(reader.dead().unwrap(), 1);
    store.crash();
    assert!(store.opened().buried.is_empty());
}

#[tokio::test]
async fn numbers_are_never_given_out_again() {
    let mut store = Store::new();
    let mut last = 0;
    for round in 0..4 {
        let row = accept(store.spool(), &round.to_string()).await;
        let done = store.spool().finish(&turn(&[row.seq], 0, 1)).await.unwrap();
        let id = done.outbox[0].id;
        store
            .spool()
            .record(SendEvent::Sent {
                id,
                message_ids: Vec::new(),
            })
            .await
            .unwrap();
        assert!(last < row.seq && row.seq < done.journal_seq().unwrap() && done.journal_seq().unwrap() < id);
        last = id;
        store.spool().trim_journal(session("t_7"), last).await.unwrap();
        store.spool().advance(std::time::Duration::from_hours(73));
        assert_eq!(store.spool().upkeep().await.unwrap(), 2);
        if round % 2 == 0 {
            store.crash();
        } else {
            store.restart().await;
        }
    }
}

#[tokio::test]
async fn the_activity_clock_goes_on_where_it_stood() {
    let mut store = Store::new();
    store.spool().advance(std::time::Duration::from_hours(50));
    accept(store.spool(), "1").await;
    let before = store.spool().activity_now();
    store.crash();
    let after = store.spool().activity_now();
    assert!((before..before + 60).contains(&after), "{before} {after}");
}

#[tokio::test]
async fn written_is_synced_within_a_second_by_the_store_itself() {
    let store = Store::new();
    let spool = store.spool();
    let id = spool.finish(&turn(&[], 0, 1)).await.unwrap().outbox[0].id;
    let level = "PRAGMA synchronous";
    let error = "later".to_owned();
    spool
        .record(SendEvent::Retry {
            id,
            attempts: 1,
            not_before_ms: 0,
            error,
            killed: false,
            outage: false,
        })
        .await
        .unwrap();
    assert_eq!(number(spool, level).await, 1);
    let synced = async {
        while number(spool, level).await != 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), synced)
        .await
        .unwrap();
}

use crate::spool::letters::{Requeued, Unfinished, Withdrawn};

use super::*;

async fn break_body(spool: &SqliteSpool, table: &'static str, id: u64) {
    let column = if table == "inbound" { "seq" } else { "id" };
    let sql = format!("UPDATE {table} SET body = '{{' WHERE {column} = {id}");
    let broken = move |conn: &Connection| conn.execute(&sql, []);
    spool.ask(Inject::<_, true>(broken)).await.unwrap();
}

/// A turn with `chunks` of which the first one is dead, and the others with it.
async fn dead_reply(spool: &SqliteSpool, id: &str, chunks: usize) -> Vec<u64> {
    let row = accept(spool, id).await;
    let done = spool.finish(&turn(&[row.seq], 0, chunks)).await.unwrap();
    let ids: Vec<u64> = done.outbox.iter().map(|row| row.id).collect();
    let dead = SendEvent::Dead {
        id: ids[0],
        error: "no such chat".into(),
        note: Some(entry("it did not arrive")),
    };
    assert_eq!(spool.record(dead).await.unwrap(), chunks);
    ids
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_dead_letters_and_stop_nobody() {
    let mut store = Store::new();
    let spool = store.spool();
    let rows = [accept(spool, "1").await, accept(spool, "2").await];
    let answered = accept(spool, "3").await;
    let replies = spool.finish(&turn(&[answered.seq], 0, 2)).await.unwrap().outbox;
    break_body(spool, "inbound", rows[0].seq).await;
    break_body(spool, "outbox", replies[0].id).await;
    store.crash();
    let spool = store.spool();
    // A page of one row alone must not look like the end.
    let page = spool.pending(0, 1).await.unwrap();
    assert_eq!(page.iter().map(|row| row.seq).collect::<Vec<_>>(), [rows[1].seq]);
    let page = spool.outbox("t".into(), None, 0, 1).await.unwrap().0;
    assert_eq!(page.iter().map(|row| row.id).collect::<Vec<_>>(), [replies[1].id]);
    assert_eq!(spool.unfinished().await.unwrap().dead, 2);
}

#[tokio::test]
async fn a_dead_reply_is_told_to_its_session_once() {
    let store = Store::new();
    let spool = store.spool();
    let ids = dead_reply(spool, "1", 3).await;
    let again = SendEvent::Dead {
        id: ids[0],
        error: "again".into(),
        note: Some(entry("it did not arrive")),
    };
    assert_eq!(spool.record(again).await.unwrap(), 0);
    let journal = spool.journal(session("t_7"), 0).await.unwrap();
    let texts: Vec<_> = journal
        .rows
        .iter()
        .flat_map(|row| &row.entries)
        .map(|entry| &*entry.text)
        .collect();
    assert_eq!(texts, ["question", "answer", "it did not arrive"]);
}

#[tokio::test]
async fn a_dead_reply_waits_again_with_all_that_died_with_it() {
    let store = Store::new();
    let spool = store.spool();
    let ids = dead_reply(spool, "1", 3).await;
    assert!(outbox(spool).await.is_empty());
    let Requeued::Reply(rows) = spool.requeue(ids[0]).await.unwrap() else {
        panic!("it is no reply");
    };
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
    assert_eq!(outbox(spool).await.len(), 3);
    assert!(matches!(
        spool.requeue(ids[0]).await.unwrap(),
        Requeued::Waits { channel: Some(_) }
    ));
    assert!(matches!(spool.requeue(9_999).await.unwrap(), Requeued::Unknown));
}

#[tokio::test]
async fn a_message_that_crashed_the_process_too_often_waits_again_when_asked() {
    let mut store = Store::new();
    let seq = accept(store.spool(), "1").await.seq;
    for _ in 0..5 {
        store.crash();
        store.spool().mark_started(seq).await.unwrap();
    }
    store.crash();
    assert!(pending(store.spool()).await.is_empty());
    let Requeued::Message(row) = store.spool().requeue(seq).await.unwrap() else {
        panic!("it is no message");
    };
    assert_eq!((row.seq, row.attempts, row.suspect), (seq, 0, false));
    assert_eq!(pending(store.spool()).await.len(), 1);
}

#[tokio::test]
async fn what_is_dropped_ends_and_stays_known_as_a_duplicate() {
    let store = Store::new();
    let spool = store.spool();
    let row = accept(spool, "1").await;
    assert!(matches!(
        spool.withdraw(row.seq).await.unwrap(),
        Withdrawn::Message
    ));
    assert!(matches!(
        spool.withdraw(row.seq).await.unwrap(),
        Withdrawn::Finished
    ));
    assert!(pending(spool).await.is_empty());
    let again = spool.accept(batch(vec![message("1")], None)).await.unwrap();
    assert!(matches!(again[..], [Admission::Duplicate]));

    let dead = dead_reply(spool, "2", 2).await;
    let waited = |withdrawn| matches!(withdrawn, Withdrawn::Reply { waited: true, .. });
    assert!(!waited(spool.withdraw(dead[0]).await.unwrap()));
    let row = accept(spool, "3").await;
    let waits = spool.finish(&turn(&[row.seq], 0, 1)).await.unwrap().outbox;
    assert!(waited(spool.withdraw(waits[0].id).await.unwrap()));
    assert!(outbox(spool).await.is_empty());
}

#[tokio::test]
async fn what_is_unfinished_is_counted() {
    let store = Store::new();
    let spool = store.spool();
    let none = spool.unfinished().await.unwrap();
    let up_to = none.up_to;
    assert_eq!(
        none,
        Unfinished {
            up_to,
            ..Unfinished::default()
        }
    );
    accept(spool, "1").await;
    let row = accept(spool, "2").await;
    spool.finish(&turn(&[row.seq], 0, 2)).await.unwrap();
    let unfinished = spool.unfinished().await.unwrap();
    assert_eq!((unfinished.messages, unfinished.dead), (1, 0));
    assert_eq!(
        unfinished
            .replies
            .iter()
            .map(|(_, count, _)| *count)
            .collect::<Vec<_>>(),
        [2]
    );
    assert!(unfinished.oldest_message_ms.is_some());
}

#[tokio::test]
async fn a_message_s_story_has_its_turn_and_its_replies() {
    let store = Store::new();
    let spool = store.spool();
    let row = accept(spool, "1").await;
    let finished = FinishedTurn {
        story: Some(r#"[{"provider":"p","took_ms":3}]"#.into()),
        ..turn(&[row.seq], 0, 2)
    };
    let replies = spool.finish(&finished).await.unwrap().outbox;
    let message_ids = vec!["m1".to_owned()];
    let sent = SendEvent::Sent {
        id: replies[0].id,
        message_ids,
    };
    spool.record(sent).await.unwrap();
    let reader = SpoolReader::open(store.dir.path()).unwrap().unwrap();
    for id in [row.seq, replies[1].id] {
        let story = reader.story(id).unwrap().unwrap();
        assert_eq!(
            (story.inbound, story.state, &*story.message),
            (row.seq, "done", "1")
        );
        assert_eq!(story.asked[0]["provider"], "p");
        let states: Vec<_> = story
            .replies
            .iter()
            .map(|reply| (reply.state, reply.attempts))
            .collect();
        assert_eq!(states, [("sent", 1), ("waiting", 0)]);
        assert_eq!(story.replies[0].message_ids, ["m1"]);
    }
    assert!(reader.story(9_999).unwrap().is_none());
}

#[tokio::test]
async fn letters_are_listed_by_state_and_channel() {
    let store = Store::new();
    let spool = store.spool();
    dead_reply(spool, "1", 1).await;
    let row = accept(spool, "2").await;
    let reader = SpoolReader::open(store.dir.path()).unwrap().unwrap();
    let list = |dead, channel: &str, limit| {
        let channel = Some(channel.to_owned());
        let filter = Filter { dead, channel, limit };
        let (letters, all) = reader.letters(&filter).unwrap();
        (
            letters.into_iter().map(|letter| letter.kind).collect::<Vec<_>>(),
            all,
        )
    };
    assert_eq!(list(None, "t", 10), (vec!["reply".into(), "message".into()], 2));
    assert_eq!(list(None, "t", 1).1, 2);
    assert_eq!(list(Some(true), "t", 10), (vec!["reply".into()], 1));
    assert_eq!(list(None, "u", 10), (vec![], 0));
    let (letter, body) = reader.letter(row.seq).unwrap().unwrap();
    assert_eq!((&*letter.state, &*letter.session), ("waiting", "t_7"));
    assert_eq!(body.unwrap()["parts"][0]["text"], "text 2");
}

#[tokio::test]
async fn a_file_of_the_first_version_is_upgraded_in_place() {
    let mut store = Store::new();
    let waiting = accept(store.spool(), "1").await;
    let answered = accept(store.spool(), "2").await;
    store.spool().finish(&turn(&[answered.seq], 0, 1)).await.unwrap();
    store.spool().close().await.unwrap();
    store.opened = None;
    let conn = Connection::open(store.dir.path().join("spool.db")).unwrap();
    conn.execute_batch(
        "DROP TABLE usage; DROP TABLE choices; ALTER TABLE inbound DROP COLUMN draft;
         DROP TABLE aliases; DROP INDEX inbound_dead; DROP INDEX outbox_dead; ALTER TABLE inbound DROP COLUMN story;
         ALTER TABLE outbox DROP COLUMN kills;
         ALTER TABLE outbox DROP COLUMN outage; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(conn);
    store.crash();
    assert_eq!(pending(store.spool()).await[0].seq, waiting.seq);
    assert_eq!(outbox(store.spool()).await[0].kills, 0);
    assert_eq!(number(store.spool(), "PRAGMA user_version").await, 4);
}

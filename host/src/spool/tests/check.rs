use super::*;
use crate::spool::check_folder;

fn findings(store: &Store) -> Vec<String> {
    check_folder(store.dir.path()).unwrap().unwrap()
}

#[tokio::test]
async fn a_spool_in_use_is_sound() {
    let store = Store::new();
    assert_eq!(check_folder(&store.dir.path().join("missing")).unwrap(), None);
    let row = accept(store.spool(), "1").await;
    store.spool().finish(&turn(&[row.seq], 0, 2)).await.unwrap();
    store.spool().raise_generation(session("t_7")).await.unwrap();
    store.spool().finish(&turn(&[], 1, 2)).await.unwrap();
    accept(store.spool(), "2").await;
    assert!(findings(&store).is_empty());
}

#[tokio::test]
async fn each_broken_promise_is_one_line() {
    for (sql, expected) in [
        (
            "UPDATE inbound SET state = 7 WHERE seq = 1",
            "inbound 1 has a state that does not exist",
        ),
        (
            "UPDATE outbox SET state = -1",
            "outbox 4 has a state that does not exist",
        ),
        (
            "UPDATE inbound SET body = NULL",
            "inbound 1 waits without a message",
        ),
        ("UPDATE outbox SET body = '{'", "outbox 4 cannot be read: "),
        ("UPDATE journal SET body = '7'", "journal 3 cannot be read: "),
        (
            "UPDATE journal SET generation = 3",
            "journal 3 is of a generation",
        ),
        (
            "UPDATE meta SET next_id = 4",
            "outbox 4 has a number that was not given out yet",
        ),
        ("DELETE FROM meta", "cannot read it"),
    ] {
        let store = Store::new();
        accept(store.spool(), "1").await;
        let mut other = turn(&[], 0, 1);
        other.inbound = vec![accept(store.spool(), "2").await.seq];
        store.spool().finish(&other).await.unwrap();
        store.spool().close().await.unwrap();
        let conn = Connection::open(store.dir.path().join("spool.db")).unwrap();
        conn.execute_batch(sql).unwrap();
        let found = findings(&store);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{sql}: {found:?}"
        );
    }
}

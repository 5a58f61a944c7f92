use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

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
async fn a_spool_that_this_user_may_not_read_is_not_called_damaged() {
    // Nobody else can become another user.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let store = Store::new();
    store.spool().close().await.unwrap();
    let folder = store.dir.path().to_owned();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let looking = std::thread::spawn(move || {
        // Of this thread alone.
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65_534)).unwrap();
        check_folder(&folder).map_err(|error| error.to_string())
    });
    let told = looking.join().unwrap();
    assert!(
        told.clone().is_err_and(|told| told.contains("Permission denied")),
        "{told:?}"
    );
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

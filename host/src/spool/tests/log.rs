//! Damage inside the log of a spool that was not closed.

use std::fs;
use std::path::Path;

use super::*;
use crate::spool::{boot, check_folder, salvage};

const HEADER: usize = 32;
const FRAME: usize = 24 + 4_096;

/// The files of a spool with 30 messages, each of its own commit, whose log a process left behind.
async fn left_behind() -> TempDir {
    let store = Store::new();
    for number in 0..30 {
        accept(store.spool(), &number.to_string()).await;
    }
    let dir = tempfile::tempdir().unwrap();
    for name in ["spool.db", "spool.db-wal"] {
        fs::copy(store.dir.path().join(name), dir.path().join(name)).unwrap();
    }
    boot::note(dir.path());
    dir
}

fn damage(dir: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = dir.join("spool.db-wal");
    let mut log = fs::read(&path).unwrap();
    change(&mut log);
    fs::write(path, log).unwrap();
}

fn refusal(dir: &Path) -> Option<String> {
    SqliteSpool::open(dir)
        .err()
        .map(|error| error.to_string() + &format!("{error:?}"))
}

/// Messages that a salvaged spool has, of 30.
fn saved(dir: &Path) -> i64 {
    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("spool.db");
    salvage(dir, &path, None).unwrap();
    let conn = Connection::open(path).unwrap();
    let sql = "SELECT count(*) FROM inbound WHERE state = 0";
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn damage_in_the_middle_of_the_log_is_refused_and_found_by_the_check() {
    // A bit of a page, its number, the end of a commit, the generation, a sum, a frame of zeros.
    let places: [(usize, usize); 6] = [(24 + 100, 1), (3, 1), (7, 1), (8, 1), (16, 1), (0, FRAME)];
    for (from, bytes) in places {
        let dir = left_behind().await;
        let files = || ["spool.db", "spool.db-wal"].map(|name| fs::read(dir.path().join(name)).unwrap());
        let frames = (files()[1].len() - HEADER) / FRAME;
        assert!(frames > 20, "{frames}");
        damage(dir.path(), |log| {
            let at = HEADER + frames / 2 * FRAME + from;
            for byte in &mut log[at..at + bytes] {
                *byte = if bytes == 1 { *byte ^ 1 } else { 0 };
            }
        });
        let before = files();
        let refused = refusal(dir.path()).unwrap_or_else(|| panic!("not refused: {from}"));
        assert!(refused.contains("miniclaw spool salvage"), "{refused}");
        assert!(files() == before, "touched");
        let found = check_folder(dir.path()).unwrap().unwrap();
        assert!(found.len() == 1 && found[0].contains("spool.db-wal"), "{found:?}");
        assert_eq!(saved(dir.path()), 30, "at {from}");
    }
}

#[tokio::test]
async fn a_damaged_header_of_the_log_is_refused_and_costs_nothing() {
    for at in [0, 4, 20, 31] {
        let dir = left_behind().await;
        damage(dir.path(), |log| log[at] ^= 1);
        assert!(refusal(dir.path()).is_some(), "{at}");
        assert_eq!(saved(dir.path()), 30, "{at}");
    }
}

#[tokio::test]
async fn the_torn_end_that_a_power_cut_leaves_is_no_damage() {
    let dir = left_behind().await;
    let whole = fs::read(dir.path().join("spool.db-wal")).unwrap();
    // Cut anywhere in the last commit, or with its first frames missing.
    for cut in [1, 100, FRAME - 1, FRAME] {
        damage(dir.path(), |log| *log = whole[..whole.len() - cut].to_vec());
        assert_eq!(refusal(dir.path()), None, "{cut}");
        fs::write(dir.path().join("spool.db-wal"), &whole).unwrap();
    }
    damage(dir.path(), |log| {
        let last = log.len() - FRAME;
        log[last + 24..].fill(0);
    });
    assert_eq!(refusal(dir.path()), None);
}

#[tokio::test]
async fn commits_that_a_power_cut_tore_are_no_damage_and_do_not_return_behind_later_ones() {
    let dir = left_behind().await;
    // What a gateway noted before the machine was started again.
    fs::write(dir.path().join("boot"), "another run of the machine").unwrap();
    damage(dir.path(), |log| {
        let middle = (log.len() - HEADER) / FRAME / 2;
        log[HEADER + middle * FRAME..][..FRAME].fill(0);
    });
    assert_eq!(check_folder(dir.path()).unwrap(), Some(Vec::new()));
    let opened = SqliteSpool::open(dir.path()).unwrap();
    assert!((10..20).contains(&opened.pending), "{}", opened.pending);
    accept(&opened.spool, "later").await;
    let copy = tempfile::tempdir().unwrap();
    for name in ["spool.db", "spool.db-wal", "boot"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    assert_eq!(refusal(copy.path()), None);
}

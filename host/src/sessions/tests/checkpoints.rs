use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::spool::SpoolReader;

#[tokio::test]
async fn a_history_keeps_the_last_messages_and_survives_a_clean_stop() {
    let mut world = World::new();
    for text in ["1", "2", "3", "4", "5"] {
        world.turn("t_1", text).await;
    }
    assert_eq!(world.texts("t_1").await, ["2", "3", "4", "5"]);
    world.restart().await;
    assert_eq!(world.texts("t_1").await, ["2", "3", "4", "5"]);
    assert_eq!(world.texts("unknown").await, [""; 0]);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_between_checkpoints() {
    let mut world = World::new();
    world.turn("t_1", "before").await;
    assert_eq!(world.sessions().checkpoint().await, 1);
    world.turn("t_1", "after").await;
    world.turn("t_2", "never checkpointed").await;
    world.crash();
    assert_eq!(world.texts("t_1").await, ["before", "after"]);
    assert_eq!(world.texts("t_2").await, ["never checkpointed"]);
    assert_eq!(world.sessions().checkpoint().await, 2);
    assert_eq!(world.sessions().checkpoint().await, 0);
}

#[tokio::test]
async fn files_are_private_and_name_what_they_hold() {
    let world = World::new();
    world.turn("t_1", "hi").await;
    world.sessions().checkpoint().await;
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(world.file("t_1.json")), mode(world.sessions_dir())),
        (0o600, 0o700)
    );
    let text = fs::read_to_string(world.file("t_1.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (file["version"].as_u64(), file["key"].as_str()),
        (Some(1), Some("t_1"))
    );
    assert_eq!(file["spool"].as_str(), Some(world.spool().id()));
    assert_eq!(
        file["messages"][0],
        serde_json::json!({"role": "user", "text": "hi", "at_ms": 1})
    );
}

#[tokio::test]
async fn the_journal_is_trimmed_to_the_checkpoint_before() {
    let world = World::new();
    let rows = || async { world.spool().journal(key("t_1"), 0).await.unwrap().rows.len() };
    world.turn("t_1", "1").await;
    world.sessions().checkpoint().await;
    assert_eq!(rows().await, 1);
    world.turn("t_1", "2").await;
    world.turn("t_1", "3").await;
    world.sessions().checkpoint().await;
    assert_eq!(rows().await, 2);
    assert_eq!(world.names(), ["t_1.json", "t_1.json.prev"]);
}

#[tokio::test]
async fn a_damaged_file_costs_nothing() {
    for damage in ["", "{", "{\"version\":1}", "[]"] {
        let mut world = World::new();
        for text in ["1", "2", "3"] {
            world.turn("t_1", text).await;
            world.sessions().checkpoint().await;
        }
        world.crash();
        fs::write(world.file("t_1.json"), damage).unwrap();
        assert_eq!(world.texts("t_1").await, ["1", "2", "3"]);
        let aside = world
            .names()
            .into_iter()
            .find(|name| name.starts_with("t_1.json.corrupt-"));
        assert_eq!(fs::read_to_string(world.file(&aside.unwrap())).unwrap(), damage);
        world.turn("t_1", "4").await;
        world.sessions().checkpoint().await;
        world.crash();
        assert_eq!(world.texts("t_1").await, ["1", "2", "3", "4"]);
    }
}

#[tokio::test]
async fn a_crash_between_the_two_renames_costs_nothing() {
    let mut world = World::new();
    for text in ["1", "2"] {
        world.turn("t_1", text).await;
        world.sessions().checkpoint().await;
    }
    world.crash();
    fs::rename(world.file("t_1.json"), world.file("t_1.json.prev")).unwrap();
    assert_eq!(world.texts("t_1").await, ["1", "2"]);
}

#[tokio::test]
async fn a_file_under_the_name_of_another_session_is_not_believed() {
    let mut world = World::new();
    world.turn("t_1", "secret").await;
    world.restart().await;
    fs::copy(world.file("t_1.json"), world.file("t_2.json")).unwrap();
    assert!(world.texts("t_2").await.is_empty());
}

#[tokio::test]
async fn a_file_of_a_later_version_is_refused_and_left_alone() {
    let world = World::new();
    fs::create_dir(world.sessions_dir()).unwrap();
    let content = r#"{"version":7,"key":"t_1","shape":"unknown"}"#;
    fs::write(world.file("t_1.json"), content).unwrap();
    let refused = world
        .sessions()
        .snapshot(&key("t_1"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("version 7") && refused.contains("up to 1"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(world.file("t_1.json")).unwrap(), content);
    assert_eq!(world.names(), ["t_1.json"]);
}

#[tokio::test]
async fn a_session_that_starts_over_forgets_its_file_too() {
    let mut world = World::new();
    world.turn("t_1", "old").await;
    world.sessions().checkpoint().await;
    world.start_over("t_1").await;
    assert_eq!(world.sessions().checkpoint().await, 1);
    assert!(
        !fs::read_to_string(world.file("t_1.json"))
            .unwrap()
            .contains("old")
    );
    world.turn("t_1", "fresh").await;
    world.crash();
    assert_eq!(world.texts("t_1").await, ["fresh"]);
}

#[tokio::test]
async fn a_turn_that_missed_a_reset_leaves_no_trace() {
    let world = World::new();
    let generation = world.sessions().snapshot(&key("t_1")).await.unwrap().generation;
    world.spool().raise_generation(key("t_1")).await.unwrap();
    let seq = world.finish("t_1", generation, vec![entry("late")], false).await;
    world
        .sessions()
        .applied(&key("t_1"), generation, seq, vec![entry("late")]);
    assert!(world.texts("t_1").await.is_empty());
    world.turn("t_1", "fresh").await;
    assert_eq!(world.texts("t_1").await, ["fresh"]);
}

#[tokio::test]
async fn a_row_that_no_turn_wrote_is_in_the_history_whatever_comes_first() {
    let world = World::new();
    world.turn("t_1", "one").await;
    // Somebody else writes to the journal, and a turn ends before the session hears of it.
    world.finish("t_1", 0, vec![entry("note")], false).await;
    world.turn("t_1", "two").await;
    assert_eq!(world.texts("t_1").await, ["one", "note", "two"]);
    world.sessions().checkpoint().await;
    world.finish("t_1", 0, vec![entry("later note")], false).await;
    world.sessions().journaled(&key("t_1"));
    assert_eq!(world.texts("t_1").await, ["one", "note", "two", "later note"]);
}

#[tokio::test]
async fn sessions_beyond_the_cache_leave_memory_and_lose_nothing() {
    let world = World::with_cache(3);
    for round in ["a", "b"] {
        for chat in 0..10 {
            world.turn(&format!("t_{chat}"), round).await;
        }
    }
    assert!(world.sessions().sessions().live.len() <= 3);
    for chat in 0..10 {
        assert_eq!(world.texts(&format!("t_{chat}")).await, ["a", "b"]);
    }
    assert!(world.sessions().count().unwrap() >= 7);
}

#[tokio::test]
async fn a_lost_spool_leaves_the_files_and_a_later_reset_holds() {
    let mut world = World::new();
    world.turn("t_1", "1").await;
    world.turn("t_2", "1").await;
    world.restart().await;
    world.lose_spool();
    world.turn("t_1", "2").await;
    world.crash();
    assert_eq!(world.texts("t_1").await, ["1", "2"]);
    world.start_over("t_2").await;
    world.crash();
    assert!(world.texts("t_2").await.is_empty());
}

#[tokio::test]
async fn a_folder_that_takes_no_files_keeps_sessions_dirty() {
    let world = World::new();
    fs::write(world.sessions_dir(), "in the way").unwrap();
    let generation = 0;
    let seq = world.finish("t_1", generation, vec![entry("1")], false).await;
    assert!(world.sessions().snapshot(&key("t_1")).await.is_err());
    fs::remove_file(world.sessions_dir()).unwrap();
    assert_eq!(world.texts("t_1").await, ["1"]);
    fs::write(world.sessions_dir(), "in the way").unwrap();
    assert_eq!(world.sessions().checkpoint().await, 0);
    fs::remove_file(world.sessions_dir()).unwrap();
    assert_eq!(world.sessions().checkpoint().await, 1);
    assert!(seq.is_some());
}

#[tokio::test]
async fn the_offline_view_is_that_of_the_gateway() {
    let world = World::new();
    world.turn("t_1", "1").await;
    world.sessions().checkpoint().await;
    world.turn("t_1", "2").await;
    world.turn("t_2", "1").await;
    fs::write(world.file("garbage.json"), "garbage").unwrap();

    let listing = world.sessions().list().await.unwrap();
    let mut keys: Vec<_> = listing
        .sessions
        .iter()
        .map(|info| (info.key.as_str(), info.messages))
        .collect();
    keys.sort_unstable();
    assert_eq!(
        (keys, listing.unreadable),
        (vec![("t_1", 2), ("t_2", 1)], vec!["garbage.json".to_owned()])
    );
    assert_eq!(list_files(&world.sessions_dir()).unwrap().sessions.len(), 1);

    let reader = SpoolReader::open(world.dir.path()).unwrap();
    let shown = show_files(&world.sessions_dir(), reader.as_ref(), &key("t_1"), 4).unwrap();
    assert_eq!(
        shown,
        *world.sessions().show(&key("t_1")).await.unwrap().unwrap().entries
    );
    assert_eq!(
        show_files(&world.sessions_dir(), None, &key("t_1"), 4).unwrap(),
        [entry("1")]
    );
    assert!(world.sessions().show(&key("t_3")).await.unwrap().is_none());
}

#[test]
fn a_session_without_a_gateway_lives_in_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let open =
        || FileSession::open(dir.path().join("sessions"), SessionKey::of_command_line("x"), 2).unwrap();
    let mut session = open();
    session.append([entry("1"), entry("2")]).unwrap();
    session.append([entry("3")]).unwrap();
    assert_eq!(open().entries(), [entry("2"), entry("3")]);
    assert_eq!(
        super::super::file::count(&dir.path().join("sessions")).unwrap(),
        1
    );
    assert_eq!(super::super::file::count(&dir.path().join("none")).unwrap(), 0);
}

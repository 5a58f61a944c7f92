use std::fs::File;
use std::time::{Duration, SystemTime};

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// Lets all files look old to the wall clock.
fn age(world: &World, by: Duration) {
    for name in world.names() {
        let file = File::options().write(true).open(world.file(&name)).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }
}

#[tokio::test]
async fn idle_sessions_are_removed_and_active_ones_stay() {
    let mut world = World::new();
    for name in ["idle", "idle_too", "busy", "in_memory", "in_journal"] {
        world.turn(name, "1").await;
        world.sessions().checkpoint().await;
        world.turn(name, "2").await;
    }
    world.restart().await;
    world.spool().advance(20 * DAY);
    world.turn("busy", "3").await;
    world.restart().await;
    world.spool().advance(11 * DAY);
    world.finish("in_journal", 0, vec![entry("3")], false).await;
    assert_eq!(world.texts("in_memory").await, ["1", "2"]);
    age(&world, 31 * DAY);
    let bytes: u64 = world
        .names()
        .iter()
        .filter(|name| name.starts_with("idle"))
        .map(|name| fs::metadata(world.file(name)).unwrap().len())
        .sum();

    assert_eq!(
        world.sessions().sweep(30 * DAY).await,
        super::super::sweep::Swept { count: 2, bytes }
    );
    assert!(world.names().iter().all(|name| !name.starts_with("idle")));
    assert!(world.texts("idle").await.is_empty());
    assert_eq!(world.texts("in_journal").await, ["1", "2", "3"]);
    assert_eq!(world.texts("busy").await, ["1", "2", "3"]);
    assert_eq!(
        world.sessions().sweep(30 * DAY).await,
        super::super::sweep::Swept::default()
    );
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_removes_nothing() {
    let mut world = World::new();
    world.turn("t_1", "1").await;
    world.restart().await;
    age(&world, 40 * 365 * DAY);
    assert_eq!(
        world.sessions().sweep(30 * DAY).await,
        super::super::sweep::Swept::default()
    );
    assert_eq!(world.texts("t_1").await, ["1"]);
}

#[tokio::test]
async fn files_of_another_spool_are_dated_anew_before_they_can_be_removed() {
    let mut world = World::new();
    world.turn("t_1", "1").await;
    world.restart().await;
    world.lose_spool();
    world.spool().advance(31 * DAY);
    age(&world, 31 * DAY);
    assert_eq!(world.sessions().sweep(30 * DAY).await.count, 0);
    world.restart().await;
    world.spool().advance(31 * DAY);
    age(&world, 31 * DAY);
    assert_eq!(world.sessions().sweep(30 * DAY).await.count, 1);
}

#[tokio::test]
async fn many_files_and_one_garbage_file_are_no_obstacle() {
    let mut world = World::new();
    world.turn("t_1", "1").await;
    world.restart().await;
    for n in 0..2_000 {
        fs::write(world.file(&format!("young_{n}.json")), "not even read").unwrap();
    }
    fs::write(world.file("garbage.json"), "garbage").unwrap();
    fs::write(world.file("t_9.json.tmp-1"), "left behind").unwrap();
    for name in ["t_1.json", "garbage.json", "t_9.json.tmp-1"] {
        let file = File::options().write(true).open(world.file(name)).unwrap();
        file.set_modified(SystemTime::now() - 31 * DAY).unwrap();
    }
    world.spool().advance(31 * DAY);
    assert_eq!(world.sessions().sweep(30 * DAY).await.count, 1);
    assert_eq!(world.names().len(), 2_001);
    assert_eq!(world.sessions().count().unwrap(), 2_001);
}

#[tokio::test]
async fn a_deleted_session_is_gone_with_all_its_files() {
    let mut world = World::new();
    for text in ["1", "2"] {
        world.turn("t_1", text).await;
        world.turn("t_10", text).await;
        world.sessions().checkpoint().await;
    }
    fs::write(world.file("t_1.json.corrupt-5"), "{").unwrap();
    world.turn("t_1", "3").await;
    assert!(world.sessions().delete(&key("t_1")).await.unwrap());
    assert!(!world.sessions().delete(&key("t_1")).await.unwrap());
    assert_eq!(world.names(), ["t_10.json", "t_10.json.prev"]);
    world.restart().await;
    assert!(world.texts("t_1").await.is_empty());
    assert_eq!(world.texts("t_10").await, ["1", "2"]);
}

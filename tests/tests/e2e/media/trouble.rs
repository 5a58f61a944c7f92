//! What goes wrong on the way of a file.

use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::fake_telegram::Answer;
use miniclaw_tests::http::Reply;
use serde_json::json;

use super::{jpeg, photo};
use crate::setup::{USER, World};

const BLIND: &str = "My language model cannot see pictures; I only know that you sent one.";

#[test]
fn a_model_that_refuses_pictures_is_asked_without_them_and_the_person_reads_why() {
    let world = World::new();
    let body = r#"{"error":{"message":"Invalid content type. image_url is only supported by certain models.","type":"invalid_request_error"}}"#;
    world.model.fail(1, Fault::Answer(Reply::json(400, body)));
    let gateway = world.start();
    world.photo(7, "big", &jpeg(1), json!({ "caption": "look" }));
    let reply = world.telegram.wait_for_replies_to(7, 1).swap_remove(0).text;
    assert!(reply.starts_with("re: look") && reply.contains(BLIND), "{reply}");
    let asked = world.model.asked();
    assert_eq!(
        asked.iter().map(|asked| asked.pictures()).collect::<Vec<_>>(),
        [vec![1], vec![0]]
    );
    gateway.stop().expect_code(0);
}

#[test]
fn a_provider_without_sight_still_answers() {
    let world = World::with(|config| config.provider("echo", json!({ "plugin": "echo" })));
    let gateway = world.start();
    world.photo(7, "big", &jpeg(1), json!({ "caption": "look" }));
    let reply = world.telegram.wait_for_replies_to(7, 1).swap_remove(0).text;
    assert!(reply.contains("look") && reply.contains(BLIND), "{reply}");
    gateway.stop().expect_code(0);
}

#[test]
fn a_file_that_is_too_large_is_named_whether_its_size_is_told_or_not() {
    let world = World::with(|config| config.with("/media/max_file_bytes", json!(1000)));
    let gateway = world.start();
    let large = vec![b'x'; 2000];
    world.document(7, "told.bin", "application/octet-stream", &large);
    world.telegram.wait_for_replies_to(7, 1);
    assert!(
        world.telegram.ledger().calls_of("getFile").is_empty(),
        "a file that is told to be too large is asked for"
    );
    let document = json!({ "file_id": "doc", "file_unique_id": "d", "file_name": "untold.bin" });
    world
        .telegram
        .inject_media(7, USER, &json!({ "document": document }));
    world.telegram.wait_for_replies_to(7, 2);
    world.telegram.put_file("huge", "x/y", vec![0; 21 * 1024 * 1024]);
    let document = json!({ "file_id": "huge", "file_unique_id": "d", "file_name": "huge.bin" });
    world
        .telegram
        .inject_media(7, USER, &json!({ "document": document }));
    world.telegram.wait_for_replies_to(7, 3);
    let asked = world.model.asked();
    let heard: Vec<_> = asked.iter().map(|asked| asked.last_user()).collect();
    let line = |name: &str| format!("[file {name}, which is too large for you to get]");
    assert_eq!(heard, [line("told.bin"), line("untold.bin"), line("huge.bin")]);
    assert!(world.media(7).is_empty());
    gateway.stop().expect_code(0);
}

#[test]
fn a_file_is_fetched_again_where_telegram_stumbles_and_named_where_it_is_gone() {
    let world = World::new();
    let telegram = &world.telegram;
    telegram.on("getFile").times(1).answer(Answer::bad_gateway());
    telegram.on("file").times(1).close();
    let gateway = world.start();
    world.photo(7, "big", &jpeg(1), json!({ "caption": "one" }));
    telegram.wait_for_replies_to(7, 1);
    assert_eq!(world.model.asked()[0].pictures(), [1]);
    telegram.inject_media(7, USER, &photo("unknown", 100, json!({ "caption": "two" })));
    telegram.wait_for_replies_to(7, 2);
    let asked = &world.model.asked()[1];
    assert_eq!(asked.last_user(), "two\n[image, which could not be fetched]");
    assert_eq!(asked.pictures(), [1, 0, 0]);
    gateway.stop().expect_code(0);
}

#[test]
fn a_kill_between_a_picture_and_its_answer_loses_neither() {
    let world = World::new();
    world.model.hold();
    let gateway = world.start();
    world.photo(7, "big", &jpeg(1), json!({ "caption": "look" }));
    world.model.wait_for_requests(1);
    gateway.kill();
    world.model.release();
    let gateway = world.start();
    let reply = world.telegram.wait_for_replies_to(7, 1).swap_remove(0).text;
    assert_eq!(reply, "re: look\n[image] [n=1]");
    let asked = world.model.asked();
    assert_eq!(asked.last().unwrap().pictures(), [1]);
    assert_eq!(world.media(7).len(), 1, "{:?}", world.media(7));
    gateway.stop().expect_code(0);
}

//! Files that people send, from Telegram to the model.

mod trouble;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miniclaw_tests::Command;
use serde_json::{Value, json};

use crate::setup::{USER, World};

/// Bytes that begin as a JPEG does, and are like no other's.
fn jpeg(mark: u8) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0];
    bytes.extend(std::iter::repeat_n(mark, 500));
    bytes
}

impl World {
    fn media(&self, chat: i64) -> Vec<PathBuf> {
        let folder = self.home.sessions().join(format!("telegram_{chat}.media"));
        let mut files: Vec<_> = folder
            .read_dir()
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        files.sort();
        files
    }

    /// Sends a photo whose file is named `id`; `members` stand beside it.
    fn photo(&self, chat: i64, id: &str, bytes: &[u8], members: Value) {
        self.telegram.put_file(id, &format!("photos/{id}.jpg"), bytes);
        self.telegram
            .inject_media(chat, USER, &photo(id, bytes.len(), members));
    }

    fn document(&self, chat: i64, name: &str, media_type: &str, bytes: &[u8]) {
        self.telegram.put_file("doc", "documents/file_1", bytes);
        let document = json!({ "file_id": "doc", "file_unique_id": "d", "file_name": name, "mime_type": media_type,
            "file_size": bytes.len() });
        self.telegram
            .inject_media(chat, USER, &json!({ "document": document }));
    }
}

fn photo(id: &str, bytes: usize, mut members: Value) -> Value {
    members["photo"] = json!([
        { "file_id": "tiny", "file_unique_id": "t", "width": 9, "height": 9, "file_size": 10 },
        { "file_id": id, "file_unique_id": id, "width": 900, "height": 900, "file_size": bytes },
    ]);
    members
}

/// A configuration whose model speaks the protocol of `plugin`.
fn speaking(plugin: &str) -> World {
    let world = World::new();
    let mut settings = world.model.settings(plugin, true);
    if plugin != "ollama" {
        settings["api_key"] = json!(miniclaw_tests::config::API_KEY);
    }
    let config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[USER])
        .provider("model", json!({ "plugin": plugin, "settings": settings }));
    world.home.write_config(&config.text());
    world
}

#[test]
fn a_photo_is_kept_and_shown_and_questions_after_it_still_carry_it() {
    let world = World::new();
    let gateway = world.start();
    let bytes = jpeg(1);
    world.photo(7, "big", &bytes, json!({ "caption": "what is this?" }));
    let reply = world.telegram.wait_for_replies_to(7, 1).swap_remove(0).text;
    assert_eq!(reply, "re: what is this?\n[image] [n=1]");
    let files = world.media(7);
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(std::fs::read(&files[0]).unwrap(), bytes);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&files[0]), mode(files[0].parent().unwrap())),
        (0o600, 0o700)
    );
    world.say(7, "and the colour?", 2);
    let asked = world.model.asked();
    assert_eq!(asked[0].pictures(), [1]);
    assert_eq!(asked[1].pictures(), [1, 0, 0]);
    let shown = &asked[1].conversation().next().unwrap().pictures[0];
    assert_eq!(
        (shown.media_type.as_str(), &shown.data),
        ("image/jpeg", &BASE64_STANDARD.encode(&bytes))
    );
    // The picture outlives the process, and goes with its conversation.
    gateway.stop().expect_code(0);
    let gateway = world.start();
    world.say(7, "still there?", 3);
    assert_eq!(world.model.asked()[2].pictures(), [1, 0, 0, 0, 0]);
    Command::new(&world.home, &["sessions", "delete", "telegram_7"])
        .run()
        .expect_code(0);
    assert!(!files[0].parent().unwrap().exists());
    world.say(7, "anew", 4);
    assert_eq!(world.model.asked()[3].pictures(), [0]);
    gateway.stop().expect_code(0);
}

#[test]
fn every_protocol_carries_pictures() {
    for plugin in ["anthropic", "gemini", "ollama"] {
        let world = speaking(plugin);
        let gateway = world.start();
        let bytes = jpeg(2);
        world.photo(7, "big", &bytes, json!({}));
        world.telegram.wait_for_replies_to(7, 1);
        let asked = world.model.asked();
        let last = asked.last().unwrap().conversation().last().unwrap().clone();
        let shown: Vec<_> = last.pictures.iter().map(|picture| &picture.data).collect();
        assert_eq!(shown, [&BASE64_STANDARD.encode(&bytes)], "{plugin}");
        gateway.stop().expect_code(0);
    }
}

#[test]
fn an_album_is_one_question_with_all_its_pictures() {
    let world = World::new();
    for (index, id) in ["a", "b", "c"].into_iter().enumerate() {
        let mut members = json!({ "media_group_id": "g1" });
        if index == 0 {
            members["caption"] = json!("compare");
        }
        world.photo(7, id, &jpeg(u8::try_from(index).unwrap()), members);
    }
    let gateway = world.start();
    world.telegram.wait_for_replies_to(7, 1);
    let asked = world.model.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].pictures(), [3]);
    let order: Vec<_> = asked[0].conversation().last().unwrap().pictures.clone();
    assert_eq!(order[2].data, BASE64_STANDARD.encode(jpeg(2)));
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.ledger().sent.len(), 1);
}

#[test]
fn a_model_is_shown_the_newest_pictures_alone() {
    let world = World::with(|config| config.with("/media/max_pictures", json!(2)));
    let gateway = world.start();
    for (index, id) in ["a", "b", "c"].into_iter().enumerate() {
        world.photo(7, id, &jpeg(u8::try_from(index).unwrap()), json!({}));
        world.telegram.wait_for_replies_to(7, index + 1);
    }
    assert_eq!(world.model.asked()[2].pictures(), [0, 0, 1, 0, 1]);
    gateway.stop().expect_code(0);
}

#[test]
fn a_text_document_is_read_out_and_a_hostile_name_goes_nowhere() {
    let world = World::new();
    let gateway = world.start();
    world.document(7, "../../evil]\n[sh.txt", "text/plain", b"total: 42\n```\nend\n");
    world.telegram.wait_for_replies_to(7, 1);
    let asked = world.model.asked();
    let heard = asked[0].last_user();
    assert!(heard.contains("````\ntotal: 42\n```\nend\n````"), "{heard}");
    assert_eq!(heard.lines().next(), Some("[file ../../evilsh.txt, 18 bytes]"));
    let files = world.media(7);
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with("-1.txt") && name.len() < 30, "{name}");
    gateway.stop().expect_code(0);
}

#[test]
fn a_voice_message_alone_is_answered_without_the_model() {
    let world = World::new();
    let gateway = world.start();
    world.telegram.put_file("v", "voice/file_1.oga", &b"OggS1234"[..]);
    let voice = json!({ "file_id": "v", "file_unique_id": "v", "duration": 3, "mime_type": "audio/ogg" });
    world.telegram.inject_media(7, USER, &json!({ "voice": voice }));
    let reply = world.telegram.wait_for_replies_to(7, 1).swap_remove(0).text;
    assert_eq!(
        reply,
        "I cannot listen to recordings. Please write to me what you want to say."
    );
    assert!(world.model.asked().is_empty());
    gateway.stop().expect_code(0);
}

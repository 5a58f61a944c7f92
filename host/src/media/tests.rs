use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::sessions::{Entry, SessionKey};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n rest";

fn store(max_bytes: u64) -> (tempfile::TempDir, MediaStore) {
    let folder = tempfile::tempdir().unwrap();
    let dir: Arc<Path> = folder.path().join("sessions").into();
    (
        folder,
        MediaStore {
            dir,
            max_bytes,
            max_pictures: 2,
        },
    )
}

fn row(attachments: Vec<Attachment>) -> InboundRow {
    let mut message = InboundMessage::new("7", "1", "42", "look");
    message.attachments = attachments;
    InboundRow {
        seq: 17,
        channel: "t".into(),
        session: SessionKey("t_7".into()),
        message: Arc::new(message),
        attempts: 0,
        suspect: false,
        received_ms: 0,
        draft: None,
    }
}

fn file(kind: AttachmentKind, name: &str, bytes: &[u8]) -> Attachment {
    Attachment {
        id: "f".into(),
        kind,
        name: Some(name.into()),
        data: Some(BASE64_STANDARD.encode(bytes)),
        ..Attachment::default()
    }
}

#[tokio::test]
async fn files_are_kept_privately_under_names_of_our_own() {
    let (_folder, store) = store(1_000);
    let row = row(vec![
        file(AttachmentKind::Image, "../../etc/passwd", PNG),
        file(AttachmentKind::File, "notes.TXT", "a `b`\n```\nc".as_bytes()),
        file(AttachmentKind::Voice, "a\nb[c].ogg", b"OggS...."),
    ]);
    let media = store.take_in(&row, &row.message, None).await;
    let names: Vec<_> = media
        .files
        .iter()
        .map(|file| file.file.clone().unwrap())
        .collect();
    assert_eq!(names, ["17-1.png", "17-2.txt", "17-3.ogg"]);
    let folder = media_dir(&store.dir, &row.session);
    assert_eq!(std::fs::read(folder.join("17-1.png")).unwrap(), PNG);
    assert_eq!(
        std::fs::metadata(folder.join("17-1.png"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    assert_eq!(
        std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        media.lines,
        [
            "[image ../../etc/passwd]",
            "[file notes.TXT, 11 bytes]\n````\na `b`\n```\nc\n````",
            "[voice message abc.ogg, which you cannot open]"
        ]
    );
}

#[tokio::test]
async fn what_is_too_large_or_gone_is_named() {
    let (_folder, store) = store(8);
    let claimed = Attachment {
        size_bytes: Some(9),
        data: None,
        ..file(AttachmentKind::Video, "a", b"")
    };
    let lost = Attachment {
        data: None,
        ..file(AttachmentKind::Image, "b", b"")
    };
    let row = row(vec![claimed, file(AttachmentKind::File, "c", b"123456789"), lost]);
    let media = store.take_in(&row, &row.message, None).await;
    assert_eq!(
        media.lines,
        [
            "[video a, which is too large for you to get]",
            "[file c, which is too large for you to get]",
            "[image b, which could not be fetched]"
        ]
    );
    assert!(media.files.iter().all(|file| file.file.is_none()));
}

#[tokio::test]
async fn the_newest_pictures_are_shown_and_no_more_than_the_limit() {
    let (_folder, store) = store(1_000);
    let mut history = Vec::new();
    for seq in 1..=3 {
        let mut row = row(vec![
            file(AttachmentKind::Image, "p", PNG),
            file(AttachmentKind::Voice, "v", b"OggS"),
        ]);
        row.seq = seq;
        let media = store.take_in(&row, &row.message, None).await.files;
        history.push(Entry::new(miniclaw_plugin_api::Role::User, "look", 0).with_media(media));
    }
    let own = history.pop().unwrap().media;
    let key = SessionKey("t_7".into());
    let counts = |shown: &[Vec<Picture>]| shown.iter().map(Vec::len).collect::<Vec<_>>();
    let shown = store.pictures(&key, &history, &own).await;
    assert_eq!(counts(&shown), [0, 1, 1]);
    assert_eq!(shown[2][0].data, BASE64_STANDARD.encode(PNG).into());
    std::fs::remove_file(media_dir(&store.dir, &key).join("2-1.png")).unwrap();
    let shown = store.pictures(&key, &history, &own).await;
    assert_eq!(counts(&shown), [1, 0, 1]);
    assert!(store.pictures(&key, &[], &[]).await.is_empty());
}

#[test]
fn only_short_plain_endings_come_from_a_sender() {
    for (given, ending) in [
        ("a.tar.gz", ".gz"),
        ("a.B7", ".b7"),
        ("a", ""),
        ("a.", ""),
        ("a.b/c", ""),
        ("a.verylongending", ""),
        ("a.ä", ""),
    ] {
        assert_eq!(name::extension(None, Some(given)), ending, "{given}");
    }
    assert_eq!(name::extension(Some("image/png"), Some("a.exe")), ".png");
}

#[test]
fn binary_files_are_not_shown_as_text() {
    assert_eq!(name::text(None, b"a\0b", 10), None);
    assert_eq!(name::text(Some("image/svg+xml"), b"<svg>", 10), None);
    assert_eq!(name::text(Some("text/csv"), b"12345678901", 10), None);
    assert_eq!(
        name::text(Some("text/csv"), b"a,b\n", 10).as_deref(),
        Some("a,b\n")
    );
}

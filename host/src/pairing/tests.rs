use std::os::unix::fs::PermissionsExt;

use miniclaw_plugin_api::ChatRef;

use super::*;

fn newcomer(id: &str, message: &str) -> Newcomer {
    Newcomer {
        channel: "telegram".into(),
        id: id.into(),
        name: Some("Ann".into()),
        chat: ChatRef::new(id),
        message: message.into(),
    }
}

#[test]
fn a_code_that_somebody_holds_is_known_to_the_next_gateway() {
    let state = tempfile::tempdir().unwrap();
    let first = Pairing::open(state.path()).unwrap();
    let code = first.ask(newcomer("1", "a")).unwrap().unwrap();
    // The process ends here, before the note was stored: the platform hands the message over again.
    let next = Pairing::open(state.path()).unwrap();
    assert_eq!(next.ask(newcomer("1", "a")).unwrap().as_ref(), Some(&code));
    assert_eq!(next.ask(newcomer("1", "b")).unwrap(), None);
    let typed = format!(" {} ", code.to_lowercase());
    let approved = next.decide(Verdict::Approve, &typed).unwrap().unwrap();
    assert_eq!(approved.who, newcomer("1", "a"));
    let last = Pairing::open(state.path()).unwrap();
    assert!(last.is_approved("telegram", "1") && last.list().pending.is_empty());
    let mode = std::fs::metadata(file::path(state.path()))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn codes_have_eight_letters_that_are_not_taken_for_each_other() {
    let state = tempfile::tempdir().unwrap();
    let pairing = Pairing::open(state.path()).unwrap();
    let mut codes: Vec<_> = (0..3)
        .map(|id| pairing.ask(newcomer(&id.to_string(), "a")).unwrap().unwrap())
        .collect();
    for code in &codes {
        assert_eq!(code.len(), 8);
        assert!(code.bytes().all(|letter| LETTERS.contains(&letter)), "{code}");
        assert!(!code.contains(['0', 'O', '1', 'I', 'L', 'U']));
    }
    codes.dedup();
    assert_eq!(codes.len(), 3);
    assert_eq!(pairing.ask(newcomer("4", "a")).unwrap(), None);
}

#[test]
fn what_cannot_be_written_did_not_happen() {
    let state = tempfile::tempdir().unwrap();
    let pairing = Pairing::open(state.path()).unwrap();
    let code = pairing.ask(newcomer("1", "a")).unwrap().unwrap();
    // Works as root too: nothing can be put over a folder.
    let path = file::path(state.path());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = pairing.decide(Verdict::Approve, &code).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert!(pairing.ask(newcomer("2", "a")).is_err());
    assert!(!pairing.is_approved("telegram", "1"));
    assert_eq!(pairing.list().pending.len(), 1);
    std::fs::remove_dir(&path).unwrap();
    assert!(pairing.decide(Verdict::Approve, &code).unwrap().is_some());
}

#[test]
fn a_file_that_cannot_be_understood_is_refused_and_left_alone() {
    let state = tempfile::tempdir().unwrap();
    let path = file::path(state.path());
    for (text, part) in [
        ("{", "is damaged"),
        ("{}", "is damaged"),
        (
            r#"{"version": 1, "approved": 7}"#,
            "remove it and approve them again",
        ),
        (r#"{"version": 2, "approved": 7}"#, "is of version 2"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Pairing::open(state.path()).map(drop).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("pairing.json"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(Pairing::open(state.path()).is_err());
}

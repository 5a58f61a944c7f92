//! What a configuration that cannot be used still tells.

use super::*;

fn workspace(home: &Home) -> Option<PathBuf> {
    assert!(load(&home.sources).is_err());
    let bare = bare(&home.sources).unwrap();
    assert!(!bare.is_whole());
    bare.sessions_dir()
}

#[test]
fn a_workspace_is_told_by_a_file_that_is_wrong_elsewhere() {
    let home = Home::with(r#"{"chanels": {}, "workspace_path": "elsewhere", "sessions": {"history": 7}}"#);
    assert_eq!(workspace(&home), Some(home.path("elsewhere/sessions")));
    assert_eq!(bare(&home.sources).unwrap().config.sessions.history, 7);
    let home = Home::with(r#"{"chanels": {}, "sessions": {"history": "many"}}"#);
    assert_eq!(workspace(&home), Some(home.path("workspace/sessions")));
}

#[test]
fn a_file_that_does_not_speak_of_the_workspace_leaves_it_at_home() {
    let home = Home::with(r#"{"channels": "#);
    assert_eq!(workspace(&home), Some(home.path("workspace/sessions")));
}

#[test]
fn a_workspace_that_nobody_can_read_is_not_guessed() {
    for text in [
        r#"{"workspace_path": "elsewhere", "#,
        r#"{"workspace_path": 7}"#,
        r#"{"workspace_path": "a", "workspace_path": "b"}"#,
        "",
    ] {
        let home = Home::with(text);
        assert_eq!(workspace(&home), None, "{text}");
        let named = home.env("MINICLAW__WORKSPACE_PATH", "$HOME/named");
        assert_eq!(workspace(&named), Some(named.path("named/sessions")), "{text}");
    }
}

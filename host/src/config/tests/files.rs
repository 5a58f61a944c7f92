use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

#[test]
fn a_file_that_cannot_be_used_is_refused_in_one_line() {
    let home = Home::new();
    for (content, line) in [
        (&b""[..], "the file is empty; write at least `{}`"),
        (b" \n\t", "the file is empty; write at least `{}`"),
        (b"\xef\xbb\xbf", "the file is empty; write at least `{}`"),
        (b"{\"a\": \"\xff\"}", "not UTF-8; save the file as UTF-8"),
        (&vec![b' '; (1 << 20) + 1], "larger than 1048576 bytes"),
    ] {
        home.write("config.json", content, 0o600);
        assert_eq!(home.refusal(), format!("config.json: {line}"));
    }
}

#[test]
fn a_byte_order_mark_is_no_obstacle() {
    let home = Home::with("\u{feff}{\"model\": \"m\"}");
    assert_eq!(home.load().config.model.as_deref(), Some("m"));
    assert_eq!(home.load().file, Some(home.path("config.json")));
    assert_eq!(home.origin("model"), r#""m" # config.json:1:11"#);
}

#[test]
fn the_default_file_may_be_absent_and_a_named_one_may_not() {
    let mut home = Home::new();
    assert_eq!(home.load().file, None);
    let home_of_nobody = home.path("none");
    home.sources.home = Some(home_of_nobody);
    assert_eq!(home.load().file, None);
    home.sources.home = None;
    let home = home.env("MINICLAW_CONFIG", "$HOME/other.json");
    assert_eq!(
        home.refusal(),
        "$HOME/other.json: the file does not exist, but `MINICLAW_CONFIG` names it; create it, or leave \
         `MINICLAW_CONFIG` out to use $HOME/config.json"
    );
    home.write("other.json", r#"{"model": "other"}"#, 0o600);
    home.write("third.json", r#"{"model": "third"}"#, 0o600);
    assert_eq!(home.load().config.model.as_deref(), Some("other"));
    let mut home = home;
    home.sources.config = Some(home.path("third.json"));
    assert_eq!(home.load().config.model.as_deref(), Some("third"));
    home.sources.config = Some(home.path("fourth.json"));
    assert!(
        home.refusal()
            .starts_with("$HOME/fourth.json: the file does not exist, but `--config` names it")
    );
}

#[test]
fn home_comes_from_the_flag_the_variable_or_the_user() {
    let mut sources = Sources::default();
    assert_eq!(
        load(&sources).unwrap_err().to_string(),
        "default: no home folder is known; set HOME or MINICLAW_HOME, or give `--home DIR`"
    );
    sources.env.insert("HOME".into(), "/nonexistent/u".into());
    assert_eq!(
        load(&sources).unwrap().config.home,
        Path::new("/nonexistent/u/.miniclaw")
    );
    sources
        .env
        .insert("MINICLAW_HOME".into(), "/nonexistent/h".into());
    assert_eq!(load(&sources).unwrap().config.home, Path::new("/nonexistent/h"));
    sources.home = Some("/nonexistent/f".into());
    assert_eq!(load(&sources).unwrap().config.home, Path::new("/nonexistent/f"));
}

#[test]
fn what_is_not_a_file_is_refused() {
    let mut home = Home::new();
    home.sources.config = Some(home.path(""));
    assert_eq!(
        home.refusal(),
        "$HOME/: a folder, where a file is needed; name the file in it, for example $HOME/config.json"
    );
    home.sources.config = Some("/dev/null".into());
    assert_eq!(
        home.refusal(),
        "/dev/null: not a regular file; name a file with the configuration as JSON"
    );
    home.write("file", "", 0o600);
    home.sources.config = Some(home.path("file/config.json"));
    assert_eq!(
        home.refusal(),
        "$HOME/file/config.json: cannot be read: not a directory; a part of the path is a file; correct the path"
    );
    home.sources.config = None;
    symlink("nowhere", home.path("config.json")).unwrap();
    assert_eq!(
        home.refusal(),
        "config.json: a symbolic link that leads nowhere; correct it or remove it"
    );
}

#[test]
fn a_pipe_does_not_hold_up_the_start() {
    let home = Home::new();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        home.path("config.json"),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    assert_eq!(
        home.refusal(),
        "config.json: not a regular file; name a file with the configuration as JSON"
    );
}

#[test]
fn a_literal_secret_in_a_readable_file_is_refused_with_the_chmod() {
    let home = Home::new();
    let text = "{\n  \"telegram_token\": \"1:abc\",\n  \"providers\": {\"openai\": {\"settings\": {\"api_key\": \"k\"}}}\n}";
    home.write("config.json", text, 0o644);
    assert_eq!(
        home.refusal(),
        "config.json:2:21: key `telegram_token`: a secret in a file that others can read (mode \
         0644); run `chmod 600 $HOME/config.json`"
    );
    let home = home.env("TELEGRAM_BOT_TOKEN", "overridden");
    home.mode("config.json", 0o640);
    assert!(home.refusal().contains("(mode 0640)"));
    home.mode("config.json", 0o600);
    assert_eq!(home.load().config.secrets, ["overridden"]);
}

#[test]
fn a_readable_file_without_literal_secrets_is_fine() {
    let home = Home::new().env("T", "123:secret").env("TELEGRAM_BOT_TOKEN", "");
    home.write(
        "config.json",
        r#"{"telegram_token": "${env:T}", "model": "m"}"#,
        0o644,
    );
    assert_eq!(home.load().config.secrets, ["123:secret"]);
}

#[test]
fn files_and_folders_that_others_can_write_to_are_refused() {
    let home = Home::with("{}");
    home.mode("config.json", 0o622);
    home.mode("", 0o770);
    let refusal = home.refusal();
    let lines: Vec<_> = refusal.lines().collect();
    assert_eq!(
        lines,
        [
            "$HOME: others can write to it (mode 0770) and could change the configuration; run `chmod go-w $HOME`",
            "config.json: others can write to it (mode 0622) and could change the configuration; run `chmod go-w \
             $HOME/config.json`",
        ]
    );
    std::fs::remove_file(home.path("config.json")).unwrap();
    assert!(home.refusal().contains("(mode 0770)"));
}

#[test]
fn the_folder_behind_a_symbolic_link_counts_as_well() {
    let (home, elsewhere) = (Home::new(), Home::with("{}"));
    symlink(elsewhere.path("config.json"), home.path("config.json")).unwrap();
    assert_eq!(home.load().file, Some(home.path("config.json")));
    elsewhere.mode("", 0o777);
    assert!(
        elsewhere
            .strip(&home.refusal())
            .starts_with("$HOME: others can write to it (mode 0777)")
    );
}

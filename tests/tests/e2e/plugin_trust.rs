//! Signing and verifying plugins, and a gateway that requires signatures.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use miniclaw_tests::gateway::{Finished, make_folder, write_private};
use miniclaw_tests::{Command, ConfigFile, FakeModel, Gateway, Home, Platform, build};
use serde_json::{Value, json};

use crate::phrases::READY;

pub(crate) const LIBRARY: &str = "libminiclaw_fixture_loopback.so";

/// A home, and a folder `download` with the fixture `loopback` in it.
pub(crate) struct World {
    pub(crate) home: Home,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { home: Home::empty() };
        make_folder(&world.at("download"));
        world.download();
        world
    }

    pub(crate) fn at(&self, place: &str) -> PathBuf {
        self.home.root().join(place)
    }

    fn download(&self) -> PathBuf {
        let place = self.at("download").join(LIBRARY);
        let library = build::artifacts().library("miniclaw_fixture_loopback");
        drop(std::fs::remove_file(&place));
        std::fs::copy(library, &place).unwrap();
        place
    }

    pub(crate) fn installed(&self) -> PathBuf {
        self.home.miniclaw().join("plugins").join(LIBRARY)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        Command::new(&self.home, &["plugin"]).args(arguments).run()
    }

    pub(crate) fn json(&self, arguments: &[&str], code: i32) -> Value {
        let finished = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&finished.expect_code(code).stdout).unwrap()
    }

    /// A pair of keys without a password; gives the public one.
    fn keygen(&self, name: &str) -> String {
        let out = self.at(name);
        let made = self.json(&["keygen", "--no-password", "--out", out.to_str().unwrap()], 0);
        made["public"].as_str().unwrap().to_owned()
    }

    fn sign(&self, library: &Path, key: &str) {
        let key = self.at(&format!("{key}.key"));
        let arguments = [
            "sign",
            library.to_str().unwrap(),
            "--secret-key",
            key.to_str().unwrap(),
        ];
        self.run(&arguments).expect_code(0);
    }

    /// A channel of the fixture, and this about plugins.
    fn configure(&self, platform: &Platform, model: &FakeModel, plugins: &Value) {
        let settings = json!({ "platform": platform.address() });
        let config = ConfigFile::default().model(model).channel(
            "local",
            json!({ "plugin": "loopback", "allow_from": ["42"], "settings": settings }),
        );
        let mut config: Value = serde_json::from_str(&config.text()).unwrap();
        config["plugins"] = plugins.clone();
        self.home.write_config(&config.to_string());
    }
}

/// Changes one byte at the end, where nothing is that the dynamic loader reads.
fn tamper(library: &Path) {
    let mut bytes = std::fs::read(library).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(library, bytes).unwrap();
}

#[test]
fn a_signed_library_is_installed_verified_required_and_removed() {
    let (world, model) = (World::new(), FakeModel::start());
    let platform = Platform::start();
    let key = world.keygen("own");
    let require = json!({ "signatures": "require", "trusted_keys": [key] });
    world
        .home
        .write_config(&json!({ "plugins": require }).to_string());
    let download = world.at("download");
    let refused = world.run(&["install", download.to_str().unwrap()]);
    let line = &refused.expect_code(1).stderr;
    assert!(
        line.contains("it is not signed") && line.lines().count() == 1,
        "{line}"
    );
    assert!(!world.installed().exists());

    world.sign(&download.join(LIBRARY), "own");
    let installed = world.run(&["install", download.to_str().unwrap()]);
    let text = &installed.expect_code(0).stdout;
    for words in [
        "loopback 0.1.0 installed at",
        "signed by",
        "`channels`",
        "plugin reload loopback",
    ] {
        assert!(text.contains(words), "{words} in:\n{text}");
    }
    world.run(&["verify", "loopback"]).expect_code(0);

    world.configure(&platform, &model, &require);
    let gateway = Gateway::start(&world.home, &[]);
    platform.wait_for_calls("receive", 1);
    platform.deliver("7", "1", "42", "hello");
    assert_eq!(
        platform.wait_for_sent(1)[0],
        ("7".into(), "re: hello [n=1]".into())
    );
    gateway.stop().expect_code(0);

    let named = world.run(&["remove", "loopback"]);
    let line = &named.expect_code(1).stderr;
    assert!(
        line.contains("`channels.local`") && line.contains("--force"),
        "{line}"
    );
    let removed = world.json(&["remove", "loopback", "--force"], 0);
    assert_eq!(removed["removed"].as_array().unwrap().len(), 2, "{removed}");
    assert_eq!(removed["named_by"], json!(["channels.local"]));
    assert!(!world.installed().exists());
}

#[test]
fn a_gateway_that_requires_signatures_runs_without_the_plugin_that_has_none() {
    let (world, model) = (World::new(), FakeModel::start());
    let platform = Platform::start();
    let download = world.at("download");
    world.run(&["install", download.to_str().unwrap()]).expect_code(0);
    let (own, _) = (world.keygen("own"), world.keygen("other"));
    let library = world.installed();
    let said = |mode: &str, words: &str| {
        world.configure(
            &platform,
            &model,
            &json!({ "signatures": mode, "trusted_keys": [own] }),
        );
        let gateway = Gateway::start(&world.home, &[]);
        gateway.wait_for_line(READY);
        let lines = gateway.lines_with(words);
        assert_eq!(lines.len(), 1, "{words} in:\n{}", gateway.log());
        gateway.stop().expect_code(0);
        lines[0].clone()
    };
    let line = said("require", "it is not signed");
    assert!(
        line.contains("ERROR") && line.contains(library.to_str().unwrap()),
        "{line}"
    );
    let line = said("warn", "it is not signed");
    assert!(line.contains("WARN"), "{line}");
    world.sign(&library, "other");
    said("require", "it is signed by the key");
    world.sign(&library, "own");
    tamper(&library);
    said("require", "was modified");
    assert_eq!(platform.calls("send"), 0);
}

#[test]
fn lists_show_what_signatures_and_pins_are_worth() {
    let world = World::new();
    let key = world.keygen("own");
    let folder = world.at("download");
    let library = folder.join(LIBRARY);
    let config = |pin: &str| {
        let plugins =
            json!({ "trusted_keys": [world.at("own.pub")], "paths": [folder], "pins": { "loopback": pin } });
        world
            .home
            .write_config(&json!({ "plugins": plugins }).to_string());
    };
    config(&"0".repeat(64));
    let entry = || {
        let list = world.json(&["list"], 0);
        let found = list
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["name"] == "loopback");
        found.unwrap().clone()
    };
    let sha256 = world.json(&["info", "loopback"], 0)["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        (&entry()["pin"], &entry()["state"]),
        (&json!("differs"), &json!("refused"))
    );
    assert!(entry()["error"].as_str().unwrap().contains(&sha256));
    let line = world.run(&["verify", "loopback"]);
    assert!(
        line.expect_code(1).stderr.contains("plugins.pins"),
        "{}",
        line.stderr
    );

    config(&sha256);
    assert_eq!(
        (&entry()["pin"], &entry()["state"]),
        (&json!("matches"), &json!("available"))
    );
    assert_eq!(entry()["signature"]["state"], "unsigned");
    world.keygen("other");
    world.sign(&library, "other");
    assert_eq!(entry()["signature"]["state"], "unknown-key");
    world.sign(&library, "own");
    assert_eq!(entry()["signature"]["state"], "signed");
    let list = world.run(&["list"]);
    assert!(
        list.expect_code(0).stdout.contains(", pinned  "),
        "{}",
        list.stdout
    );
    tamper(&library);
    assert_eq!(entry()["signature"]["state"], "modified");
    let verdict = world.json(&["verify", library.to_str().unwrap(), "--key", &key], 1);
    assert_eq!(
        (&verdict["ok"], &verdict["pin"]),
        (&json!(false), &json!("differs"))
    );
}

#[test]
fn a_key_with_a_password_signs_by_file_and_by_variable_and_is_never_overwritten() {
    let world = World::new();
    let password = world.at("password");
    write_private(&password, b"correct horse\n");
    let (out, file) = (world.at("own"), password.to_str().unwrap());
    let made = world.run(&["keygen", "--out", out.to_str().unwrap(), "--password-file", file]);
    made.expect_code(0);
    let mode = |name: &str| std::fs::metadata(world.at(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("own.key"), mode("own.pub")), (0o600, 0o644));
    let again = world.run(&["keygen", "--out", out.to_str().unwrap(), "--password-file", file]);
    assert!(
        again.expect_code(1).stderr.contains("is there already"),
        "{}",
        again.stderr
    );

    let library = world.at("download").join(LIBRARY);
    let (key, public) = (world.at("own.key"), world.at("own.pub"));
    let sign = || {
        Command::new(&world.home, &["plugin", "sign", "--secret-key"])
            .arg(&key)
            .arg(&library)
    };
    let without = sign().run();
    assert!(
        without.expect_code(1).stderr.contains("MINICLAW_SIGN_PASSWORD"),
        "{}",
        without.stderr
    );
    let wrong = sign().env("MINICLAW_SIGN_PASSWORD", "wrong").run();
    assert!(
        wrong.expect_code(1).stderr.contains("wrong password"),
        "{}",
        wrong.stderr
    );
    assert!(!wrong.stderr.contains("correct horse"));
    for by_file in [false, true] {
        let signed = match by_file {
            true => sign().args(&["--password-file", file]).run(),
            false => sign().env("MINICLAW_SIGN_PASSWORD", "correct horse").run(),
        };
        signed.expect_code(0);
        let verdict = world.json(
            &[
                "verify",
                library.to_str().unwrap(),
                "--key",
                public.to_str().unwrap(),
            ],
            0,
        );
        assert_eq!(verdict["ok"], true);
        std::fs::remove_file(library.with_extension("so.minisig")).unwrap();
    }
}

#[test]
fn signatures_go_both_ways_between_miniclaw_and_minisign() {
    let minisign = |arguments: &[&Path]| std::process::Command::new("minisign").args(arguments).output();
    if minisign(&[Path::new("-v")]).is_err() {
        eprintln!("NOT CHECKED: signatures by and for minisign, which is not installed");
        return;
    }
    let world = World::new();
    world.keygen("own");
    let library = world.at("download").join(LIBRARY);
    let (public, secret) = (world.at("own.pub"), world.at("own.key"));
    world.sign(&library, "own");
    let [verify, sign] = ["-Vm", "-Sm"].map(Path::new);
    let checked = minisign(&[verify, &library, Path::new("-p"), &public]).unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let signed = minisign(&[sign, &library, Path::new("-s"), &secret]).unwrap();
    assert!(signed.status.success(), "{signed:?}");
    let (library, public) = (library.to_str().unwrap(), public.to_str().unwrap());
    world.run(&["verify", library, "--key", public]).expect_code(0);
    let text = world.run(&["verify", library, "--key", public]).stdout;
    assert!(text.contains("hashed"), "{text}");
}

#[test]
fn a_trusted_key_that_is_none_is_a_bad_configuration_with_its_place() {
    let world = World::new();
    world
        .home
        .write_config("{\"plugins\": {\"trusted_keys\": [\"nowhere.pub\"]}}");
    let checked = Command::new(&world.home, &["config", "validate"]).run();
    let line = &checked.expect_code(78).stderr;
    assert!(
        line.contains("config.json:1:31: key `plugins.trusted_keys[0]`: cannot read the key"),
        "{line}"
    );
    let gateway = Command::new(&world.home, &["gateway"]).run();
    assert!(
        gateway.expect_code(78).stderr.contains("nowhere.pub"),
        "{}",
        gateway.stderr
    );
    world.run(&["list"]).expect_code(78);
}

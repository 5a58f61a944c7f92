use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use miniclaw_tests::fake_telegram::TOKEN;
use miniclaw_tests::gateway::{Finished, make_folder, write_private};
use miniclaw_tests::{Command, Gateway, Home};
use serde_json::{Value, json};

use crate::phrases::READY;

/// A home that a gateway has run in, with nothing wrong.
fn sound() -> Home {
    let home = Home::empty();
    let config = json!({
        "telegram_token": TOKEN,
        "allow_from": [42],
        // Nobody listens there, and nothing here waits for it.
        "channels": { "telegram": { "settings": { "api_url": "http://127.0.0.1:1" } } },
    });
    home.write_config(&config.to_string());
    let gateway = Gateway::start(&home, &[]);
    gateway.wait_for_line(READY);
    gateway.stop();
    home
}

fn doctor(home: &Home, arguments: &[&str]) -> (i32, Value, Finished) {
    let finished = Command::new(home, &["doctor", "--json"]).args(arguments).run();
    let report = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", finished.stdout, finished.stderr));
    (finished.code(), report, finished)
}

fn findings(report: &Value) -> Vec<&Value> {
    let all = report["findings"].as_array().unwrap().iter();
    // Of the machine that the tests run on, which may be any.
    let ours = all.filter(|finding| {
        !["no-landlock", "few-files", "disk-low"].contains(&finding["id"].as_str().unwrap())
    });
    ours.collect()
}

/// Writes the configuration with a change.
fn with(home: &Home, change: impl FnOnce(&mut Value)) {
    let mut config: Value = serde_json::from_str(&fs::read_to_string(home.config()).unwrap()).unwrap();
    change(&mut config);
    home.write_config(&config.to_string());
}

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn make_old(path: &Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(86_400))
        .unwrap();
}

fn sql(home: &Home, text: &str) {
    let spool = rusqlite::Connection::open(home.miniclaw().join("state/spool.db")).unwrap();
    spool.execute_batch(text).unwrap();
}

fn unit(home: &Home, text: &str) {
    let folder = home.root().join(".config/systemd/user");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("miniclaw.service"), text).unwrap();
}

/// A fault, the finding that it must be, a word of the fix, and the status.
struct Fault {
    id: &'static str,
    fix: &'static str,
    status: i32,
    is_repaired: bool,
    plant: fn(&Home),
}

const fn fault(id: &'static str, status: i32, fix: &'static str, plant: fn(&Home)) -> Fault {
    let is_repaired = false;
    Fault {
        id,
        fix,
        status,
        is_repaired,
        plant,
    }
}

const fn repaired(id: &'static str, status: i32, fix: &'static str, plant: fn(&Home)) -> Fault {
    let is_repaired = true;
    Fault {
        id,
        fix,
        status,
        is_repaired,
        plant,
    }
}

const FAULTS: &[Fault] = &[
    fault("config-missing", 0, "miniclaw onboard", |home| {
        fs::remove_file(home.config()).unwrap()
    }),
    fault("config-syntax", 2, "config validate", |home| {
        home.write_config("{ \"provider\": }")
    }),
    fault("config-unreadable", 2, "--config", |home| {
        fs::remove_file(home.config()).unwrap();
        make_folder(&home.config());
    }),
    fault("config-unknown-key", 2, "`gatewy`", |home| {
        with(home, |config| config["gatewy"] = json!({}))
    }),
    fault("config-invalid", 2, "`gateway.max_pending`", |home| {
        with(home, |config| config["gateway"]["max_pending"] = json!(-1));
    }),
    fault("key-missing", 1, "`providers.openai.settings.api_key`", |home| {
        with(home, |config| config["provider"] = json!("openai"));
    }),
    repaired("config-secret-readable", 2, "chmod 600", |home| {
        chmod(home.config(), 0o644)
    }),
    repaired("config-writable", 2, "chmod go-w", |home| {
        with(home, |config| config["telegram_token"] = json!("${file:token}"));
        write_private(&home.miniclaw().join("token"), TOKEN.as_bytes());
        chmod(home.config(), 0o666);
    }),
    fault("secret-file", 2, "secrets/telegram", |home| {
        with(home, |config| {
            config["telegram_token"] = json!("${file:secrets/telegram}")
        });
    }),
    fault("secret-env", 2, "set NOT_SET_ANYWHERE", |home| {
        with(home, |config| {
            config["telegram_token"] = json!("${env:NOT_SET_ANYWHERE}")
        });
    }),
    repaired("secret-readable", 2, "chmod 600", |home| {
        let secrets = home.miniclaw().join("secrets");
        make_folder(&secrets);
        write_private(&secrets.join("key"), b"hidden");
        chmod(secrets.join("key"), 0o644);
    }),
    fault("nobody-may-write", 1, "`allow_from`", |home| {
        with(home, |config| config["allow_from"] = json!([]))
    }),
    fault("groups-empty", 1, "channels.telegram.groups", |home| {
        with(home, |config| {
            config["channels"]["telegram"]["groups"] = json!({ "allow": [] })
        });
    }),
    fault("webhook-not-https", 2, "webhook.url", |home| {
        with(home, |config| {
            let webhook = json!({ "url": "http://bot.example.org/t", "listen": "127.0.0.1:8443", "secret_token": "abcdefghijklmnop0123456789" });
            config["channels"]["telegram"]["settings"] = json!({ "mode": "webhook", "webhook": webhook });
        });
    }),
    fault("key-in-the-clear", 1, "base_url", |home| {
        with(home, |config| {
            let settings = json!({ "base_url": "http://models.example.org/v1", "api_key": "sk-0123456789", "model": "m" });
            config["providers"] = json!({ "openai": { "settings": settings } });
        });
    }),
    fault("config-doubt", 1, "key", |home| {
        with(home, |config| {
            config["channels"]["telegram"]["admins"] = json!([])
        });
    }),
    fault("plugin-unknown", 2, "plugin install", |home| {
        with(home, |config| {
            config["channels"]["irc"] = json!({ "allow_from": [1] })
        });
    }),
    repaired("plugin-folder-missing", 2, "plugins.paths", |home| {
        let folder = home.root().join("plugins").display().to_string();
        with(home, |config| config["plugins"]["paths"] = json!([folder]));
    }),
    repaired("plugin-folder-unsafe", 2, "chmod go-w", |home| {
        let folder = home.miniclaw().join("plugins");
        make_folder(&folder);
        chmod(folder, 0o777);
    }),
    fault("plugin-refused", 1, "build it again", |home| {
        let folder = home.miniclaw().join("plugins");
        make_folder(&folder);
        fs::write(folder.join("libodd.so"), "no library").unwrap();
    }),
    fault("pin-unknown", 1, "plugins.pins.nobody", |home| {
        with(home, |config| {
            config["plugins"]["pins"] = json!({ "nobody": "0".repeat(64) })
        });
    }),
    fault("pin-differs", 2, "plugins.pins.loopback", |home| {
        let folder = home.plugins(&["loopback"]).display().to_string();
        with(home, |config| {
            config["plugins"] = json!({ "paths": [folder], "pins": { "loopback": "0".repeat(64) } });
        });
    }),
    fault("plugin-unsigned", 1, "miniclaw plugin sign", |home| {
        let folder = home.plugins(&["loopback"]).display().to_string();
        let keys = home.root().join("k");
        let keygen = ["plugin", "keygen", "--no-password", "--out"];
        Command::new(home, &keygen).arg(&keys).run().expect_code(0);
        let key = keys.with_extension("pub").display().to_string();
        with(home, |config| {
            config["plugins"] = json!({ "paths": [folder], "trusted_keys": [key] })
        });
    }),
    repaired("plugin-copy-stale", 1, "rm ", |home| {
        let cache = home.miniclaw().join("state/cache");
        fs::create_dir_all(&cache).unwrap();
        write_private(&cache.join(format!("{}.so", "a".repeat(64))), b"gone");
    }),
    repaired("folder-writable", 2, "chmod go-w", |home| {
        chmod(home.miniclaw().join("state"), 0o770)
    }),
    repaired("folder-readable", 1, "chmod 700", |home| {
        chmod(home.sessions(), 0o755)
    }),
    fault("not-a-folder", 2, "--home", |home| {
        fs::remove_dir_all(home.sessions()).unwrap();
        write_private(&home.sessions(), b"");
    }),
    repaired("leftover", 1, "rm ", |home| {
        let path = home.miniclaw().join("config.json.tmp");
        write_private(&path, b"half");
        make_old(&path);
    }),
    repaired("stale-socket", 1, "rm ", |home| {
        drop(std::os::unix::net::UnixListener::bind(home.miniclaw().join("state/control.sock")).unwrap());
    }),
    repaired("stale-pid-file", 1, "rm ", |home| {
        write_private(&home.miniclaw().join("miniclaw.pid"), b"999999999\n")
    }),
    fault("gateway-silent", 2, "kill", |home| {
        let lock = fs::File::options()
            .write(true)
            .open(home.miniclaw().join("state/lock"))
            .unwrap();
        lock.lock().unwrap();
        // Held to the end of this process, as a gateway that hangs would.
        std::mem::forget(lock);
    }),
    fault("spool-newer", 2, "newer miniclaw", |home| {
        sql(home, "PRAGMA user_version = 99")
    }),
    fault("spool-damaged", 2, "miniclaw spool salvage", |home| {
        fs::write(home.miniclaw().join("state/spool.db"), "no database".repeat(1000)).unwrap();
    }),
    fault("dead-letters", 1, "miniclaw queue retry --dead", |home| {
        sql(
            home,
            "INSERT INTO outbox (id, channel, session, reply, body, created_ms, created_activity, state)
             VALUES (1, 'telegram', 'telegram_7', 1, '{\"chat\":{\"id\":\"7\"},\"text\":\"x\"}', 1, 1, 2)",
        );
    }),
    fault("waits-long", 1, "miniclaw gateway", |home| {
        sql(
            home,
            "INSERT INTO outbox (id, channel, session, reply, body, created_ms, created_activity)
             VALUES (1, 'telegram', 'telegram_7', 1, '{\"chat\":{\"id\":\"7\"},\"text\":\"x\"}', 1, 1)",
        );
    }),
    fault("session-damaged", 1, "start the gateway", |home| {
        write_private(&home.session("telegram", 7), b"{ torn")
    }),
    fault("session-set-aside", 0, "remove it", |home| {
        write_private(&home.sessions().join("telegram_7.json.corrupt-1"), b"torn");
    }),
    fault("pairing-damaged", 2, "miniclaw pairing approve", |home| {
        write_private(&home.miniclaw().join("state/pairing.json"), b"{ torn");
    }),
    fault("plugins-list-damaged", 1, "miniclaw plugin disable", |home| {
        write_private(&home.miniclaw().join("state/plugins.json"), b"{ torn");
    }),
    fault("clock-behind", 1, "set the clock", |home| {
        let config = fs::File::options().write(true).open(home.config()).unwrap();
        config
            .set_modified(SystemTime::now() + Duration::from_secs(864_000))
            .unwrap();
    }),
    fault("unit-restart", 1, "Restart=on-failure", |home| {
        unit(home, "[Service]\nTimeoutStopSec=30s\n")
    }),
    fault("unit-stop-timeout", 1, "TimeoutStopSec=12s", |home| {
        unit(home, "[Service]\nRestart=on-failure\nTimeoutStopSec=5s\n");
    }),
    fault("unit-program", 2, "ExecStart=", |home| {
        unit(
            home,
            "[Service]\nRestart=on-failure\nExecStart=/no/such/miniclaw gateway\n",
        );
    }),
    fault("webchat-beyond-loopback", 1, "public_url", |home| {
        with(home, |config| {
            config["channels"]["webchat"] = json!({ "settings": { "listen": "0.0.0.0:8470" } });
        });
    }),
    fault("http-beyond-loopback", 1, "http.listen", |home| {
        with(home, |config| {
            config["http"] = json!({ "listen": "0.0.0.0:9090" })
        });
    }),
];

#[test]
fn each_fault_is_found_alone_with_the_fix_that_its_key_or_command_is() {
    let failed = FAULTS
        .iter()
        .filter(|fault| std::panic::catch_unwind(|| check(fault)).is_err());
    let failed: Vec<_> = failed.map(|fault| fault.id).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

fn check(fault: &Fault) {
    let home = sound();
    (fault.plant)(&home);
    let (status, report, _) = doctor(&home, &[]);
    let found = findings(&report);
    let ids: Vec<_> = found
        .iter()
        .map(|finding| finding["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [fault.id], "{report:#}");
    let fix = found[0]["fix"].as_str().unwrap();
    assert!(fix.contains(fault.fix), "{}: {fix}", fault.id);
    assert!(!found[0]["path"].as_str().unwrap().is_empty(), "{report:#}");
    assert_eq!(found[0]["fixable"], fault.is_repaired, "{}", fault.id);
    assert_eq!(status, fault.status, "{}: {report:#}", fault.id);
    if fault.is_repaired {
        let (status, report, _) = doctor(&home, &["--fix"]);
        assert_eq!(status, 0, "{}: {report:#}", fault.id);
        assert_eq!(report["fixed"][0]["id"], fault.id);
        let (status, report, _) = doctor(&home, &[]);
        assert_eq!(status, 0, "{}: {report:#}", fault.id);
        assert!(findings(&report).is_empty(), "{}: {report:#}", fault.id);
    }
}

#[test]
fn a_sound_home_is_well_also_where_a_gateway_runs() {
    let home = sound();
    let (status, report, _) = doctor(&home, &[]);
    assert_eq!(status, 0, "{report:#}");
    assert!(findings(&report).is_empty(), "{report:#}");
    let empty = Home::empty();
    fs::remove_dir(empty.miniclaw()).unwrap();
    let (status, report, _) = doctor(&empty, &[]);
    assert_eq!((status, findings(&report).len()), (0, 1), "{report:#}");
    assert!(!empty.miniclaw().exists());
    let echo = Home::empty();
    echo.write_config("{ \"provider\": \"echo\" }");
    let gateway = Gateway::start(&echo, &[]);
    gateway.wait_for_line(READY);
    let (status, report, finished) = doctor(&echo, &[]);
    assert_eq!(status, 0, "{report:#} {}", finished.stderr);
    assert!(gateway.is_running());
    gateway.stop().expect_code(0);
}

#[test]
fn a_platform_and_a_provider_out_of_reach_are_found_online_alone() {
    let home = sound();
    with(&home, |config| {
        let settings = json!({ "base_url": "http://127.0.0.1:1/v1", "model": "m" });
        config["providers"] = json!({ "openai": { "settings": settings } });
    });
    assert_eq!(doctor(&home, &[]).0, 0);
    let (status, report, _) = doctor(&home, &["--online"]);
    let mut ids: Vec<_> = findings(&report)
        .iter()
        .map(|finding| finding["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(
        (status, ids),
        (2, vec!["channel-unreachable", "provider-unreachable"]),
        "{report:#}"
    );
}

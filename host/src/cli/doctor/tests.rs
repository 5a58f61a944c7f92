use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_home_of_another_user_is_named_and_not_called_damaged() {
    // Nobody else can become another user.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let chmod =
        |path: &std::path::Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    fs::create_dir_all(config::state_of(&home)).unwrap();
    fs::write(home.join("config.json"), "{}").unwrap();
    chmod(folder.path(), 0o755);
    for (home_mode, closed) in [(0o755, config::state_of(&home)), (0o700, home.clone())] {
        chmod(&home.join("config.json"), 0o600);
        chmod(&config::state_of(&home), 0o700);
        chmod(&home, home_mode);
        let sources = Sources {
            home: Some(home.clone()),
            env: [(OsString::from("HOME"), OsString::from("/"))].into(),
            ..Sources::default()
        };
        let looking = std::thread::spawn(move || {
            // Of this thread alone.
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65_534)).unwrap();
            let told = config::load(&sources).unwrap_err().to_string();
            (look(&sources).map_err(|_| ()).unwrap(), told)
        });
        let (findings, told) = looking.join().unwrap();
        let [finding] = &*findings else {
            panic!("{findings:?}")
        };
        assert_eq!(
            (finding.id, &finding.path),
            ("home-closed", &closed.display().to_string())
        );
        assert!(finding.fix.contains("run this as user 0"), "{finding:?}");
        assert!(told.contains("run this as"), "{told}");
    }
}

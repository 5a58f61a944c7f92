//! `miniclaw service`: the gateway under systemd.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{Global, ServiceArgs, ServiceCommand};
use super::config::BAD_CONFIG;
use super::{Failure, Outcome, setup};
use crate::config::{self, for_shell};

/// The unit that packages install; `install` changes what it says at its top.
const TEMPLATE: &str = include_str!("../../../deploy/miniclaw.service");
const UNIT: &str = "miniclaw.service";
/// Where the packaged unit keeps everything.
const SYSTEM_HOME: &str = "/var/lib/miniclaw";
/// How a unit of this command's making begins.
const MARK: &str = "# Written by `miniclaw service install`";

/// Runs a command of `miniclaw service`.
///
/// # Errors
/// A unit of another's making, and what the system refuses.
pub(super) fn run(global: &Global, command: &ServiceCommand) -> Outcome {
    match command {
        ServiceCommand::Install(args) => install(global, args),
        ServiceCommand::Uninstall(args) => uninstall(args),
    }
}

fn install(global: &Global, args: &ServiceArgs) -> Outcome {
    let home = home(global, args)?;
    let unit = unit(global, args, &home)?;
    let path = place(args)?;
    if args.print {
        let text = match args.output.json {
            true => format!(
                "{:#}\n",
                json!({ "path": path.display().to_string(), "unit": unit })
            ),
            false => unit,
        };
        return setup::print(&text, 0);
    }
    ours(&path, args.force, "replaces")?;
    write(&path, &unit)?;
    let mut steps = vec![format!("written: {}", path.display())];
    let before = match args.user {
        true => Vec::new(),
        false => before(&home, &std::fs::read_to_string("/etc/passwd").unwrap_or_default()),
    };
    steps.extend_from_slice(&before);
    let commands = [vec!["daemon-reload"], vec!["enable", "--now", UNIT]];
    let left = match before.is_empty() {
        // It could not start before somebody did that.
        false => commands.iter().map(|words| line(args, words)).collect(),
        true => perform(args, &commands, &mut steps)?,
    };
    if args.user {
        steps.push(
            "a user's services end with the last login; to keep this one: loginctl enable-linger".into(),
        );
    }
    report(args, &path, &steps, &left)
}

fn uninstall(args: &ServiceArgs) -> Outcome {
    let path = place(args)?;
    if !path.exists() {
        return Err(Failure::new(1, format!("there is no {}", path.display())));
    }
    ours(&path, args.force, "removes")?;
    let (stop, forget) = (vec!["disable", "--now", UNIT], vec!["daemon-reload"]);
    if args.print {
        let text = format!(
            "{}\nrm {}\n{}\n",
            line(args, &stop),
            for_shell(&path),
            line(args, &forget)
        );
        return setup::print(&text, 0);
    }
    let mut steps = Vec::new();
    perform(args, &[stop], &mut steps)?;
    let wants = if args.user {
        "default.target.wants"
    } else {
        "multi-user.target.wants"
    };
    // Where systemd does not run, nothing is to be stopped, and what `enable` made is still there.
    for file in [path.with_file_name(wants).join(UNIT), path.clone()] {
        if file.symlink_metadata().is_ok() {
            std::fs::remove_file(&file).map_err(|error| cannot("remove", &file, &error))?;
            steps.push(format!("removed: {}", file.display()));
        }
    }
    perform(args, &[forget], &mut steps)?;
    report(args, &path, &steps, &[])
}

fn report(args: &ServiceArgs, path: &Path, steps: &[String], left: &[String]) -> Outcome {
    if args.output.json {
        let report = json!({ "path": path.display().to_string(), "done": steps, "left": left });
        return setup::print(&format!("{report:#}\n"), 0);
    }
    let mut text = steps.join("\n") + "\n";
    if !left.is_empty() {
        text += "then run:\n";
    }
    for line in left {
        let _ = writeln!(text, "  {line}");
    }
    setup::print(&text, 0)
}

/// Runs `systemctl` where systemd runs; returns what is left to run by hand.
fn perform(
    args: &ServiceArgs,
    commands: &[Vec<&str>],
    steps: &mut Vec<String>,
) -> Result<Vec<String>, Failure> {
    // As sd_booted(3) says it.
    if !Path::new("/run/systemd/system").is_dir() {
        let absent = "systemd does not run here, so that nothing was started or stopped".to_owned();
        if !steps.contains(&absent) {
            steps.push(absent);
        }
        return Ok(commands.iter().map(|words| line(args, words)).collect());
    }
    for words in commands {
        let text = line(args, words);
        let mut command = std::process::Command::new("systemctl");
        if args.user {
            command.arg("--user");
        }
        let status = command.args(words).stdout(std::process::Stdio::null()).status();
        match status {
            Ok(status) if status.success() => steps.push(format!("done: {text}")),
            Ok(status) => {
                return Err(Failure::new(
                    1,
                    format!("`{text}` failed ({status}); see `journalctl -xe`"),
                ));
            }
            Err(error) => return Err(Failure::new(1, format!("cannot run `{text}`: {error}"))),
        }
    }
    Ok(Vec::new())
}

fn line(args: &ServiceArgs, words: &[&str]) -> String {
    let user = if args.user { " --user" } else { "" };
    format!("systemctl{user} {}", words.join(" "))
}

/// The home that was asked for.
fn home(global: &Global, args: &ServiceArgs) -> Result<PathBuf, Failure> {
    let home = match (&global.home, args.user) {
        (None, false) => PathBuf::from(SYSTEM_HOME),
        _ => {
            let place = config::place(&setup::sources(global, &[]));
            place.map_err(|errors| Failure::new(BAD_CONFIG, errors))?.home
        }
    };
    std::path::absolute(&home)
        .map_err(|error| Failure::new(1, format!("cannot tell where {} is: {error}", home.display())))
}

/// The template with this program and that home.
fn unit(global: &Global, args: &ServiceArgs, home: &Path) -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(1, format!("cannot tell where this program is: {error}")))?;
    let file = global.config.as_ref();
    let file = file.and_then(|file| std::path::absolute(file).ok());
    let hides = |path: &&Path| {
        let hidden = ["/home", "/root", "/run/user"];
        hidden.iter().any(|place| path.starts_with(place))
    };
    let needed = [Some(home), Some(&*program), file.as_deref()];
    let hidden = needed.into_iter().flatten().find(hides);
    if let Some(hidden) = hidden.filter(|_| !args.user) {
        return Err(Failure::new(
            1,
            format!(
                "a service of the system cannot see {}; choose another place for it, or give --user",
                hidden.display()
            ),
        ));
    }
    let mut command = format!("{} gateway", word(&program)?);
    if let Some(file) = &global.config {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        let _ = write!(command, " --config {}", word(&file)?);
    }
    Ok(fill(
        &command,
        &word(home)?,
        home != Path::new(SYSTEM_HOME),
        args.user,
    ))
}

/// A path in a unit: `%` and `$` mean something there, and so do quotes.
fn word(path: &Path) -> Result<String, Failure> {
    let text = path
        .to_str()
        .filter(|text| !text.contains(['"', '\\', '\'', '\n', '$']));
    let text = text.ok_or_else(|| {
        let line = format!(
            "{} cannot be written into a unit; choose a path of plain letters",
            path.display()
        );
        Failure::new(1, line)
    })?;
    let text = text.replace('%', "%%");
    match text.contains(' ') {
        true => Ok(format!("\"{text}\"")),
        false => Ok(text),
    }
}

fn fill(command: &str, home: &str, elsewhere: bool, user: bool) -> String {
    let of_user = if user { " --user" } else { "" };
    let mut unit = format!(
        "{MARK}; a change of your own goes into a drop-in\n# (`systemctl{of_user} edit miniclaw`).\n"
    );
    let mut for_system = false;
    // What stands before the first section says how this is done.
    for line in TEMPLATE.lines().skip_while(|line| !line.starts_with('[')) {
        match line {
            "#[system" => for_system = true,
            "#]" => for_system = false,
            _ if for_system && user => {}
            _ if line.starts_with("ExecStart=") => {
                let _ = writeln!(unit, "ExecStart={command}");
            }
            _ if line.starts_with("Environment=MINICLAW_HOME=") => {
                let _ = match home.strip_prefix('"') {
                    Some(rest) => writeln!(unit, "Environment=\"MINICLAW_HOME={rest}"),
                    None => writeln!(unit, "Environment=MINICLAW_HOME={home}"),
                };
                if elsewhere && !user {
                    let _ = writeln!(unit, "ReadWritePaths={home}");
                }
            }
            _ if user => {
                let _ = writeln!(unit, "{}", line.replace("multi-user.target", "default.target"));
            }
            _ => {
                let _ = writeln!(unit, "{line}");
            }
        }
    }
    unit
}

fn place(args: &ServiceArgs) -> Result<PathBuf, Failure> {
    if !args.user {
        return Ok(Path::new("/etc/systemd/system").join(UNIT));
    }
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty());
    let config = match (config, std::env::var_os("HOME")) {
        (Some(config), _) => PathBuf::from(config),
        (None, Some(home)) => PathBuf::from(home).join(".config"),
        (None, None) => return Err(Failure::new(1, "no home folder is known; set HOME")),
    };
    Ok(config.join("systemd/user").join(UNIT))
}

/// # Errors
/// Where another made the unit that is there.
fn ours(path: &Path, force: bool, does: &str) -> Result<(), Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) if force || text.starts_with(MARK) => Ok(()),
        Ok(_) => Err(Failure::new(
            1,
            format!(
                "{} is not of this command's making; --force {does} it",
                path.display()
            ),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot("read", path, &error)),
    }
}

fn write(path: &Path, unit: &str) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| crate::whole::replace(path, unit.as_bytes()))
        // Systemd says that it should be so.
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)));
    written.map_err(|error| cannot("write", path, &error))
}

/// What to do before a service of the system can start: it runs as a user of its own, who writes to its home alone.
fn before(home: &Path, users: &str) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut steps = Vec::new();
    let fields = users.lines().find_map(|line| line.strip_prefix("miniclaw:"));
    let user = fields.and_then(|fields| fields.split(':').nth(1)?.parse::<u32>().ok());
    if user.is_none() {
        steps.push(format!(
            "first make its user: useradd --system --home-dir {SYSTEM_HOME} --shell /usr/sbin/nologin miniclaw"
        ));
    }
    let owner = std::fs::metadata(home).ok().map(|home| home.uid());
    // Systemd itself makes the usual one.
    if home != Path::new(SYSTEM_HOME) && (owner.is_none() || owner != user) {
        let home = for_shell(home);
        steps.push(format!(
            "first make its home, and give it to that user: mkdir -p {home} && chown -R miniclaw:miniclaw {home}"
        ));
    }
    steps
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => "; run it as root, or give --user",
        _ => "",
    };
    Failure::new(1, format!("cannot {what} {}: {error}{advice}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_packaged_one_with_other_paths() {
        let unit = fill("/usr/bin/miniclaw gateway", SYSTEM_HOME, false, false);
        let known = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let lines: Vec<&str> = unit.lines().filter(known).collect();
        assert_eq!(lines, TEMPLATE.lines().filter(known).collect::<Vec<_>>());
        let other = fill("/opt/m gateway", "/srv/m", true, false);
        for line in [
            "ExecStart=/opt/m gateway\n",
            "Environment=MINICLAW_HOME=/srv/m\n",
            "ReadWritePaths=/srv/m\n",
        ] {
            assert!(other.contains(line), "{other}");
        }
    }

    #[test]
    fn a_service_of_the_system_is_told_what_it_lacks_before_it_can_start() {
        let folder = tempfile::tempdir().unwrap();
        let owner = rustix::process::geteuid().as_raw();
        let known =
            format!("root:x:0:0::/root:/bin/sh\nminiclaw:x:{owner}:7::/var/lib/miniclaw:/bin/false\n");
        let usual = Path::new(SYSTEM_HOME);
        assert_eq!(before(usual, &known), <[&str; 0]>::default());
        assert_eq!(before(folder.path(), &known), <[&str; 0]>::default());
        let lacks = |home: &Path, users: &str, words: &[&str]| {
            let steps = before(home, users);
            let fits =
                steps.len() == words.len() && steps.iter().zip(words).all(|(step, word)| step.contains(word));
            assert!(fits, "{steps:?}");
        };
        lacks(usual, "root:x:0:0::/root:/bin/sh\n", &["useradd"]);
        lacks(&folder.path().join("not there"), &known, &["mkdir -p"]);
        let other = format!("miniclaw:x:{}:7::/var/lib/miniclaw:/bin/false\n", owner + 1);
        lacks(folder.path(), &other, &["chown -R"]);
        lacks(folder.path(), "", &["useradd", "chown -R"]);
    }

    #[test]
    fn a_user_s_unit_has_nothing_that_its_manager_lacks() {
        let unit = fill("/usr/bin/miniclaw gateway", "\"/home/a b/.miniclaw\"", true, true);
        for gone in [
            "User=",
            "ProtectSystem",
            "network-online",
            "multi-user",
            "#[system",
            "ReadWritePaths",
        ] {
            assert!(!unit.contains(gone), "{gone}: {unit}");
        }
        for line in [
            "WantedBy=default.target",
            "Environment=\"MINICLAW_HOME=/home/a b/.miniclaw\"",
            "Restart=on-failure",
            "systemctl --user edit miniclaw",
        ] {
            assert!(unit.contains(line), "{line}: {unit}");
        }
    }
}

//! `miniclaw completions` and `miniclaw man`: what the table of commands gives besides `--help`.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

use super::args::{Cli, CompletionsArgs, ManArgs, ShellArg};
use super::{Failure, Outcome, setup};

const NAME: &str = "miniclaw";

/// Prints a shell's completions.
///
/// # Errors
/// Where they cannot be written.
pub(super) fn completions(args: &CompletionsArgs) -> Outcome {
    setup::printed(io::stdout().write_all(&of_shell(args.shell)).map(|()| 0))
}

/// By generators of these shells alone: `Shell` would link those of all others too.
fn of_shell(shell: ShellArg) -> Vec<u8> {
    let (mut command, mut text) = (offered(), Vec::new());
    match shell {
        ShellArg::Bash => generate(Bash, &mut command, NAME, &mut text),
        ShellArg::Zsh => generate(Zsh, &mut command, NAME, &mut text),
        ShellArg::Fish => generate(Fish, &mut command, NAME, &mut text),
    }
    text
}

/// The commands without the hidden ones, which the generators would offer.
fn offered() -> clap::Command {
    let all = Cli::command();
    let below = all.get_subcommands().filter(|below| !below.is_hide_set());
    clap::Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(all.get_arguments())
        .subcommands(below)
}

/// Prints the first page, or writes one for every command.
///
/// # Errors
/// Where they cannot be written.
pub(super) fn man(args: &ManArgs) -> Outcome {
    let mut command = Cli::command();
    command.build();
    let Some(folder) = &args.dir else {
        let page = page(&command, NAME);
        return setup::printed(page.and_then(|page| io::stdout().write_all(&page)).map(|()| 0));
    };
    let cannot = |error| Failure::new(1, format!("cannot write to {}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    pages(&command, NAME, folder).map_err(cannot)?;
    Ok(0)
}

fn pages(command: &clap::Command, name: &str, folder: &Path) -> io::Result<()> {
    let file = folder.join(format!("{name}.1"));
    std::fs::write(&file, page(command, name)?)?;
    // A manual is for everybody, whatever else this program writes.
    std::fs::set_permissions(&file, Permissions::from_mode(0o644))?;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str) -> io::Result<Vec<u8>> {
    // A page is named after all of its command, as `man miniclaw-queue-list`.
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone()).title(name.to_uppercase());
    man.render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    /// Every command with its whole name.
    fn walk(command: &Command, name: &str, visit: &mut dyn FnMut(&Command, &str)) {
        visit(command, name);
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            walk(below, &format!("{name} {}", below.get_name()), visit);
        }
    }

    #[test]
    fn the_help_of_every_command_fits_80_columns_and_describes_everything() {
        let mut command = Cli::command();
        command.build();
        let (mut seen, mut faults) = (0, Vec::new());
        walk(&command, "miniclaw", &mut |command, name| {
            seen += 1;
            let mut command = command.clone();
            for help in [command.render_help(), command.render_long_help()] {
                let help = help.to_string();
                let wide = help.lines().filter(|line| line.chars().count() > 80);
                faults.extend(wide.map(|line| format!("{name}: too wide: {line}")));
                // What is copied from a line that was broken is another command.
                let below = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let broken = below
                    .lines()
                    .filter(|line| !help.lines().any(|shown| shown == *line));
                faults.extend(broken.map(|line| format!("{name}: broken into two: {line}")));
            }
            if command.get_about().is_none() {
                faults.push(format!("{name}: says nothing of itself"));
            }
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                if argument.get_help().is_none() {
                    faults.push(format!("{name}: nothing on {}", argument.get_id()));
                }
            }
        });
        assert!(seen > 30, "{seen}");
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn the_main_commands_show_examples_that_are_taken() {
        use clap::Parser;
        let mut command = Cli::command();
        command.build();
        let mut examples = Vec::new();
        let mut with = Vec::new();
        walk(&command, "miniclaw", &mut |command, name| {
            let text = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            if text.contains("Examples:") {
                with.push(name.to_owned());
            }
            let text = text.replace("\\\n", " ");
            let shown = text.split_once("Examples:").map_or("", |(_, shown)| shown);
            let lines = shown
                .lines()
                .filter_map(|line| line.find("miniclaw ").map(|at| &line[at..]));
            examples.extend(lines.map(str::to_owned));
        });
        for name in ["gateway", "onboard", "status", "send", "plugin"] {
            assert!(with.contains(&format!("miniclaw {name}")), "{name}: {with:?}");
        }
        for example in examples {
            if let Err(error) = Cli::try_parse_from(words(&example)) {
                panic!("{example}: {error}");
            }
        }
    }

    /// As a shell takes a line up to a pipe or a redirection.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for letter in line.chars() {
            match letter {
                '\'' => quoted = !quoted,
                '|' | '>' if !quoted => break,
                ' ' if !quoted => words.push(String::new()),
                letter => words.last_mut().unwrap().push(letter),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_command_has_a_page_and_every_shell_its_completions() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Some(folder.path().join("man1"));
        assert!(man(&ManArgs { dir }).is_ok());
        let mut command = Cli::command();
        command.build();
        walk(&command, "miniclaw", &mut |_, name| {
            let file = folder
                .path()
                .join("man1")
                .join(format!("{}.1", name.replace(' ', "-")));
            let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(text.contains(".SH SYNOPSIS"), "{name}: {text}");
        });
        for shell in [ShellArg::Bash, ShellArg::Zsh, ShellArg::Fish] {
            let text = of_shell(shell);
            let text = String::from_utf8(text).unwrap();
            assert!(
                text.contains("onboard") && text.contains("shutdown-timeout"),
                "{shell:?}"
            );
            // What nobody is to call is offered to nobody.
            for hidden in ["plugin-host", "plugin-probe", "plugin-check"] {
                assert!(!text.contains(hidden), "{shell:?}: {hidden}");
            }
        }
    }
}

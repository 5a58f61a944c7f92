//! What a log filter says: levels, by the targets that they hold for.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// Reads directives with commas between: `LEVEL`, `TARGET=LEVEL`, or `TARGET` for all of it. A target stands for all
/// that begin with it. Nothing at all means errors alone.
///
/// # Errors
/// Why it is no filter.
pub(crate) fn targets(filter: &str) -> Result<Targets, String> {
    // A lone word is the name of a crate to this syntax, and a mistyped level would silence everything.
    let word = filter.trim();
    let lone = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    if lone && word != "miniclaw" && word.parse::<LevelFilter>().is_err() {
        return Err("it is no level: off, error, warn, info, debug or trace".to_owned());
    }
    let mut targets = Targets::new();
    let mut empty = true;
    for directive in filter
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
    {
        targets = with(targets, directive)?;
        empty = false;
    }
    Ok(match empty {
        true => targets.with_default(LevelFilter::ERROR),
        false => targets,
    })
}

fn with(targets: Targets, directive: &str) -> Result<Targets, String> {
    if directive.contains('[') {
        return Err("events cannot be chosen by span or field (`[…]`), but by target and level".to_owned());
    }
    let (target, level) = match directive.split_once('=') {
        Some((target, level)) => (target.trim_end(), self::level(level.trim_start())?),
        None => match directive.parse::<LevelFilter>() {
            Ok(level) => return Ok(targets.with_default(level)),
            Err(_) => (directive, LevelFilter::TRACE),
        },
    };
    let of_name = |character: char| character.is_alphanumeric() || "_-:".contains(character);
    if !target.starts_with(of_name) || target.contains(char::is_whitespace) {
        return Err("it names no target".to_owned());
    }
    // The targets of a crate have `_` where its name has `-`.
    Ok(targets
        .with_target(target.replace('-', "_"), level)
        .with_target(target, level))
}

fn level(text: &str) -> Result<LevelFilter, String> {
    if text.is_empty() {
        return Ok(LevelFilter::TRACE);
    }
    let none = |_| "a level is off, error, warn, info, debug or trace".to_owned();
    text.parse().map_err(none)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn takes(filter: &str, target: &str, level: Level) -> bool {
        targets(filter).unwrap().would_enable(target, &level)
    }

    #[test]
    fn a_level_holds_for_all_and_that_of_the_longest_target_goes_before_it() {
        let filter = " warn , miniclaw=debug,,miniclaw::hub=off, noisy=ERROR,all,every=,six=5";
        for (target, level, taken) in [
            ("other", Level::WARN, true),
            ("other", Level::INFO, false),
            ("miniclaw", Level::DEBUG, true),
            ("miniclaw::spool", Level::TRACE, false),
            ("miniclaw_telegram", Level::DEBUG, true),
            ("miniclaw::hub::turn", Level::ERROR, false),
            ("noisy", Level::WARN, false),
            ("all", Level::TRACE, true),
            ("every", Level::TRACE, true),
            ("six", Level::TRACE, true),
        ] {
            assert_eq!(takes(filter, target, level), taken, "{target} {level}");
        }
        assert!(!takes("miniclaw=debug", "other", Level::ERROR));
        assert!(takes(",", "other", Level::ERROR) && !takes("", "other", Level::WARN));
    }

    #[test]
    fn a_crate_may_be_written_as_its_package_is_called() {
        let filter = "info,miniclaw-telegram=debug";
        assert!(takes(filter, "miniclaw_telegram::poll", Level::DEBUG));
        assert!(takes(filter, "miniclaw-telegram", Level::DEBUG));
    }

    #[test]
    fn what_is_no_filter_is_told_why() {
        for (filter, told) in [
            ("a=loud", "a level is off, error"),
            ("a=info=debug", "a level is off, error"),
            ("info,[turn{id=5}]=debug", "span or field"),
            ("a[turn]=debug", "span or field"),
            ("=debug", "names no target"),
            ("info warn", "names no target"),
            ("?=debug", "names no target"),
        ] {
            let reason = targets(filter).unwrap_err();
            assert!(reason.contains(told), "{filter}: {reason}");
        }
    }
}

//! Questions on the terminal.

use std::io::{self, BufRead, Write};

use miniclaw_plugin_api::Kind;

use super::super::args::OnboardArgs;
use super::super::{Failure, hidden, provider};
use super::plan::{ECHO, Plan, Secret, has_webchat};
use super::trial::{Test, Trial, Verdict};
use crate::config::KnownPlugin;

/// Asks for what no option says. What is refused, or fails where it is tried, is asked again.
///
/// # Errors
/// Where the terminal is gone, or its input ends.
pub(super) fn complete(plan: &mut Plan, args: &OnboardArgs, trial: &mut Trial<'_>) -> Result<(), Failure> {
    tell("Enter takes what stands in brackets. Nothing is written before the last question.")?;
    if plan.token.is_none() {
        while !is_token_taken(plan, trial)? {}
    }
    if plan.token.is_some() && plan.allow_from.is_empty() && !plan.pairing {
        while !are_ids_taken(plan, trial)? {}
    }
    if args.provider.is_none() {
        plan.provider = ask_provider(trial.known)?;
    }
    if plan.provider != ECHO {
        while !are_terms_taken(plan, trial)? {
            (plan.base_url, plan.api_key, plan.model) = (None, None, None);
        }
    }
    if has_webchat(trial.known) && !args.webchat {
        plan.webchat = yes("Chat in a browser on this machine as well")?;
    }
    Ok(())
}

fn is_token_taken(plan: &mut Plan, trial: &mut Trial<'_>) -> Result<bool, Failure> {
    let token = secret("Token of your Telegram bot, from @BotFather [no Telegram]")?;
    plan.token = token.map(Secret::Given);
    Ok(is_sound(&trial.refusals(plan, |key| key.ends_with("token")))? && has_passed(trial.token(plan)?)?)
}

fn are_ids_taken(plan: &mut Plan, trial: &Trial<'_>) -> Result<bool, Failure> {
    let ids = line(
        "Your Telegram id, as @userinfobot tells it [let me in by a code]",
        "",
    )?;
    plan.allow_from = ids
        .split([',', ' '])
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect();
    plan.pairing = plan.allow_from.is_empty();
    is_sound(&trial.refusals(plan, |key| key.contains("allow_from")))
}

/// Where the provider is, and on which terms it answers.
fn are_terms_taken(plan: &mut Plan, trial: &mut Trial<'_>) -> Result<bool, Failure> {
    let default = |key| provider::default_setting(trial.known, &plan.provider, key);
    let (url, model) = (default("base_url"), default("model"));
    if plan.base_url.is_none() {
        plan.base_url = other_than(line("Address of its server", url.as_deref().unwrap_or(""))?, url);
    }
    if plan.api_key.is_none() {
        plan.api_key = secret("Key of its API [none]")?.map(Secret::Given);
    }
    if plan.model.is_none() {
        plan.model = other_than(line("Model", model.as_deref().unwrap_or(""))?, model);
    }
    let refusals = trial.refusals(plan, |key| key == "model" || key.starts_with("providers."));
    Ok(is_sound(&refusals)? && has_passed(trial.provider(plan)?)?)
}

fn is_sound(refusals: &[String]) -> Result<bool, Failure> {
    for refusal in refusals {
        tell(refusal)?;
    }
    Ok(refusals.is_empty())
}

/// Tells of a try. What cannot be tried now may be right.
fn has_passed(test: Option<&Test>) -> Result<bool, Failure> {
    let Some(test) = test else {
        return Ok(true);
    };
    tell(&test.to_string())?;
    Ok(test.verdict != Verdict::Refused)
}

fn ask_provider(known: &[KnownPlugin]) -> Result<String, Failure> {
    let names: Vec<&str> = known
        .iter()
        .filter(|plugin| plugin.kind == Kind::Provider)
        .map(|plugin| plugin.name.as_str())
        .collect();
    loop {
        let name = line(&format!("Who answers: {}", names.join(", ")), ECHO)?;
        if names.contains(&name.as_str()) {
            return Ok(name);
        }
        tell(&format!("no provider is called `{name}`"))?;
    }
}

/// A default needs no word in the configuration.
fn other_than(answer: String, default: Option<String>) -> Option<String> {
    Some(answer).filter(|answer| !answer.is_empty() && Some(answer) != default.as_ref())
}

fn yes(question: &str) -> Result<bool, Failure> {
    loop {
        match line(&format!("{question}, yes or no"), "yes")?
            .to_lowercase()
            .as_str()
        {
            "yes" | "y" => return Ok(true),
            "no" | "n" => return Ok(false),
            _ => tell("write yes or no")?,
        }
    }
}

fn line(question: &str, default: &str) -> Result<String, Failure> {
    let shown = match default {
        "" => format!("{question}: "),
        default => format!("{question} [{default}]: "),
    };
    let mut out = io::stderr();
    out.write_all(shown.as_bytes())
        .and_then(|()| out.flush())
        .map_err(gone)?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer).map_err(gone)? == 0 {
        return Err(ended());
    }
    match answer.trim() {
        "" => Ok(default.into()),
        answer => Ok(answer.into()),
    }
}

/// What is not shown while it is typed.
fn secret(question: &str) -> Result<Option<String>, Failure> {
    let answer = hidden::ask(&format!("{question}, not shown: ")).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ended(),
        _ => gone(error),
    })?;
    Ok(Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty()))
}

fn tell(text: &str) -> Result<(), Failure> {
    writeln!(io::stderr(), "{text}").map_err(gone)
}

fn ended() -> Failure {
    Failure::new(1, "the input has ended; nothing was written")
}

fn gone(error: io::Error) -> Failure {
    Failure::new(
        1,
        format!("cannot ask on the terminal: {error}; nothing was written"),
    )
}

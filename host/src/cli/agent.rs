//! `miniclaw agent`: one question, no daemon.

use std::collections::HashMap;
use std::io::{self, Write};

use miniclaw_plugin_api::{Error, Role};
use tokio::sync::watch;

use super::args::{AgentArgs, Global};
use super::provider::{self, NotStarted};
use super::{Failure, Outcome, known_plugins, setup};
use crate::agent::{AgentLoop, Budget, Progress, Provider};
use crate::config::{Config, Route};
use crate::delivery::remarked;
use crate::gateway::private_folder;
use crate::sessions::{Entry, FileSession, SessionKey};
use crate::spool::wall_ms;
use crate::telemetry;

/// Asks the question and prints the answer as it comes.
///
/// # Errors
/// 78 for a configuration that cannot be used, 1 where there is no answer.
pub(super) fn run(global: &Global, args: &AgentArgs) -> Outcome {
    let mut loaded = setup::load(&setup::sources(global, &args.plugins))?;
    let telemetry = setup::start_log(global, &loaded, true)?;
    let route = route(&mut loaded.config, args)?;
    provider::block_on(ask(&loaded.config, &telemetry, args, &route))?
}

/// The command line's provider and model before those of the configuration.
fn route(config: &mut Config, args: &AgentArgs) -> Result<Route, Failure> {
    let provider = args.provider.clone().unwrap_or_else(|| config.provider.clone());
    provider::admit(config, &known_plugins(config), &provider)?;
    let configured = args
        .provider
        .as_ref()
        .is_none_or(|provider| *provider == config.provider);
    let model = args
        .model
        .clone()
        .or_else(|| config.model.clone().filter(|_| configured));
    Ok(Route {
        provider: Some(provider),
        model,
        ..Route::default()
    })
}

async fn ask(config: &Config, telemetry: &telemetry::Handle, args: &AgentArgs, route: &Route) -> Outcome {
    let name = route.provider.as_deref().unwrap_or_default();
    let started = provider::start(config, telemetry, name).await;
    let instance = started.map_err(|none| match none {
        NotStarted::Setup(failure) => failure,
        NotStarted::Plugin(error) => no_answer(name, &error),
    })?;
    let mut conversation = match &args.session {
        Some(id) => Some(open(config, id)?),
        None => None,
    };
    let (_keep, running) = watch::channel(Some(instance.clone()));
    let providers = HashMap::from([(name.to_owned(), Provider::new(running, None))]);
    let agent = AgentLoop::new(config, providers, &Budget::none(), None);
    let history = conversation
        .as_ref()
        .map(FileSession::entries)
        .unwrap_or_default();
    let request = agent.prompt.request(history, args.message.trim(), &[]);
    let mut printer = Printer::default();
    let answer = agent
        .complete(route, request, &mut |progress| printer.show(progress))
        .await;
    provider::end(&instance).await;
    let reply = answer.map_err(|error| no_answer(name, &error))?;
    printer.end(&reply.text, reply.remark);
    if let Some(conversation) = &mut conversation {
        conversation
            .append([
                entry(Role::User, args.message.trim()),
                entry(Role::Assistant, &reply.text),
            ])
            .map_err(|error| Failure::chain(1, &error))?;
    }
    match printer.error {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(1, format!("cannot write the answer: {error}")))
        }
        _ => Ok(0),
    }
}

fn open(config: &Config, id: &str) -> Result<FileSession, Failure> {
    private_folder(&config.sessions_dir()).map_err(|error| Failure::chain(1, &error))?;
    FileSession::open(
        config.sessions_dir(),
        SessionKey::of_command_line(id),
        config.sessions.history,
    )
    .map_err(|error| Failure::chain(1, &error))
}

fn entry(role: Role, text: &str) -> Entry {
    Entry::new(role, text.to_owned(), wall_ms())
}

fn no_answer(provider: &str, error: &Error) -> Failure {
    Failure::new(1, format!("provider `{provider}` gave no answer: {error}"))
}

/// Prints an answer as it comes.
#[derive(Default)]
struct Printer {
    printed: String,
    error: Option<io::Error>,
}

impl Printer {
    fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Asked { .. } | Progress::Tried(_) => {}
            Progress::Text(text) => {
                self.printed.push_str(text);
                self.write(text);
            }
            // What stands on the terminal cannot be taken back; the answer starts on a line of its own.
            Progress::Restart if !self.printed.is_empty() => {
                self.printed.clear();
                self.write("\n");
            }
            Progress::Restart => {}
        }
    }

    /// Prints what the whole answer has beyond what came piece by piece, then the remark, and ends the line.
    fn end(&mut self, whole: &str, remark: &str) {
        // One that was cut holds less than was printed.
        let mut rest = whole
            .strip_prefix(self.printed.as_str())
            .unwrap_or_default()
            .to_owned();
        if !remark.is_empty() {
            rest += &remarked(whole, remark)[whole.trim_end().len()..];
        }
        if !rest.ends_with('\n') && (!whole.ends_with('\n') || !rest.is_empty()) {
            rest.push('\n');
        }
        self.write(&rest);
    }

    fn write(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        if let Err(error) = out
            .write_all(setup::shown(text).as_bytes())
            .and_then(|()| out.flush())
        {
            self.error.get_or_insert(error);
        }
    }
}

//! The configuration as the rest of the gateway sees it: complete, checked, secrets resolved.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miniclaw_plugin_api::Kind;

/// Everything that the operator decides.
#[derive(Clone)]
pub(crate) struct Config {
    /// `~/.miniclaw` by default.
    pub(crate) home: PathBuf,
    /// Sessions and the agent's own files; `{home}/workspace` by default.
    pub(crate) workspace: PathBuf,
    /// Directories to find libraries in, in order of precedence.
    pub(crate) plugin_paths: Vec<PathBuf>,
    pub(crate) trust: TrustConfig,
    /// Channel instances by name.
    pub(crate) channels: BTreeMap<String, ChannelConfig>,
    /// Provider instances by name; always holds the one that `provider` names.
    pub(crate) providers: BTreeMap<String, ProviderConfig>,
    /// The provider where no route says otherwise.
    pub(crate) provider: String,
    /// The model where no route says otherwise.
    pub(crate) model: Option<String>,
    /// First match wins.
    pub(crate) routes: Vec<Route>,
    pub(crate) gateway: GatewayConfig,
    pub(crate) sessions: SessionsConfig,
    pub(crate) agent: AgentConfig,
    pub(crate) limits: Budgets,
    /// Of the prices; `USD` by default.
    pub(crate) currency: String,
    pub(crate) delivery: DeliveryConfig,
    pub(crate) media: MediaConfig,
    /// Where health and metrics are told; `None`: nowhere.
    pub(crate) http: Option<SocketAddr>,
    /// `None`: nobody is told.
    pub(crate) alerts: Option<AlertsConfig>,
    pub(crate) log: LogConfig,
    /// Resolved secret values, for the log to scrub.
    pub(crate) secrets: Vec<String>,
}

/// Which libraries may be loaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustConfig {
    pub(crate) signatures: Signatures,
    pub(crate) trusted_keys: Vec<KeySource>,
    /// Lowercase SHA-256 by name of the plugin.
    pub(crate) pins: BTreeMap<String, String>,
}

/// What becomes of a library without a good signature by a trusted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Signatures {
    #[default]
    Off,
    Warn,
    Require,
}

/// Where a public key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// In base64.
    Line(String),
    File(PathBuf),
}

#[derive(Debug, Clone)]
pub(crate) struct ChannelConfig {
    /// Name of the plugin.
    pub(crate) plugin: String,
    /// Sender ids; empty means nobody.
    pub(crate) allow_from: Vec<String>,
    /// `None` where the configuration says nothing of groups.
    pub(crate) groups: Option<GroupsConfig>,
    /// Whether strangers get a code.
    pub(crate) pairing: bool,
    /// `None`: everybody in `allow_from`.
    pub(crate) admins: Option<Vec<String>>,
    /// Whether everybody may speak. No configuration says so: `plugin run` alone, for its throw-away gateway.
    pub(crate) open: bool,
    /// Whether an answer is shown while it is written; `None`: where that costs the channel nothing.
    pub(crate) streaming: Option<bool>,
    /// Messages that follow each other within this are answered as one; default 0.
    pub(crate) debounce: Duration,
    pub(crate) confinement: Confinement,
    /// The plugin's own settings, secrets resolved.
    pub(crate) settings: Settings,
}

/// What is answered in chats that are not private.
#[derive(Debug, Clone)]
pub(crate) struct GroupsConfig {
    /// Chat ids; empty means none.
    pub(crate) allow: Vec<String>,
    pub(crate) require_mention: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct ProviderConfig {
    /// Name of the plugin.
    pub(crate) plugin: String,
    pub(crate) terms: Terms,
    pub(crate) confinement: Confinement,
    /// The plugin's own settings, secrets resolved.
    pub(crate) settings: Settings,
}

/// What the operator knows of a provider's server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// The model that its settings name, by the key that providers have for it.
    pub(crate) model: Option<String>,
    /// Tokens that its model reads and writes together; `None`: as the server says.
    pub(crate) context_tokens: Option<u64>,
    /// `None` for no limit.
    pub(crate) max_concurrent_requests: Option<usize>,
    /// `None` for no limit.
    pub(crate) requests_per_minute: Option<u32>,
    /// By model; `*` for every other one.
    pub(crate) prices: BTreeMap<String, Price>,
}

/// What a million tokens cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Price {
    pub(crate) input: f64,
    pub(crate) output: f64,
}

/// Tokens that may be used in a day in UTC; `None` for no limit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Budgets {
    /// Of all conversations together.
    pub(crate) tokens_per_day: Option<u64>,
    pub(crate) conversation_tokens_per_day: Option<u64>,
}

/// Where an instance runs, and what it may use there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confinement {
    /// `None`: as its origin says.
    pub(crate) isolation: Option<Isolation>,
    /// Memory that it may write to, in bytes; default 512 MiB.
    pub(crate) memory: u64,
    /// Default 256.
    pub(crate) open_files: u64,
    pub(crate) mode: SandboxMode,
    /// Permissions that are granted where the plugin asks for them.
    pub(crate) allow: Vec<String>,
    /// What it may read beside what every plugin may.
    pub(crate) read: Vec<PathBuf>,
    /// What it may write beside its own data folder.
    pub(crate) write: Vec<PathBuf>,
}

impl Default for Confinement {
    /// As `config::keys` has it.
    fn default() -> Self {
        Self {
            isolation: None,
            memory: 512 << 20,
            open_files: 256,
            mode: SandboxMode::Auto,
            allow: Vec::new(),
            read: Vec::new(),
            write: Vec::new(),
        }
    }
}

/// Where an instance runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    InProcess,
    Process,
}

/// What becomes of an instance whose sandbox the kernel does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum SandboxMode {
    /// It runs in what there is, with a warning.
    Auto,
    /// It does not run.
    Require,
    /// No sandbox is wanted.
    Off,
}

/// A plugin's settings with resolved secrets in them; `Debug` shows none of it.
#[derive(Clone, Default)]
pub(crate) struct Settings(pub(crate) serde_json::Map<String, serde_json::Value>);

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Which provider answers a channel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Route {
    /// Channel instance; `None` matches all.
    pub(crate) channel: Option<String>,
    /// Chat id; `None` matches all.
    pub(crate) chat: Option<String>,
    /// Name of a command; `None` matches all messages.
    pub(crate) command: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) model: Option<String>,
    /// Providers to try afterwards, in order; `NAME` or `NAME/MODEL`.
    pub(crate) fallback: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct GatewayConfig {
    /// Default 10 s.
    pub(crate) shutdown_timeout: Duration,
    /// Default 64.
    pub(crate) max_concurrent_turns: usize,
    /// Default 10,000; more make the channels pause.
    pub(crate) max_pending: usize,
    /// Default 200; more are refused with one note.
    pub(crate) max_pending_per_conversation: usize,
    /// Default 256 KiB of text; larger messages are refused with a note.
    pub(crate) max_message_bytes: usize,
    /// A message or a reply that waits longer is named in the log; default 10 min.
    pub(crate) warn_pending_after: Duration,
    /// Before the first restart of a crashed plugin; the longest wait is 60 times this. Default 1 s.
    pub(crate) restart_backoff: Duration,
    /// Crashes within 60 s that quarantine a plugin; default 5.
    pub(crate) max_crashes: usize,
    /// Older messages are refused with one note; `None`, the default, for no limit.
    pub(crate) max_message_age: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(crate) struct SessionsConfig {
    /// Messages of history, both sides counted; default 50.
    pub(crate) history: usize,
    /// Whether what no longer fits is summed up; default true.
    pub(crate) compaction: bool,
    /// Default 30 s.
    pub(crate) checkpoint_interval: Duration,
    /// Default 30 days.
    pub(crate) idle_ttl: Duration,
    /// Sessions kept in memory; default 1,000.
    pub(crate) cache: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct AgentConfig {
    /// Instructions before everything else.
    pub(crate) system_prompt: String,
    /// Further attempts after a transient failure, for each provider; default 3.
    pub(crate) retries: u32,
    /// Whole turn, all attempts together; default 5 min.
    pub(crate) turn_timeout: Duration,
    /// From the request to the first chunk; default 60 s.
    pub(crate) first_chunk_timeout: Duration,
    /// Between chunks; default 30 s.
    pub(crate) idle_timeout: Duration,
    /// Longest answer in bytes; default 256 KiB.
    pub(crate) max_reply_bytes: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct DeliveryConfig {
    /// After this a reply that could not be delivered is a dead letter; default 24 h.
    pub(crate) max_age: Duration,
    /// What to do with a send that may have happened.
    pub(crate) on_unknown: OnUnknown,
    /// Sends under way at once in one channel; default 32.
    pub(crate) max_concurrent_sends: usize,
    /// Replies of one channel that wait; more make the channel pause; default 10,000.
    pub(crate) max_waiting: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct MediaConfig {
    /// Larger files are not fetched; default 20 MiB.
    pub(crate) max_file_bytes: u64,
    /// Pictures of a conversation that a model is shown; default 4.
    pub(crate) max_pictures: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnUnknown {
    /// Send again: at least once.
    Resend,
    /// Dead letter: at most once.
    Hold,
}

/// Whom the gateway tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlertsConfig {
    /// Channel instance.
    pub(crate) channel: String,
    /// Chat id.
    pub(crate) to: String,
}

#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    /// A filter as in `RUST_LOG`; default `info`.
    pub(crate) level: String,
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("home", &self.home)
            .field("workspace", &self.workspace)
            .field("plugin_paths", &self.plugin_paths)
            .field("trust", &self.trust)
            .field("channels", &self.channels)
            .field("providers", &self.providers)
            .field("provider", &self.provider)
            .field("model", &self.model)
            .field("routes", &self.routes)
            .field("gateway", &self.gateway)
            .field("sessions", &self.sessions)
            .field("agent", &self.agent)
            .field("limits", &self.limits)
            .field("currency", &self.currency)
            .field("delivery", &self.delivery)
            .field("media", &self.media)
            .field("http", &self.http)
            .field("alerts", &self.alerts)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// The gateway's own folder in a home folder.
pub(crate) fn state_of(home: &Path) -> PathBuf {
    home.join("state")
}

impl Config {
    /// Where the spool, the lock and the control socket are.
    pub(crate) fn state_dir(&self) -> PathBuf {
        state_of(&self.home)
    }

    /// Where each plugin that keeps something has a folder.
    pub(crate) fn data_home(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Where the channel `name`, or the provider, may keep files of its own. A channel and a provider may have one name,
    /// and no name has a dot.
    pub(crate) fn data_dir(&self, kind: Kind, name: &str) -> PathBuf {
        let data = self.data_home();
        match kind {
            Kind::Provider => data.join(format!("provider.{name}")),
            _ => data.join(name),
        }
    }

    /// Where `plugin install` puts libraries by default, beside `plugins.paths`.
    pub(crate) fn own_plugins(&self) -> PathBuf {
        self.home.join("plugins")
    }

    /// Every folder to find libraries in: the configured ones, then the one in the home folder where it exists.
    pub(crate) fn plugin_folders(&self) -> Vec<PathBuf> {
        let mut folders = self.plugin_paths.clone();
        let own = self.own_plugins();
        if own.exists() && !folders.iter().any(|folder| same_place(folder, &own)) {
            folders.push(own);
        }
        folders
    }

    /// Where sessions are checkpointed.
    pub(crate) fn sessions_dir(&self) -> PathBuf {
        self.workspace.join("sessions")
    }
}

fn same_place(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

impl KeySource {
    /// A public key has 56 letters of base64 and begins with the name of its algorithm; no path is like that.
    pub(crate) fn is_line(text: &str) -> bool {
        text.len() == 56
            && text.starts_with("RW")
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
    }
}

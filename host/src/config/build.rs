//! From a checked tree to the configuration that the gateway reads.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::check;
use super::errors::{ConfigError, Origin, Problem};
use super::model::*;
use super::paths::Bases;
use super::tree::{Data, Node, join};
use super::units::parse_duration;

/// Builds the configuration. The tree has passed the check and has its defaults.
///
/// # Errors
/// A `~/` without a home; any other error here is a gap in the check.
pub(super) fn build(
    root: &Node,
    home: PathBuf,
    bases: &Bases,
    secrets: Vec<String>,
) -> Result<Config, ConfigError> {
    let at = Reader {
        node: root,
        key: String::new(),
        bases,
    };
    let workspace = match at.child("workspace_path") {
        Some(at) if at.node.origin != Origin::Default => at.path()?,
        _ => home.join("workspace"),
    };
    Ok(Config {
        workspace,
        home,
        plugin_paths: at.section("plugins")?.list("paths", |path| path.path())?,
        trust: trust(&at.section("plugins")?)?,
        channels: at.instances("channels", channel)?,
        providers: at.instances("providers", provider)?,
        provider: at.text("provider")?,
        model: at.optional("model")?,
        routes: at.list("routes", |node| route(&node))?,
        gateway: gateway(&at.section("gateway")?)?,
        sessions: sessions(&at.section("sessions")?)?,
        agent: agent(&at.section("agent")?)?,
        limits: budgets(&at.section("limits")?)?,
        currency: at.text("currency")?,
        delivery: delivery(&at.section("delivery")?)?,
        media: media(&at.section("media")?)?,
        http: at.child("http").map(|at| at.address("listen")).transpose()?,
        alerts: at.child("alerts").map(|at| alerts(&at)).transpose()?,
        log: log(&at.section("log")?)?,
        secrets,
    })
}

fn trust(at: &Reader<'_>) -> Result<TrustConfig, ConfigError> {
    Ok(TrustConfig {
        signatures: match at.text("signatures")?.as_str() {
            "require" => Signatures::Require,
            "warn" => Signatures::Warn,
            _ => Signatures::Off,
        },
        trusted_keys: at.list("trusted_keys", |key| key.key_source())?,
        pins: at.digests("pins")?,
    })
}

fn channel(at: &Reader<'_>) -> Result<ChannelConfig, ConfigError> {
    Ok(ChannelConfig {
        plugin: at.text("plugin")?,
        allow_from: at.list("allow_from", |id| id.id())?,
        groups: at.child("groups").map(|at| groups(&at)).transpose()?,
        pairing: at.flag("pairing")?,
        admins: match at.child("admins") {
            Some(_) => Some(at.list("admins", |id| id.id())?),
            None => None,
        },
        open: false,
        streaming: at.optional("streaming")?.map(|mode| mode == "edit"),
        debounce: Duration::from_millis(at.count("debounce_ms")?),
        confinement: confinement(at)?,
        settings: at.settings()?,
    })
}

fn groups(at: &Reader<'_>) -> Result<GroupsConfig, ConfigError> {
    Ok(GroupsConfig {
        allow: at.list("allow", |id| id.id())?,
        require_mention: at.flag("require_mention")?,
    })
}

fn provider(at: &Reader<'_>) -> Result<ProviderConfig, ConfigError> {
    let settings = at.settings()?;
    Ok(ProviderConfig {
        plugin: at.text("plugin")?,
        terms: Terms {
            model: settings
                .0
                .get("model")
                .and_then(|model| model.as_str())
                .map(str::to_owned),
            context_tokens: at.optional_count("context_tokens")?,
            max_concurrent_requests: at.optional_count("max_concurrent_requests")?,
            requests_per_minute: at.optional_count("requests_per_minute")?,
            prices: at.instances("prices", price)?,
        },
        confinement: confinement(at)?,
        settings,
    })
}

fn price(at: &Reader<'_>) -> Result<Price, ConfigError> {
    Ok(Price {
        input: at.price("input")?,
        output: at.price("output")?,
    })
}

fn budgets(at: &Reader<'_>) -> Result<Budgets, ConfigError> {
    Ok(Budgets {
        tokens_per_day: at.optional_count("tokens_per_day")?,
        conversation_tokens_per_day: at.optional_count("conversation_tokens_per_day")?,
    })
}

fn confinement(at: &Reader<'_>) -> Result<Confinement, ConfigError> {
    let (limits, sandbox) = (at.section("limits")?, at.section("sandbox")?);
    let isolation = at.optional("isolation")?;
    Ok(Confinement {
        isolation: isolation.map(|isolation| match &*isolation {
            "process" => Isolation::Process,
            _ => Isolation::InProcess,
        }),
        memory: limits.count("memory")?,
        open_files: limits.count("open_files")?,
        mode: match &*sandbox.text("mode")? {
            "off" => SandboxMode::Off,
            "require" => SandboxMode::Require,
            _ => SandboxMode::Auto,
        },
        allow: sandbox.list("allow", |word| word.word())?,
        read: sandbox.list("read", |path| path.path())?,
        write: sandbox.list("write", |path| path.path())?,
    })
}

fn route(at: &Reader<'_>) -> Result<Route, ConfigError> {
    Ok(Route {
        channel: at.optional("channel")?,
        chat: at.child("chat").map(|id| id.id()).transpose()?,
        command: at.optional("command")?.map(|name| bare(&name)),
        provider: at.optional("provider")?,
        model: at.optional("model")?,
        fallback: at.list("fallback", |name| name.word())?,
    })
}

fn media(at: &Reader<'_>) -> Result<MediaConfig, ConfigError> {
    Ok(MediaConfig {
        max_file_bytes: at.count("max_file_bytes")?,
        max_pictures: at.count("max_pictures")?,
    })
}

fn gateway(at: &Reader<'_>) -> Result<GatewayConfig, ConfigError> {
    Ok(GatewayConfig {
        shutdown_timeout: at.duration("shutdown_timeout")?,
        max_concurrent_turns: at.count("max_concurrent_turns")?,
        max_pending: at.count("max_pending")?,
        max_pending_per_conversation: at.count("max_pending_per_conversation")?,
        max_message_bytes: at.count("max_message_bytes")?,
        warn_pending_after: at.duration("warn_pending_after")?,
        restart_backoff: at.duration("restart_backoff")?,
        max_crashes: at.count("max_crashes")?,
        max_message_age: at.optional_duration("max_message_age")?,
    })
}

fn sessions(at: &Reader<'_>) -> Result<SessionsConfig, ConfigError> {
    Ok(SessionsConfig {
        history: at.count("history")?,
        compaction: at.flag("compaction")?,
        checkpoint_interval: at.duration("checkpoint_interval")?,
        idle_ttl: at.duration("idle_ttl")?,
        cache: at.count("cache")?,
    })
}

fn agent(at: &Reader<'_>) -> Result<AgentConfig, ConfigError> {
    Ok(AgentConfig {
        system_prompt: at.text("system_prompt")?,
        retries: at.count("retries")?,
        turn_timeout: at.duration("turn_timeout")?,
        first_chunk_timeout: at.duration("first_chunk_timeout")?,
        idle_timeout: at.duration("idle_timeout")?,
        max_reply_bytes: at.count("max_reply_bytes")?,
    })
}

fn delivery(at: &Reader<'_>) -> Result<DeliveryConfig, ConfigError> {
    Ok(DeliveryConfig {
        max_age: at.duration("max_age")?,
        on_unknown: match at.text("on_unknown")?.as_str() {
            "hold" => OnUnknown::Hold,
            _ => OnUnknown::Resend,
        },
        max_concurrent_sends: at.count("max_concurrent_sends")?,
        max_waiting: at.count("max_waiting")?,
    })
}

fn alerts(at: &Reader<'_>) -> Result<AlertsConfig, ConfigError> {
    Ok(AlertsConfig {
        channel: at.text("channel")?,
        to: at.section("to")?.id()?,
    })
}

fn log(at: &Reader<'_>) -> Result<LogConfig, ConfigError> {
    Ok(LogConfig {
        level: at.text("level")?,
        format: match at.text("format")?.as_str() {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        },
    })
}

/// A command's name as channels tell it.
fn bare(command: &str) -> String {
    command.trim().trim_start_matches('/').to_lowercase()
}

/// A place in the tree with its key, for what is missing there.
struct Reader<'a> {
    node: &'a Node,
    key: String,
    bases: &'a Bases,
}

impl<'a> Reader<'a> {
    fn child(&self, name: &str) -> Option<Reader<'a>> {
        let key = join(&self.key, name);
        let bases = self.bases;
        self.node.get(name).map(|node| Reader { node, key, bases })
    }

    fn section(&self, name: &str) -> Result<Reader<'a>, ConfigError> {
        self.child(name)
            .ok_or_else(|| self.node.origin.error(join(&self.key, name), Problem::Required))
    }

    fn text(&self, name: &str) -> Result<String, ConfigError> {
        self.section(name)?.word()
    }

    fn optional(&self, name: &str) -> Result<Option<String>, ConfigError> {
        self.child(name).map(|at| at.word()).transpose()
    }

    fn duration(&self, name: &str) -> Result<Duration, ConfigError> {
        self.section(name)?.span()
    }

    fn optional_duration(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        self.child(name).map(|at| at.span()).transpose()
    }

    fn count<T: TryFrom<u64>>(&self, name: &str) -> Result<T, ConfigError> {
        let at = self.section(name)?;
        let number = check::size(at.node).and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| at.unfit("a number"))
    }

    fn optional_count<T: TryFrom<u64>>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        self.child(name).map(|_| self.count(name)).transpose()
    }

    fn address(&self, name: &str) -> Result<SocketAddr, ConfigError> {
        let at = self.section(name)?;
        let address = at.node.text().and_then(|text| text.parse().ok());
        address.ok_or_else(|| at.unfit("an address"))
    }

    fn price(&self, name: &str) -> Result<f64, ConfigError> {
        let at = self.section(name)?;
        match &at.node.data {
            Data::Number(number) => number.as_f64().ok_or_else(|| at.unfit("a number")),
            _ => Err(at.unfit("a number")),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, ConfigError> {
        let at = self.section(name)?;
        match at.node.data {
            Data::Bool(flag) => Ok(flag),
            _ => Err(at.unfit("true or false")),
        }
    }

    fn settings(&self) -> Result<Settings, ConfigError> {
        let at = self.section("settings")?;
        match at.node.to_value() {
            serde_json::Value::Object(map) => Ok(Settings(map)),
            _ => Err(at.unfit("an object")),
        }
    }

    fn list<T>(
        &self,
        name: &str,
        read: impl Fn(Reader<'a>) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        let at = self.section(name)?;
        let list = at.node.list().ok_or_else(|| at.unfit("a list"))?;
        let reader = |(index, node)| {
            let key = format!("{}[{index}]", at.key);
            let bases = self.bases;
            read(Reader { node, key, bases })
        };
        list.iter().enumerate().map(reader).collect()
    }

    fn instances<T>(
        &self,
        name: &str,
        read: fn(&Reader<'a>) -> Result<T, ConfigError>,
    ) -> Result<BTreeMap<String, T>, ConfigError> {
        let at = self.section(name)?;
        let object = at.node.object().ok_or_else(|| at.unfit("an object"))?;
        let names = object.keys();
        names
            .map(|name| Ok((name.clone(), read(&at.section(name)?)?)))
            .collect()
    }

    fn digests(&self, name: &str) -> Result<BTreeMap<String, String>, ConfigError> {
        let at = self.section(name)?;
        let object = at.node.object().ok_or_else(|| at.unfit("an object"))?;
        let digest = |name: &String| Ok((name.clone(), at.text(name)?.to_ascii_lowercase()));
        object.keys().map(digest).collect()
    }

    fn key_source(&self) -> Result<KeySource, ConfigError> {
        let word = self.word()?;
        match word.trim() {
            line if KeySource::is_line(line) => Ok(KeySource::Line(line.to_owned())),
            _ => self.path().map(KeySource::File),
        }
    }

    fn span(&self) -> Result<Duration, ConfigError> {
        self.node
            .text()
            .and_then(parse_duration)
            .ok_or_else(|| self.unfit("a duration"))
    }

    fn word(&self) -> Result<String, ConfigError> {
        self.node
            .text()
            .map(str::to_owned)
            .ok_or_else(|| self.unfit("text"))
    }

    fn id(&self) -> Result<String, ConfigError> {
        match &self.node.data {
            Data::Number(number) => Ok(number.to_string()),
            Data::Text(text) => Ok(text.trim().to_owned()),
            _ => Err(self.unfit("an id")),
        }
    }

    fn path(&self) -> Result<PathBuf, ConfigError> {
        let text = self.node.text().ok_or_else(|| self.unfit("a path"))?;
        self.bases
            .resolve(text, &self.node.origin)
            .ok_or_else(|| self.node.origin.error(&*self.key, Problem::NoUserHome))
    }

    fn unfit(&self, expected: &str) -> ConfigError {
        let problem = Problem::Type {
            expected: expected.into(),
            found: self.node.kind().into(),
        };
        self.node.origin.error(&*self.key, problem)
    }
}

//! Examples below the help of the commands that people begin with; a test takes each of them.

pub(super) const GATEWAY: &str = "Examples:
  miniclaw gateway
  miniclaw gateway --console
  miniclaw gateway --home /srv/miniclaw --log-format json";

pub(super) const STATUS: &str = "Examples:
  miniclaw status
  miniclaw status --json";

pub(super) const SEND: &str = "Examples:
  miniclaw send --channel telegram --to 123456789 'The backup is *done*.'
  miniclaw send --channel telegram --to -1001234567890 --file report.pdf
  uptime | miniclaw send --channel telegram --to 123456789 --silent -";

pub(super) const PLUGIN: &str = "Examples:
  miniclaw plugin list
  miniclaw plugin info telegram
  miniclaw plugin install libirc.so
  miniclaw plugin reload telegram
  miniclaw plugin new irc";

pub(super) const AGENT: &str = "Examples:
  miniclaw agent -m 'What is a spool?'
  miniclaw agent --provider openai -M gpt-4o-mini -m hello";

pub(super) const DOCTOR: &str = "Exit status: 0 where all is well (notes do not count), 1 with
warnings, 2 with errors that keep the gateway, or a part of it, from working.

Examples:
  miniclaw doctor
  miniclaw doctor --fix
  miniclaw doctor --online --json";

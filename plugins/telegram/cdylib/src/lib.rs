//! The telegram plugin as a loadable library.

miniclaw_plugin_api::export_plugin!(channel: miniclaw_telegram::Telegram);

miniclaw_plugin_api::export_plugin!(channel: miniclaw_console::Console);

miniclaw_plugin_api::export_plugin!(channel: miniclaw_exec::Exec);

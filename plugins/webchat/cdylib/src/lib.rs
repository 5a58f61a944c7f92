miniclaw_plugin_api::export_plugin!(channel: miniclaw_webchat::Webchat);

miniclaw_plugin_api::export_plugin!(provider: miniclaw_anthropic::Anthropic);

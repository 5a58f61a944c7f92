//! The plugins that are part of the binary.

use miniclaw_plugin_api::abi::PluginModRef;
use miniclaw_plugin_api::builtin_plugin;
use miniclaw_plugin_api::manifest::RawManifest;

use super::inspect::ManifestInfo;

/// A plugin that needs no library.
#[derive(Clone)]
pub(crate) struct Builtin {
    pub(crate) manifest: ManifestInfo,
    pub(crate) root: fn() -> PluginModRef,
}

/// What `builtin_plugin!` gives.
type Linked = (fn() -> RawManifest, fn() -> PluginModRef);

impl Builtin {
    /// `None` where the manifest is not readable, which the macro rules out.
    pub(crate) fn new((manifest, root): Linked) -> Option<Self> {
        let manifest = ManifestInfo::decode(&manifest()).ok()?;
        Some(Self { manifest, root })
    }
}

/// All of them, in the order in which they are listed.
pub(crate) fn all() -> Vec<Builtin> {
    table().into_iter().filter_map(Builtin::new).collect()
}

fn table() -> Vec<Linked> {
    vec![
        builtin_plugin!(channel: miniclaw_telegram::Telegram),
        builtin_plugin!(channel: miniclaw_console::Console),
        builtin_plugin!(channel: miniclaw_exec::Exec),
        builtin_plugin!(channel: miniclaw_webchat::Webchat),
        builtin_plugin!(provider: miniclaw_openai::OpenAi),
        builtin_plugin!(provider: miniclaw_anthropic::Anthropic),
        builtin_plugin!(provider: miniclaw_gemini::Gemini),
        builtin_plugin!(provider: miniclaw_ollama::Ollama),
        builtin_plugin!(provider: miniclaw_echo::Echo),
    ]
}

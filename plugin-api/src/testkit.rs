//! Runs a plugin in a test through the real ABI, with the test as its host.
//!
//! ```no_run
//! # use miniclaw_plugin_api::{testkit::ChannelKit, Channel, ChatRef, OutboundMessage};
//! # async fn f<Echo: Channel>() -> miniclaw_plugin_api::Result<()> {
//! let kit = ChannelKit::new::<Echo>(serde_json::json!({}));
//! let account = kit.start().await?;
//! let receiving = kit.receive(None);
//! let emitted = kit.emitted().await;
//! emitted.accept();
//! kit.send(OutboundMessage::new(ChatRef::new("7"), "hello")).await?;
//! kit.stop_receiving().await?;
//! receiving.ended().await?;
//! # Ok(()) }
//! ```

mod channel_kit;
pub mod conformance;
mod instance;
mod provider_kit;
#[cfg(feature = "testkit")]
mod server;

use serde_json::Value;

use crate::{Chunk, Manifest};

pub use channel_kit::{ChannelKit, Emitted, Receiving};
pub use provider_kit::ProviderKit;
#[cfg(feature = "testkit")]
pub use server::{Answer, Recorded, ScriptedServer};

/// All text among chunks.
pub fn text_of(chunks: &[Chunk]) -> String {
    chunks
        .iter()
        .filter_map(|chunk| match chunk {
            Chunk::Text { text } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// Holds the schema in the manifest against the one that the settings struct derives, for example
/// `schemars::schema_for!(Settings).to_value()`.
///
/// # Panics
/// Where they differ; the message is the text that the schema file should have.
pub fn check_schema(manifest: &Manifest, derived: &Value) {
    let stated: Value = serde_json::from_str(manifest.schema).unwrap_or(Value::Null);
    let pretty = serde_json::to_string_pretty(derived).unwrap_or_default();
    assert!(
        stated == *derived,
        "the schema file of `{}` should be:\n{pretty}",
        manifest.name
    );
}

//! Between the ABI and the author's traits: one thread and one runtime for each instance, every operation a
//! task that cannot panic outwards and can be cancelled.

pub(crate) mod adapter;
mod instance;
mod log_layer;

pub use instance::instantiate_channel;
pub use instance::instantiate_provider;

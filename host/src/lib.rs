//! The gateway behind the `miniclaw` binary. A message's way reads from the modules: `intake` → `spool` →
//! `hub` → `sessions` → `agent` → `delivery`.

mod agent;
mod aliases;
mod backoff;
mod backup;
#[doc(hidden)]
pub mod bench;
pub mod cli;
mod config;
mod control;
mod delivery;
mod desk;
mod dispatch;
mod feed;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod hub;
mod intake;
mod media;
mod memory;
mod observe;
mod pairing;
mod plugins;
mod sessions;
mod spool;
mod supervisor;
mod sync;
mod tasks;
mod telemetry;
#[cfg(test)]
mod tests;
mod whole;

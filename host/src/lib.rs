//! The gateway behind the `miniclaw` binary. A message's way reads from the modules: `intake` → `spool` →
//! `hub` → `sessions` → `agent` → `delivery`.

pub mod cli;
mod config;
mod delivery;
mod plugins;
mod sessions;
mod spool;
mod telemetry;

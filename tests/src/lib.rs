//! What the end-to-end tests and benchmarks stand on: the real gateway as a process, and everything around it
//! as fakes of our own on loopback.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a harness that cannot go on fails its test by panicking"
)]

pub mod bad_files;
pub mod browser;
pub mod build;
pub mod chance;
pub mod config;
pub mod courier;
pub mod crowd;
pub mod fake_model;
pub mod fake_telegram;
pub mod flags;
pub mod gateway;
pub mod http;
pub mod libraries;
pub mod measure;
pub mod mutants;
pub mod platform;
pub mod prober;
pub mod procfs;
pub mod prometheus;
pub mod server;
pub mod stage;
pub mod tally;
pub mod terminal;
pub mod texts;
pub mod tls_front;
pub mod ward;
pub mod watched;

pub use browser::Browser;
pub use config::ConfigFile;
pub use courier::Courier;
pub use crowd::Crowd;
pub use fake_model::FakeModel;
pub use fake_telegram::FakeTelegram;
pub use gateway::{Command, Gateway, Home};
pub use platform::Platform;
pub use stage::Stage;
pub use tally::Tally;
pub use tls_front::TlsFront;
pub use ward::Ward;
pub use watched::{DEADLINE, until};

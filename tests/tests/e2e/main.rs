//! The real binary, as its users meet it: under messages, signals, faults and bad input.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails by panicking"
)]

mod backup;
mod bad_config;
mod broken_config;
mod cli_errors;
mod commands;
mod compat;
mod control;
mod conversations;
mod doctor;
mod documented;
mod durability;
mod exec_channel;
mod fault_fixtures;
mod fault_table;
mod groups;
mod hostile_input;
mod joined_messages;
mod logs;
mod long_home;
mod media;
mod model_faults;
mod model_scripts;
mod mutated_libraries;
mod observation;
mod old_messages;
mod onboard;
mod pairing;
mod phrases;
mod plugin_authors;
mod plugin_faults;
mod plugin_folder;
mod plugin_install;
mod plugin_reload;
mod plugin_reload_busy;
mod plugin_trust;
mod process_faults;
mod process_life;
mod process_loading;
mod process_telegram;
mod providers;
mod queue;
mod reload;
mod sandbox;
mod script;
mod secrets;
mod send;
mod sessions;
mod setup;
mod shutdown;
mod start_up;
mod status;
mod storage;
mod streaming;
mod supergroups;
mod tap;
mod telegram_faults;
mod telegram_scripts;
mod telegram_webhook;
mod usage_and_models;
mod webchat;

//! A gateway with fixture channels, each with a platform of its own.

use miniclaw_tests::measure::rig::Bench;
use miniclaw_tests::{Command, ConfigFile, Gateway, Home, Platform};
use serde_json::json;

pub(crate) struct Surroundings {
    pub(crate) platforms: Vec<Platform>,
    pub(crate) gateway: Gateway,
    _home: Home,
}

impl Surroundings {
    /// Starts it and waits until all channels receive.
    pub(crate) fn start(bench: &Bench, channels: usize, isolation: &str) -> Self {
        let home = Home::empty_in(&bench.folder());
        let platforms: Vec<Platform> = (0..channels).map(|_| Platform::start()).collect();
        let mut config = ConfigFile::default()
            .with("/gateway/restart_backoff", json!("1ms"))
            .with("/gateway/max_crashes", json!(1_000));
        for (index, platform) in platforms.iter().enumerate() {
            let settings = json!({ "platform": platform.address() });
            let channel = json!({ "plugin": "loopback", "isolation": isolation, "allow_from": ["42"], "settings": settings });
            config = config.channel(&format!("channel{index}"), channel);
        }
        home.write_config(&config.text());
        let plugins = home.plugins(&["loopback"]);
        let command = Command::of(&bench.artifacts().binary, &home).args(&["gateway"]);
        let gateway = command.args(&["--plugins"]).arg(plugins).start();
        for platform in &platforms {
            platform.wait_for_calls("receive", 1);
        }
        Self {
            platforms,
            gateway,
            _home: home,
        }
    }
}

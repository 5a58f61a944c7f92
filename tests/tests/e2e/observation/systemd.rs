use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use miniclaw_tests::{Command, DEADLINE, Gateway, procfs};

use super::outage;
use crate::setup::World;

/// A service manager that listens.
struct Manager(UnixDatagram);

impl Manager {
    fn at(address: &SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    /// The next message, as lines.
    fn next(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).expect("the gateway tells something");
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The next message with this line; other ones are passed over.
    fn wait_for(&self, line: &str) -> Vec<String> {
        let began = std::time::Instant::now();
        loop {
            let told = self.next();
            if told.iter().any(|told| told == line) {
                return told;
            }
            assert!(began.elapsed() < DEADLINE, "no `{line}`");
        }
    }
}

fn number(told: &[String], key: &str) -> u64 {
    let line = told
        .iter()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {key} in {told:?}"))
        .parse()
        .unwrap()
}

/// A gateway that is told of a manager at a path.
fn managed(world: &World, watchdog: Option<Duration>) -> (Manager, Gateway) {
    let path = world.home.root().join("notify");
    let manager = Manager::at(&SocketAddr::from_pathname(&path).unwrap());
    let mut command = Command::new(&world.home, &["gateway"]).env("NOTIFY_SOCKET", &path);
    if let Some(watchdog) = watchdog {
        command = command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
    }
    (manager, command.start())
}

#[test]
fn the_manager_hears_of_the_start_of_reloads_and_of_the_stop() {
    let world = World::new();
    let (manager, gateway) = managed(&world, None);
    let ready = manager.wait_for("READY=1");
    assert_eq!(ready, ["READY=1", "STATUS=1 of 1 channels run"]);
    gateway.wait_for_line("Gateway ready");
    for good in [true, false] {
        if !good {
            world.home.write_config("{");
        }
        gateway.hang_up();
        let reloading = manager.wait_for("RELOADING=1");
        let monotonic = number(&reloading, "MONOTONIC_USEC");
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split_whitespace().next().unwrap().parse().unwrap();
        assert!(
            (monotonic as f64 / 1e6 - uptime).abs() < 60.0,
            "{monotonic} beside {uptime}"
        );
        assert_eq!(manager.next()[0], "READY=1");
    }
    gateway.terminate();
    let stopping = manager.wait_for("STOPPING=1");
    assert_eq!(number(&stopping, "EXTEND_TIMEOUT_USEC"), 15_000_000);
    gateway.wait().expect_code(0);
}

#[test]
fn a_reload_within_the_start_is_not_taken_for_its_end() {
    let world = World::new();
    let late = Duration::from_secs(2);
    world.telegram.on("getMe").times(1).after(late).delay_only();
    let (manager, gateway) = managed(&world, None);
    gateway.wait_for_line("Plugin loaded");
    world.home.write_config("{");
    gateway.hang_up();
    gateway.wait_for_line("Configuration not reloaded");
    assert_eq!(manager.next(), ["READY=1", "STATUS=1 of 1 channels run"]);
    gateway.stop().expect_code(0);
}

#[test]
fn an_abstract_socket_is_reached_and_no_plugin_gets_its_name() {
    let world = World::with(|config| config.with("/channels/telegram/isolation", "process".into()));
    let name = format!("miniclaw-e2e-{}", std::process::id());
    let manager = Manager::at(&SocketAddr::from_abstract_name(&name).unwrap());
    let gateway = Command::new(&world.home, &["gateway"])
        .env("NOTIFY_SOCKET", format!("@{name}"))
        .env("WATCHDOG_USEC", "60000000")
        .start();
    manager.wait_for("READY=1");
    let children = procfs::children(gateway.pid());
    assert_eq!(children.len(), 1);
    let variables = procfs::variables(children[0]);
    assert!(
        !variables
            .iter()
            .any(|name| name.starts_with("NOTIFY") || name.starts_with("WATCHDOG")),
        "{variables:?}"
    );
    gateway.stop().expect_code(0);
}

#[test]
fn the_watchdog_is_fed_also_while_the_platform_is_down() {
    let world = World::new();
    let (manager, gateway) = managed(&world, Some(Duration::from_millis(400)));
    manager.wait_for("READY=1");
    manager.wait_for("WATCHDOG=1");
    outage(&world);
    gateway.wait_for_line("telegram");
    for _ in 0..5 {
        manager.wait_for("WATCHDOG=1");
    }
    gateway.kill();
}

#[test]
fn without_a_watchdog_none_is_fed_and_a_socket_that_leads_nowhere_costs_a_warning() {
    let world = World::new();
    let gateway = Command::new(&world.home, &["gateway"])
        .env("NOTIFY_SOCKET", "/nowhere/at/all")
        .start();
    gateway.wait_for_line("NOTIFY_SOCKET leads nowhere");
    gateway.wait_for_line("Gateway ready");
    gateway.stop().expect_code(0);
}

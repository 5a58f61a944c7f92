//! Lives and ends of plugins in processes of their own: what they inherit, what bounds them, what is left of them.

use std::time::{Duration, Instant};

use miniclaw_tests::ward::{Fault, Plan, Ward, kill_host};
use miniclaw_tests::{Command, procfs, until};
use serde_json::json;

use crate::phrases::READY;

const WITHOUT_END: u64 = 1_000_000;

fn ward(fault: &str, at: &'static str) -> Ward {
    Plan::of(&[(Fault::named(fault), at)]).open()
}

#[test]
fn five_crashes_are_a_quarantine_that_outlives_the_gateway_until_the_operator_lifts_it() {
    let plan = Plan::of(&[(Fault::named("segfault"), "receive")]).with("/gateway/max_crashes", json!(5));
    let mut ward = plan.open();
    let name = ward.beds[0].name.clone();
    ward.beds[0].platform.grant(WITHOUT_END);
    ward.beds[0].kill();
    ward.gateway().wait_for_line("is quarantined");
    let told = |ward: &Ward| {
        let state = ward.state(&name);
        assert_eq!(state["state"], "quarantined", "{state}");
        assert!(state["reason"].as_str().unwrap().contains("SIGSEGV"), "{state}");
        let list = Command::new(&ward.home, &["plugin", "list"]).run();
        let line = list.stdout.lines().find(|line| line.starts_with(&name)).unwrap();
        assert!(
            line.contains("quarantined: ") && line.contains("SIGSEGV"),
            "{line}"
        );
    };
    told(&ward);
    assert_eq!(ward.beds[0].platform.calls("create"), 5);
    ward.assert_healthy();
    ward.take_gateway().stop().expect_code(0);
    told(&ward);

    let lives = ward.beds[0].platform.calls("create");
    ward.start(&[]);
    ward.gateway().wait_for_line(READY);
    told(&ward);
    ward.assert_healthy();
    assert_eq!(ward.beds[0].platform.calls("create"), lives);
    ward.beds[0].platform.grant(0);
    ward.plugin("enable", &name);
    ward.beds[0].assert_well("lifted");
    ward.take_gateway().stop().expect_code(0);
    ward.start(&[]);
    ward.beds[0].assert_well("lifted for good");
    assert_eq!(ward.state(&name)["state"], "running");
    ward.take_gateway().stop().expect_code(0);
}

#[test]
fn a_disabled_plugin_has_no_process_until_it_is_enabled() {
    let mut ward = ward("hang", "create");
    let (name, pid) = (ward.beds[0].name.clone(), ward.beds[0].pid());
    ward.beds[0].assert_well("before");
    ward.plugin("disable", &name);
    until("the end of the process", || !procfs::runs(pid));
    assert_eq!(ward.state(&name)["state"], "disabled");
    ward.beds[0].platform.post("well", "meanwhile", "meanwhile");
    ward.take_gateway().stop().expect_code(0);
    ward.start(&[]);
    ward.gateway().wait_for_line(READY);
    assert_eq!(ward.state(&name)["state"], "disabled");
    assert_eq!(ward.beds[0].platform.calls("create"), 1);
    ward.plugin("enable", &name);
    ward.beds[0].platform.wait_for_answer("meanwhile");
    ward.take_gateway().stop().expect_code(0);
}

#[test]
fn a_reply_that_waits_while_its_channel_is_killed_is_sent_once_by_the_next_process() {
    let mut ward = ward("hang", "create");
    let platform = &ward.beds[0].platform;
    ward.model.hold();
    platform.post("7", "1", "hold on");
    assert_eq!(platform.wait_for_verdict("1"), "accepted");
    platform.grant(1);
    kill_host(ward.beds[0].pid());
    platform.wait_for_faults(1);
    // The reply is made while there is no channel to send it.
    ward.model.release();
    ward.assert_healthy();
    kill_host(ward.beds[0].pid());
    platform.wait_for_answer("hold on");
    ward.beds[0].assert_well("after it");
    assert_eq!(platform.answers_to("hold on"), 1);
    ward.take_gateway().stop().expect_code(0);
}

#[test]
fn a_plugin_gets_no_more_memory_and_no_more_files_than_its_limits_say() {
    let hog = Fault {
        amount: 32 << 20,
        ..Fault::named("memory_hog")
    };
    let cells = [
        (hog, "start"),
        (Fault::named("memory_hog"), "send"),
        (Fault::named("descriptor_hog"), "receive"),
    ];
    let mut ward = Plan::of(&cells).open();
    let complaints = ward.run(1);
    assert!(complaints.is_empty(), "{complaints:#?}");
    let ended = ward.gateway().lines_with("SIGABRT");
    assert!(
        ended.iter().all(|line| line.contains("memory-hog-send")) && !ended.is_empty(),
        "{ended:#?}"
    );
    let files = &ward.beds[2];
    files.platform.grant(2);
    files.kill();
    files.platform.wait_for_faults(2);
    // `open_files` is 256 where nothing is said.
    until("256 open files", || {
        procfs::runs(files.pid()) && procfs::open_files(files.pid()) == 256
    });
    files.assert_well("without a file");
    ward.take_gateway().stop().expect_code(0);
}

#[test]
fn what_a_plugin_writes_to_its_standard_streams_is_in_the_log() {
    let flood = Fault {
        amount: 3,
        ..Fault::named("flood_stdout")
    };
    let mut ward = Plan::of(&[(flood, "receive"), (Fault::named("panic"), "thread")]).open();
    for bed in &ward.beds {
        bed.platform.grant(1);
        bed.kill();
    }
    let gateway = ward.gateway();
    let said = gateway.wait_for_line("stdout: line 2 of a flood");
    let complained = gateway.wait_for_line("stderr: line 2 of a flood");
    assert!(
        said.contains("flood-stdout-receive") && complained.contains("WARN"),
        "{said}\n{complained}"
    );
    let panic = gateway.wait_for_line("a panic, as asked");
    assert!(
        panic.contains("ERROR") && panic.contains("panic-thread"),
        "{panic}"
    );
    ward.take_gateway().stop().expect_code(0);
}

#[test]
fn no_process_of_a_plugin_outlives_a_gateway_that_is_killed() {
    let cells = [
        "cpu_hog",
        "hang_blocking",
        "hang",
        "thread_hog",
        "flood_stdout",
        "flood_log",
    ]
    .map(|name| {
        (
            Fault {
                amount: if name == "thread_hog" { 50 } else { WITHOUT_END },
                ..Fault::named(name)
            },
            "task",
        )
    });
    let mut ward = Plan::of(&cells).open();
    for bed in &ward.beds {
        bed.platform.grant(1);
        bed.kill();
        bed.platform.wait_for_faults(1);
    }
    let children = procfs::children(ward.gateway().pid());
    assert_eq!(children.len(), cells.len() + 1, "{children:?}");
    ward.take_gateway().kill();
    until("the end of all children", || {
        !children.iter().any(|pid| procfs::runs(*pid))
    });
}

#[test]
fn a_plugin_inherits_no_descriptor_and_no_variable() {
    // Whoever starts a gateway may be careless.
    let leaked = std::fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let plan = Plan::of(&[(Fault::named("hang"), "create")])
        .env("CANARY_TOKEN", "sing")
        .env("LANG", "C.UTF-8");
    let mut ward = plan.open();
    ward.beds[0].assert_well("hello");
    let own: Vec<String> = procfs::descriptors(ward.gateway().pid())
        .into_iter()
        .map(|(_, target)| target)
        .collect();
    assert!(own.iter().any(|target| target == "/etc/passwd"), "{own:?}");
    let pid = ward.beds[0].pid();
    let descriptors = procfs::descriptors(pid);
    assert!(descriptors.contains(&(0, "/dev/null".into())), "{descriptors:?}");
    for (number, target) in descriptors.iter().filter(|(number, _)| *number > 2) {
        let private =
            target.starts_with("anon_inode:") || (target.starts_with("socket:") && !own.contains(target));
        assert!(private, "{number} is {target}");
    }
    assert_eq!(procfs::variables(pid), ["LANG"]);
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(line, "miniclaw\0plugin-host\0hang-create\0");
    ward.take_gateway().stop().expect_code(0);
}

#[test]
fn a_plugin_that_logs_without_end_leaves_its_sibling_quick() {
    let flood = Fault {
        amount: u64::MAX,
        ..Fault::named("flood_log")
    };
    let mut ward = Plan::of(&[(flood, "task")]).open();
    let bed = &ward.beds[0];
    bed.platform.grant(1);
    bed.kill();
    bed.platform.wait_for_faults(1);
    for _ in 0..20 {
        let asked = Instant::now();
        ward.assert_healthy();
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
    bed.kill();
    bed.assert_well("done with that");
    ward.take_gateway().stop().expect_code(0);
}

#[test]
fn a_hang_in_create_start_or_shutdown_is_bounded_and_leaves_no_process() {
    let hang = Fault::named("hang_blocking");
    let mut ward = Plan::of(&[(hang, "create"), (hang, "start"), (hang, "shutdown")]).open();
    let create = &ward.beds[0];
    create.platform.grant(1);
    create.kill();
    create.platform.wait_for_faults(1);
    let hung = create.pid();
    ward.gateway().wait_for_line("took longer than 10s");
    create.assert_well("after a hang");
    until("the end of what hung", || !procfs::runs(hung));
    ward.beds[1].platform.grant(1);
    ward.beds[1].kill();
    ward.beds[1].platform.wait_for_faults(1);
    ward.beds[2].platform.grant(1);
    ward.assert_healthy();
    let children = procfs::children(ward.gateway().pid());
    let asked = Instant::now();
    ward.take_gateway().stop().expect_code(0);
    assert!(asked.elapsed() < Duration::from_secs(12), "{:?}", asked.elapsed());
    until("the end of all children", || {
        !children.iter().any(|pid| procfs::runs(*pid))
    });
}

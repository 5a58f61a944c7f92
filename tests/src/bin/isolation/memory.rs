//! What a child takes.

use std::time::Duration;

use miniclaw_tests::measure::figure::{Figure, median, megabytes};
use miniclaw_tests::measure::rig::Bench;
use miniclaw_tests::procfs;

use crate::surroundings::Surroundings;

/// The gateway has let go of what its start needed by then.
const SETTLED: Duration = Duration::from_secs(5);

/// PSS of one child and of each of several, while the gateway runs.
pub(crate) fn children(bench: &Bench) -> Vec<Figure> {
    let figure = |what: &str, pss: u64, target| Figure::new(format!("PSS, {what}"), megabytes(pss), target);
    let alone = of_children(bench, 1);
    let five = of_children(bench, 5);
    let (most, mut middle) = (five.most, five.each);
    vec![
        figure("the child of a gateway that has one", alone.most, "<= 2 MB"),
        figure("each of five children, p50", median(&mut middle), "<= 2 MB"),
        figure("the largest of them", most, "<= 2 MB"),
        figure("of which private to it", five.private, ""),
        figure("the gateway of five children", five.gateway, ""),
        figure("a gateway with five instances in-process", in_process(bench), ""),
    ]
}

#[derive(Default)]
struct Taken {
    each: Vec<u64>,
    most: u64,
    private: u64,
    gateway: u64,
}

fn of_children(bench: &Bench, count: usize) -> Taken {
    let surroundings = Surroundings::start(bench, count, "process");
    std::thread::sleep(SETTLED);
    let gateway = surroundings.gateway.pid();
    let children = procfs::children(gateway);
    assert_eq!(children.len(), count, "each channel has its process");
    let each: Vec<u64> = children.iter().map(|pid| procfs::pss_kb(*pid) * 1024).collect();
    let private = children.iter().map(|pid| procfs::private_kb(*pid) * 1024).max();
    let taken = Taken {
        most: each.iter().copied().max().unwrap_or_default(),
        each,
        private: private.unwrap_or_default(),
        gateway: procfs::pss_kb(gateway) * 1024,
    };
    surroundings.gateway.stop();
    taken
}

fn in_process(bench: &Bench) -> u64 {
    let surroundings = Surroundings::start(bench, 5, "in-process");
    std::thread::sleep(SETTLED);
    let pss = procfs::pss_kb(surroundings.gateway.pid()) * 1024;
    surroundings.gateway.stop();
    pss
}

//! Plugins that fail in every way at every place, in a process of their own.

use miniclaw_tests::ward::{Fault, PLACES, Plan};

/// Each of these faults once at every place; `faultloop` has them more often.
fn suffer(faults: &[&str]) {
    for name in faults {
        let mut ward = Plan::of(&Fault::named(name).everywhere()).open();
        assert_eq!(ward.beds.len(), PLACES.len());
        let complaints = ward.run(1);
        assert!(complaints.is_empty(), "{name}: {complaints:#?}");
        assert!(ward.gateway().is_running(), "{name}");
        let stopped = ward.take_gateway().stop();
        // A reply that a death cut off after it was sent may wait for its repeat, by itself and a little later.
        assert!([0, 143].contains(&stopped.code()), "{name}: {stopped:?}");
    }
}

#[test]
fn what_a_plugin_dies_of_costs_its_process_and_no_message() {
    suffer(&[
        "panic",
        "segfault",
        "abort",
        "exit",
        "stack_overflow",
        "memory_hog",
    ]);
}

#[test]
fn a_plugin_that_hangs_or_hogs_costs_its_process_and_no_message() {
    suffer(&["hang", "hang_blocking", "cpu_hog", "descriptor_hog", "thread_hog"]);
}

#[test]
fn a_plugin_that_floods_or_talks_garbage_costs_its_process_and_no_message() {
    suffer(&[
        "flood_log",
        "flood_inbound",
        "flood_progress",
        "flood_stdout",
        "garbage",
        "close_all",
    ]);
}

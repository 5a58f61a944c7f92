//! What the kernel says of a process.

use std::time::Duration;

/// Proportional set size in kilobytes.
///
/// # Panics
/// Where the process is gone.
pub fn pss_kb(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
    text.lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
        .expect("smaps_rollup has a line `Pss:`")
}

/// Processor time of all threads so far, ended ones included; resolution is one clock tick.
///
/// # Panics
/// Where the process is gone.
pub fn cpu_time(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The second field is a name in brackets that may hold anything.
    let rest = text.rsplit_once(')').expect("a name in brackets").1;
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_its_time_grows() {
        let pid = std::process::id();
        assert!(pss_kb(pid) > 100);
        let before = cpu_time(pid);
        while cpu_time(pid) == before {
            std::hint::spin_loop();
        }
    }
}

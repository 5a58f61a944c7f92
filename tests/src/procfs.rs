//! What the kernel says of a process.

use std::time::Duration;

/// Proportional set size in kilobytes.
///
/// # Panics
/// Where the process is gone.
pub fn pss_kb(pid: u32) -> u64 {
    rollup(pid, &["Pss:"])
}

/// What it shares with no other process, in kilobytes.
///
/// # Panics
/// Where the process is gone.
pub fn private_kb(pid: u32) -> u64 {
    rollup(pid, &["Private_Clean:", "Private_Dirty:"])
}

fn rollup(pid: u32, names: &[&str]) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
    let of = |name: &&str| -> u64 {
        text.lines()
            .find_map(|line| line.strip_prefix(*name))
            .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
            .unwrap_or_else(|| panic!("smaps_rollup has a line `{name}`"))
    };
    names.iter().map(of).sum()
}

/// SIGKILL to a process that was found by [`children`].
pub fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // One that ended meanwhile is as dead.
    let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
}

/// Resident set size in kilobytes.
///
/// # Panics
/// Where the process is gone.
pub fn rss_kb(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
        .expect("status has a line `VmRSS:`")
}

/// Number of open file descriptors.
///
/// # Panics
/// Where the process is gone.
pub fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("the process runs")
        .count()
}

/// Whether a process runs; one that only nobody has waited for does not.
pub fn runs(pid: u32) -> bool {
    fields_of(pid).is_some_and(|fields| !matches!(&*fields[0], "Z" | "X"))
}

/// The processes that a process started, as long as it runs.
///
/// # Panics
/// Without a `/proc`.
pub fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("there is a /proc").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid| fields_of(*pid).is_some_and(|fields| fields[1] == parent.to_string()))
        .filter(|pid| runs(*pid))
        .collect()
}

/// What follows on the name in `stat`: state, parent, ….
fn fields_of(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = text.rsplit_once(')')?.1;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// What the descriptors of a process are: number, and what it names.
///
/// # Panics
/// Where the process is gone.
pub fn descriptors(pid: u32) -> Vec<(u32, String)> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    let read = |entry: std::fs::DirEntry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, target.to_string_lossy().into_owned()))
    };
    entries.flatten().filter_map(read).collect()
}

/// Names of a process's environment.
///
/// # Panics
/// Where the process is gone.
pub fn variables(pid: u32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).expect("the process runs");
    let entries = bytes.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            String::from_utf8_lossy(entry)
                .split('=')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
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

/// Processor time of this process's live threads of one name.
pub fn own_thread_time(name: &str) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a process has threads");
    let nanos = tasks.flatten().filter_map(|task| {
        let own = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let times = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let first: u64 = times.split_whitespace().next()?.parse().ok()?;
        (own.trim_end() == name).then_some(first)
    });
    Duration::from_nanos(nanos.sum())
}

/// Local addresses of the TCP ports on which a process listens, as `127.0.0.1:80`.
///
/// # Panics
/// Where the process is gone.
pub fn listening(pid: u32) -> Vec<String> {
    let own: Vec<String> = descriptors(pid)
        .into_iter()
        .filter_map(|(_, target)| Some(target.strip_prefix("socket:[")?.trim_end_matches(']').to_owned()))
        .collect();
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")));
    let lines: Vec<String> = tables
        .into_iter()
        .flatten()
        .flat_map(|text| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let address = |line: &String| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens =
            fields.get(3) == Some(&"0A") && own.iter().any(|inode| fields.get(9) == Some(&inode.as_str()));
        listens.then(|| readable(fields[1]))
    };
    lines.iter().filter_map(address).collect()
}

/// An address of the kernel's tables; one of IPv6 as it stands there.
fn readable(address: &str) -> String {
    let (host, port) = address.split_once(':').expect("an address has a port");
    let port = u16::from_str_radix(port, 16).expect("a port is a number");
    match u32::from_str_radix(host, 16) {
        Ok(host) if cfg!(target_endian = "little") => {
            format!("{}:{port}", std::net::Ipv4Addr::from(host.swap_bytes()))
        }
        Ok(host) => format!("{}:{port}", std::net::Ipv4Addr::from(host)),
        Err(_) => format!("[{host}]:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_its_time_grows() {
        let pid = std::process::id();
        assert!(pss_kb(pid) > 100 && rss_kb(pid) >= pss_kb(pid) / 2);
        assert!(open_files(pid) > 2);
        assert!(runs(pid) && children(std::os::unix::process::parent_id()).contains(&pid));
        assert!(!variables(pid).is_empty() && descriptors(pid).len() > 2);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(listening(pid).contains(&address), "{:?}", listening(pid));
        drop(listener);
        assert!(!listening(pid).contains(&address));
        let before = cpu_time(pid);
        while cpu_time(pid) == before {
            std::hint::spin_loop();
        }
    }
}

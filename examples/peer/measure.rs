//! What both sides of a comparison are measured with.

use std::time::Instant;

/// Median milliseconds of `count` calls after `warm_up` uncounted ones.
pub fn median(count: usize, warm_up: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..count + warm_up)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .skip(warm_up)
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Peak resident memory in MiB, where the system tells.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024)
}

/// Prints what was measured as one line of JSON; `startup` is in seconds.
pub fn report(case: &str, batch: usize, milliseconds: f64, startup: f64) {
    println!(
        r#"{{"name": "{case}", "batch": {batch}, "ms": {milliseconds:.2}, "startup_to_first_round_s": {startup:.2}, "peak_rss_mib": {}}}"#,
        peak_memory().map_or("null".into(), |mebibytes| mebibytes.to_string()),
    );
}

//! Wall time, processor time and memory of this process.

use std::time::Instant;

/// A span of work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Seconds on the wall.
    pub(crate) wall: f64,
    /// Seconds of processor time of all threads; counted in hundredths.
    pub(crate) cpu: f64,
}

/// A running measurement.
#[derive(Debug)]
pub(crate) struct Meter {
    started: Instant,
    cpu: f64,
}

impl Meter {
    /// From now on.
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            cpu: cpu_seconds(),
        }
    }

    /// Until now.
    pub(crate) fn spent(&self) -> Spent {
        Spent {
            wall: self.started.elapsed().as_secs_f64(),
            cpu: cpu_seconds() - self.cpu,
        }
    }
}

/// Measures a piece of work.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, Spent) {
    let meter = Meter::start();
    let done = work();
    (done, meter.spent())
}

/// Processor time of this process so far; not a number where the system does
/// not tell it this way (all but Linux).
pub(crate) fn cpu_seconds() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return f64::NAN;
    };
    // The program's name, in brackets, may hold spaces.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let mut fields = after.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|f| f.parse::<f64>().ok());
    match (ticks(), ticks()) {
        (Some(user), Some(system)) => (user + system) / 100.0,
        _ => f64::NAN,
    }
}

/// Forgets the highest memory use so far.
pub(crate) fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory this process held since [`reset_peak`], in MiB, without
/// mapped files.
pub(crate) fn peak_mib() -> f64 {
    memory_mib().1
}

/// All that this process holds, mapped files with it, in MiB.
pub(crate) fn resident_mib() -> f64 {
    status_mib("VmRSS:")
}

fn status_mib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(name));
    let value = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok());
    value.map_or(f64::NAN, |kib| kib / 1024.0)
}

/// What this process holds, and the most it held since [`reset_peak`], in MiB,
/// without mapped files.
pub(crate) fn memory_mib() -> (f64, f64) {
    let files = status_mib("RssFile:");
    (status_mib("VmRSS:") - files, status_mib("VmHWM:") - files)
}

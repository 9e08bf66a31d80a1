//! What the system says of this process.

use prometheus::Registry;

/// Nothing, where there is no `/proc`.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) fn read(_: &Registry) -> Result<(), prometheus::Error> {
    Ok(())
}

/// Under the names that every Prometheus client has for them; what cannot be read is left out.
#[cfg(target_os = "linux")]
#[expect(clippy::cast_precision_loss, reason = "exact up to eight million gigabytes, or years")]
pub(super) fn read(registry: &Registry) -> Result<(), prometheus::Error> {
    use crate::http::metrics::gauge::gauge;
    let Ok(process) = procfs::process::Process::myself() else { return Ok(()) };
    let ticks = procfs::ticks_per_second() as f64;
    if let Ok(stat) = process.stat() {
        let memory = stat.rss.saturating_mul(procfs::page_size()) as f64;
        gauge(registry, "process_resident_memory_bytes", "Memory that is in use.", memory)?;
        let seconds = stat.utime.saturating_add(stat.stime) as f64 / ticks;
        let cpu = prometheus::Counter::new("process_cpu_seconds_total", "Time on the processor.")?;
        cpu.inc_by(seconds);
        registry.register(Box::new(cpu))?;
        if let Ok(boot) = procfs::boot_time_secs() {
            let started = boot as f64 + stat.starttime as f64 / ticks;
            gauge(registry, "process_start_time_seconds", "When it started, since 1970.", started)?;
        }
    }
    if let Ok(count) = process.fd_count() {
        gauge(registry, "process_open_fds", "Open files and connections.", count as f64)?;
    }
    Ok(())
}

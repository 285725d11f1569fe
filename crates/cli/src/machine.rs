use std::fs;
use std::thread::available_parallelism;

use tercet_kernels::{cpu, peak};
use tercet_tensor::Precision;

use crate::error::Error;

/// Starts the threads that all later work runs on; 0 asks for one a core. Gives their number.
///
/// The calling thread is one of them: it takes its share of each operation at once, where it would otherwise sleep until
/// others have been woken and are done, thousands of times a second. So no other thread may wait for work in parallel
/// while this one waits for it; those that prepare data do theirs alone.
///
/// # Errors
/// When the system cannot start them.
pub fn start_threads(threads: usize) -> Result<usize, Error> {
    let threads = if threads == 0 { available_parallelism().map_or(1, usize::from) } else { threads };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()
        .map_err(|source| Error::Threads { threads, source })?;
    Ok(threads)
}

/// The measured rate, in GFLOP/s, that products in `precision` are a share of.
pub fn peak_gflops(precision: Precision, threads: usize) -> f64 {
    match precision {
        Precision::Bf16 if cpu::has_fast_bf16_dot() => peak::bf16_gflops(threads),
        // Rounded operands are multiplied as f32 where that is the faster way.
        Precision::F32 | Precision::Bf16 => peak::fma_gflops(threads),
    }
}

/// The most memory that this process has held, in MB of 10⁶ bytes; `None` where the system does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    kib("/proc/self/status", "VmHWM:").map(|kib| kib * 1024.0 / 1e6)
}

/// Memory that new work can have; `None` where the system does not tell.
pub fn available_bytes() -> Option<f64> {
    kib("/proc/meminfo", "MemAvailable:").map(|kib| kib * 1024.0)
}

fn kib(file: &str, field: &str) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

use serde_json::json;
use tercet_kernels::{cpu, peak};

use super::rounded;
use crate::error::Error;
use crate::{machine, output};

/// Flags of `bench peak`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Cores to measure together; 0 for all
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

pub fn run(args: &Args) -> Result<(), Error> {
    let threads = machine::start_threads(args.threads)?;
    let mut line = json!({
        "isa": format!("{:?}", cpu::isa()).to_lowercase(),
        "threads": threads,
        "fma_gflops_f32": rounded(peak::fma_gflops(threads), 1),
    });
    if cpu::has_bf16_dot() {
        line["fma_gflops_bf16"] = json!(rounded(peak::bf16_gflops(threads), 1));
    }
    line["memory_gb_s"] = json!(rounded(peak::memory_gb_s(threads), 1));
    output::say(&line.to_string())
}

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tercet_tensor::{Entry, Precision};

use crate::arch::{self, Shape, StepSize};
use crate::args::{Arch, PrecisionArg};
use crate::error::Error;
use crate::output::{count, short, span};
use crate::random_steps::median;
use crate::{machine, output};

/// Flags of `inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run, a checkpoint or a Hugging Face folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["arch", "size", "config", "version"])]
    model: Option<PathBuf>,
    /// Architecture
    #[arg(long, value_enum, default_value_t)]
    arch: Arch,
    /// Size: for gpt2 tiny, mini, small, medium, large or xl; for bert tiny, mini, small, medium, base, large or
    /// layers/width; for t5 tiny, mini, small, base, large, 3b or 11b
    #[arg(long, default_value = "small")]
    size: String,
    /// Version of T5: 1.0 or 1.1 [default: 1.0]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Configuration in place of a size: config.json or a folder with one
    #[arg(long, value_name = "PATH", conflicts_with_all = ["arch", "size", "version"])]
    config: Option<PathBuf>,
    /// Sequences of a training step
    #[arg(long, default_value_t = 8, value_name = "N")]
    batch: usize,
    /// Tokens of a sequence [default: 128, or all positions if they are fewer]
    #[arg(long, value_name = "N")]
    seq: Option<usize>,
    /// Tokens of an answer of T5 [default: as many as span corruption makes of --seq]
    #[arg(long, value_name = "N")]
    target: Option<usize>,
    /// Steps to train
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    steps: u64,
    /// Operands of the matrix products
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
}

/// Steps are measured only where they take less than this, by the machine's rate.
const PATIENCE_S: f64 = 20.0;
/// Share of the peak that is assumed where a step is too long to be measured.
const ASSUMED_SHARE: f64 = 0.7;

/// Runs the command.
///
/// # Errors
/// When the configuration cannot be read or is impossible.
pub fn run(args: &Args) -> Result<(), Error> {
    let shape = match args.model.as_deref().or(args.config.as_deref()) {
        Some(path) => arch::read(path)?,
        None => arch::sized(args.arch, &args.size, args.version.as_deref())?,
    };
    let size = shape.step_size(args.batch, args.seq, args.target)?;
    let threads = machine::start_threads(args.threads)?;
    let params = shape.params();
    output::say(&format!("configuration\n{}", shape.describe()))?;
    output::say(&table(&params.entries()))?;
    output::say(&memory(params.len()))?;
    output::say(&time(args, &*shape, size, params.len(), threads))
}

/// The parameters, those of all blocks under one name.
fn table(entries: &[Entry]) -> String {
    let mut rows: Vec<(String, String, usize, usize)> = Vec::new();
    let mut places = BTreeMap::new();
    for entry in entries {
        let name = without_number(&entry.name);
        let at = *places.entry(name.clone()).or_insert(rows.len());
        if at == rows.len() {
            let shape: Vec<String> = entry.shape.iter().map(usize::to_string).collect();
            rows.push((name, format!("({})", shape.join(", ")), 0, 0));
        }
        rows[at].2 += 1;
        rows[at].3 += entry.range.len();
    }
    let width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    let total: usize = entries.iter().map(|entry| entry.range.len()).sum();
    let mut lines = vec![format!("parameters: {}", count(total as u64))];
    for (name, shape, times, floats) in rows {
        let times = if times > 1 { format!("{times} ×") } else { String::new() };
        lines.push(format!("  {name:width$}  {times:>4} {shape:<14} {:>15}", count(floats as u64)));
    }
    lines.join("\n")
}

/// `h.3.ln_1.weight` as `h.*.ln_1.weight`.
fn without_number(name: &str) -> String {
    let part = |part: &str| if part.parse::<usize>().is_ok() { "*".to_owned() } else { part.to_owned() };
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

fn memory(floats: usize) -> String {
    let bytes = |times: usize| format!("{}B", short((4 * times * floats) as f64));
    [
        "memory of training".to_owned(),
        format!("  weights {}, gradients {}, AdamW's moments {}", bytes(1), bytes(1), bytes(2)),
        format!("  together {}, and activations (below)", bytes(4)),
    ]
    .join("\n")
}

fn time(args: &Args, shape: &dyn Shape, size: StepSize, parameters: usize, threads: usize) -> String {
    let precision = Precision::from(args.precision);
    let flops = 3.0 * shape.forward_flops(size) as f64;
    let peak = 1e9 * machine::peak_gflops(precision, threads);
    let tokens = size.tokens();
    let mut lines = vec![
        format!("a step of {} in {}", size.describe(), args.precision.name()),
        format!("  {}FLOP in matrix products, a third of them forward", short(flops)),
        format!("  this machine: {}FLOP/s at most on {threads} threads (measured)", short(peak)),
    ];
    let fits = machine::available_bytes().is_none_or(|free| 24.0 * (parameters as f64) < free);
    let (seconds, how) = if fits && flops / peak < PATIENCE_S {
        let mut steps = shape.random_steps(size, precision);
        let mut seconds: Vec<f64> = (0..4).map(|_| steps.step().1).skip(1).collect();
        (
            median(&mut seconds),
            format!("{:.0} % of that, measured", 100.0 * flops / peak / median(&mut seconds)),
        )
    } else {
        let share = format!("at {:.0} % of that, not measured", 100.0 * ASSUMED_SHARE);
        (flops / peak / ASSUMED_SHARE, share)
    };
    lines.push(format!("  {seconds:.3} s, {} tokens/s ({how})", count((tokens as f64 / seconds) as u64)));
    if fits && let Some(mb) = machine::peak_rss_mb() {
        lines.push(format!("  {}B of memory at most in this process", short(1e6 * mb)));
    }
    let all = Duration::try_from_secs_f64(seconds * args.steps as f64).unwrap_or(Duration::MAX);
    lines.push(format!(
        "{} steps, {} tokens: {}",
        count(args.steps),
        count(args.steps * tokens as u64),
        span(all)
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use tercet_gpt2::{Config, Preset};

    use super::*;

    #[test]
    fn blocks_are_counted_together() {
        let config = Config { vocab_size: 10, n_positions: 4, n_embd: 6, n_head: 2, ..Preset::Tiny.config() };
        let table = table(&config.params().entries());
        assert!(table.contains("transformer.h.*.attn.c_attn.weight"), "{table}");
        let row = table.lines().find(|line| line.contains("c_attn.weight")).unwrap();
        assert!(row.contains("2 ×") && row.contains("(6, 18)") && row.ends_with("216"), "{row}");
    }
}

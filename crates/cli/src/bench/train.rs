use serde::Serialize;
use tercet_gpt2::{Config, Preset};
use tercet_tensor::Precision;

use super::rounded;
use crate::args::{Arch, PrecisionArg};
use crate::error::Error;
use crate::random_steps::{RandomSteps, median};
use crate::{machine, output};

/// Steps before the clock starts: they fill the pool and wake the cores.
const WARM_UP: usize = 2;

/// Flags of `bench train`.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// Architecture
    #[arg(long, value_enum, default_value_t)]
    arch: Arch,
    /// Size: tiny, mini, small, medium, large or xl
    #[arg(long, default_value = "mini")]
    size: Preset,
    /// Operands of the matrix products
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Sequences of a step
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Tokens of a sequence
    #[arg(long, default_value_t = 128)]
    seq: usize,
    /// Timed steps, after two that are not
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Dropout of embeddings, attention and residual branches
    #[arg(long, default_value_t = 0.1)]
    dropout: f32,
}

/// The printed line.
#[derive(Serialize)]
struct Line {
    arch: &'static str,
    size: &'static str,
    dtype: &'static str,
    #[serde(rename = "B")]
    batch: usize,
    #[serde(rename = "T")]
    length: usize,
    threads: usize,
    dropout: f32,
    params: usize,
    tokens: usize,
    step_s: f64,
    tok_s: f64,
    gflop_s: f64,
    peak_gflops: f64,
    share_of_peak: f64,
    peak_rss_mb: Option<f64>,
    loss0: f32,
    loss_end: f32,
}

pub fn run(args: &Args) -> Result<(), Error> {
    let p = args.dropout;
    let config = Config { resid_pdrop: p, embd_pdrop: p, attn_pdrop: p, ..args.size.config() };
    config.validate()?;
    check(args, &config)?;
    let threads = machine::start_threads(args.threads)?;
    let precision = Precision::from(args.precision);
    let before = machine::peak_gflops(precision, threads);
    let mut training = RandomSteps::new(&config, args.batch, args.seq, precision);
    let mut losses = Vec::with_capacity(WARM_UP + args.steps);
    let mut seconds = Vec::with_capacity(args.steps);
    for step in 0..WARM_UP + args.steps {
        let (loss, time) = training.step();
        losses.push(loss);
        if step >= WARM_UP {
            seconds.push(time);
        }
    }
    let peak_rss_mb = machine::peak_rss_mb();
    // The rate of the machine is at least the better of the two: a neighbour may have held a core in one.
    let peak = before.max(machine::peak_gflops(precision, threads));
    let step_s = median(&mut seconds);
    let tokens = args.batch * args.seq;
    let flops = 3 * config.cost(args.batch as u64, args.seq as u64).forward_flops;
    let gflop_s = flops as f64 / step_s / 1e9;
    let line = Line {
        arch: "gpt2",
        size: args.size.name(),
        dtype: args.precision.name(),
        batch: args.batch,
        length: args.seq,
        threads,
        dropout: args.dropout,
        params: training.params.len(),
        tokens,
        step_s: rounded(step_s, 4),
        tok_s: rounded(tokens as f64 / step_s, 1),
        gflop_s: rounded(gflop_s, 1),
        peak_gflops: rounded(peak, 1),
        share_of_peak: rounded(gflop_s / peak, 3),
        peak_rss_mb: peak_rss_mb.map(|mb| rounded(mb, 1)),
        loss0: losses[0],
        loss_end: losses[losses.len() - 1],
    };
    output::say(&serde_json::to_string(&line).expect("figures are plain data"))
}

fn check(args: &Args, config: &Config) -> Result<(), Error> {
    let wrong = |flag, expected: &str, found: usize| {
        Err(Error::Flag { flag, expected: expected.to_owned(), found: found.to_string() })
    };
    match args {
        Args { batch: 0, .. } => wrong("batch", "at least 1", 0),
        Args { steps: 0, .. } => wrong("steps", "at least 1", 0),
        Args { seq, .. } if !(2..=config.n_positions).contains(seq) => {
            wrong("seq", &format!("2 to the {} positions of the model", config.n_positions), *seq)
        }
        _ => Ok(()),
    }
}

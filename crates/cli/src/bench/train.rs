use std::time::Instant;

use clap::ValueEnum;
use serde::Serialize;
use tercet_attention::Batch;
use tercet_gpt2::{Config, Gpt2LmHead, InitPreset, Preset};
use tercet_kernels::elementwise::sum_squares;
use tercet_kernels::optim::{AdamW, adamw};
use tercet_tensor::ops::Target;
use tercet_tensor::{Params, Pool, Precision, Rng, Tape};

use super::rounded;
use crate::args::PrecisionArg;
use crate::error::Error;
use crate::machine;

/// Steps before the clock starts: they fill the pool and wake the cores.
const WARM_UP: usize = 2;

/// Flags of `bench train`.
#[derive(Debug, clap::Args)]
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

/// The architectures that can be measured.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Arch {
    #[default]
    Gpt2,
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
    let mut training = Training::new(&config, args, precision);
    let mut losses = Vec::with_capacity(WARM_UP + args.steps);
    let mut seconds = Vec::with_capacity(args.steps);
    for step in 0..WARM_UP + args.steps {
        let start = Instant::now();
        losses.push(training.step());
        if step >= WARM_UP {
            seconds.push(start.elapsed().as_secs_f64());
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
    println!("{}", serde_json::to_string(&line).expect("a line of figures is plain data"));
    Ok(())
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

/// A model that learns one batch of random tokens by heart.
struct Training {
    params: Params,
    model: Gpt2LmHead,
    pool: Pool,
    precision: Precision,
    batch: Batch,
    targets: Vec<Target>,
    moments: [Vec<f32>; 2],
    steps: u64,
}

impl Training {
    fn new(config: &Config, args: &Args, precision: Precision) -> Self {
        let params = Params::new();
        let model = Gpt2LmHead::new(&params, config, InitPreset::Hf);
        params.init(0);
        let mut rng = Rng::new(0);
        let mut sequence =
            || (0..args.seq).map(|_| (rng.next_u64() % config.vocab_size as u64) as u32).collect();
        let sequences: Vec<Vec<u32>> = (0..args.batch).map(|_| sequence()).collect();
        let batch = Batch::new(&sequences);
        let weight = 1.0 / (args.batch * (args.seq - 1)) as f32;
        let rows = (0..batch.ids.len()).filter(|row| (row + 1) % args.seq != 0);
        let targets = rows.map(|row| Target { row: row as u32, id: batch.ids[row + 1], weight }).collect();
        let moments = [vec![0.0; params.len()], vec![0.0; params.len()]];
        Self { params, model, pool: Pool::new(), precision, batch, targets, moments, steps: 0 }
    }

    /// Forward, backward, clipping to norm 1 and AdamW; gives the loss.
    fn step(&mut self) -> f32 {
        self.params.zero_grad();
        let loss = {
            let tape = Tape::train_in(&self.pool, self.steps).precision(self.precision);
            let loss = self.model.loss(&tape, &self.batch, &self.targets).total;
            tape.backward(&loss);
            loss.item()
        };
        self.steps += 1;
        let [m, v] = &mut self.moments;
        self.params.update(|values, grads| {
            let norm = sum_squares(grads).sqrt();
            let step = AdamW {
                lr: 1e-4,
                beta1: 0.9,
                beta2: 0.999,
                eps: 1e-8,
                weight_decay: 0.01,
                step: self.steps,
                grad_scale: (1.0 / (norm + 1e-6)).min(1.0),
            };
            adamw(&step, values, grads, m, v);
        });
        loss
    }
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.len() / 2;
    if seconds.len() % 2 == 1 { seconds[middle] } else { (seconds[middle - 1] + seconds[middle]) / 2.0 }
}

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tercet_tensor::Precision;

use super::rounded;
use crate::arch::{self, StepSize};
use crate::args::{Arch, PrecisionArg};
use crate::error::Error;
use crate::profile::Profile;
use crate::random_steps::median;
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
    /// Size: for gpt2 tiny, mini, small, medium, large or xl; for bert tiny, mini, small, medium, base, large or
    /// layers/width; for t5 tiny, mini, small, base, large, 3b or 11b
    #[arg(long, default_value = "mini")]
    size: String,
    /// Version of T5: 1.0 or 1.1 [default: 1.0]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Operands of the matrix products
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Sequences of a step
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Tokens of a sequence
    #[arg(long, default_value_t = 128)]
    seq: usize,
    /// File of lengths of BERT's sequences, one a line, in place of --seq; the first --batch of them make the batch
    #[arg(long, value_name = "FILE", conflicts_with = "seq")]
    lengths: Option<PathBuf>,
    /// Tokens of an answer of T5 [default: as many as span corruption makes of --seq]
    #[arg(long)]
    target: Option<usize>,
    /// Timed steps, after two that are not
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Dropout of embeddings, attention and residual branches
    #[arg(long, default_value_t = 0.1)]
    dropout: f32,
    /// Show where the time of the timed steps goes, and write their events to FILE as a Chrome trace
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

/// The printed line.
#[derive(Serialize)]
struct Line {
    arch: &'static str,
    size: String,
    dtype: &'static str,
    #[serde(rename = "B")]
    batch: usize,
    #[serde(rename = "T")]
    length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<usize>,
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
    let mut shape = arch::sized(args.arch, &args.size, args.version.as_deref())?;
    shape.set_dropout(args.dropout)?;
    let lengths = args.lengths.as_deref().map(|path| read_lengths(path, args.batch)).transpose()?;
    let longest = lengths.iter().flatten().max().copied().unwrap_or(args.seq);
    let size = shape.step_size(args.batch, Some(longest), args.target)?;
    if args.steps == 0 {
        return Err(Error::Flag { flag: "steps", expected: "at least 1".to_owned(), found: "0".to_owned() });
    }
    let threads = machine::start_threads(args.threads)?;
    let precision = Precision::from(args.precision);
    let mut training = match &lengths {
        Some(lengths) => shape.ragged_steps(lengths, precision).ok_or_else(|| Error::Flag {
            flag: "arch",
            expected: "bert with --lengths".to_owned(),
            found: shape.arch().name().to_owned(),
        })?,
        None => shape.random_steps(size, precision),
    };
    let mut losses = Vec::with_capacity(WARM_UP + args.steps);
    let mut seconds = Vec::with_capacity(args.steps);
    let mut peak = 0.0f64;
    let profile = args.profile.as_deref().map(Profile::new).transpose()?;
    for step in 0..WARM_UP + args.steps {
        if step == WARM_UP {
            training.profiler = profile.as_ref().map(|profile| profile.profiler.clone());
        }
        let (loss, time) = training.step();
        losses.push(loss);
        if step >= WARM_UP {
            seconds.push(time);
            // Between the steps, for the clock rate that lasts; the best, as a neighbour may hold a core in some.
            peak = peak.max(machine::peak_gflops(precision, threads));
        }
    }
    let peak_rss_mb = machine::peak_rss_mb();
    let step_s = median(&mut seconds);
    let (tokens, forward) = match &lengths {
        Some(lengths) => {
            let of_one = |&seq: &usize| shape.forward_flops(StepSize { batch: 1, seq, ..size });
            (lengths.iter().sum(), lengths.iter().map(of_one).sum())
        }
        None => (size.tokens(), shape.forward_flops(size)),
    };
    let flops: u64 = 3 * forward;
    let gflop_s = flops as f64 / step_s / 1e9;
    let line = Line {
        arch: shape.arch().name(),
        size: args.size.clone(),
        dtype: args.precision.name(),
        batch: size.batch,
        length: size.seq,
        target: (size.target > 0).then_some(size.target),
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
    if let Some(profile) = &profile {
        eprintln!("{}", profile.report(peak)?);
    }
    output::say(&serde_json::to_string(&line).expect("figures are plain data"))
}

/// The first `count` numbers of a file, one a line.
fn read_lengths(path: &Path, count: usize) -> Result<Vec<usize>, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let wrong = |expected: String, found: String| Error::Flag { flag: "lengths", expected, found };
    let lengths: Vec<usize> = text
        .lines()
        .take(count)
        .map(|line| match line.trim().parse() {
            Ok(length) if length > 0 => Ok(length),
            _ => Err(wrong(format!("a length a line in {}", path.display()), format!("`{line}`"))),
        })
        .collect::<Result<_, _>>()?;
    match lengths.len() {
        found if found == count => Ok(lengths),
        found => {
            Err(wrong(format!("{count} lines in {}, as --batch says", path.display()), found.to_string()))
        }
    }
}

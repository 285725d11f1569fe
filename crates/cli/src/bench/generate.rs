use std::time::Instant;

use serde::Serialize;
use tercet_generate::{GenerationConfig, Step, generate};

use super::rounded;
use crate::args::Arch;
use crate::error::Error;
use crate::random_steps::{median, random_ids};
use crate::sample::Begun;
use crate::{arch, machine, output};

/// Runs before the clock starts.
const WARM_UP: usize = 1;

/// Flags of `bench generate`.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// Architecture
    #[arg(long, value_enum, default_value_t)]
    arch: Arch,
    /// Size: for gpt2 tiny, mini, small, medium, large or xl; for t5 tiny, mini, small, base, large, 3b or 11b
    #[arg(long, default_value = "mini")]
    size: String,
    /// Version of T5: 1.0 or 1.1 [default: 1.0]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Prompts
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Tokens of a prompt
    #[arg(long, default_value_t = 128)]
    seq: usize,
    /// Tokens to write for each
    #[arg(long, default_value_t = 64)]
    new: usize,
    /// Beams; 1 is greedy search
    #[arg(long, default_value_t = 1)]
    beams: usize,
    /// Timed runs, after one that is not
    #[arg(long, default_value_t = 7)]
    reps: usize,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// The printed line.
#[derive(Serialize)]
struct Line {
    arch: &'static str,
    size: String,
    dtype: &'static str,
    #[serde(rename = "B")]
    batch: usize,
    seq: String,
    beams: usize,
    threads: usize,
    params: usize,
    median_s: f64,
    min_s: f64,
    tok_s: f64,
    prompt_s: f64,
    step_ms: f64,
    peak_rss_mb: Option<f64>,
}

/// Seconds of one generation.
struct Times {
    /// Until the first ids are chosen from.
    prompt: f64,
    whole: f64,
}

pub fn run(args: &Args) -> Result<(), Error> {
    for (flag, count) in [("batch", args.batch), ("seq", args.seq), ("new", args.new), ("reps", args.reps)] {
        if count == 0 {
            return Err(Error::Flag { flag, expected: "at least 1".to_owned(), found: "0".to_owned() });
        }
    }
    let shape = arch::sized(args.arch, &args.size, args.version.as_deref())?;
    let threads = machine::start_threads(args.threads)?;
    let Some(writer) = shape.random_writer() else {
        return Err(Error::flag("arch", "one that writes, gpt2 or t5", args.arch.name()));
    };
    let prompts = random_ids(0, shape.vocab_size(), args.batch, args.seq);
    // The end id is not said before the last place, so that every run is as long.
    let settings = GenerationConfig {
        max_new_tokens: Some(args.new),
        min_new_tokens: args.new,
        eos_token_id: vec![1],
        num_beams: args.beams,
        ..GenerationConfig::default()
    };
    let mut times = Vec::with_capacity(args.reps);
    for rep in 0..WARM_UP + args.reps {
        let time = timed(|| writer.begin(prompts.clone(), &settings))?;
        if rep >= WARM_UP {
            times.push(time);
        }
    }
    let mut whole: Vec<f64> = times.iter().map(|time| time.whole).collect();
    let mut prompt: Vec<f64> = times.iter().map(|time| time.prompt).collect();
    let (median_s, prompt_s) = (median(&mut whole), median(&mut prompt));
    let steps = args.new.saturating_sub(1).max(1);
    let line = Line {
        arch: shape.arch().name(),
        size: args.size.clone(),
        dtype: "f32",
        batch: args.batch,
        seq: format!("{}+{}", args.seq, args.new),
        beams: args.beams,
        threads,
        params: shape.params().len(),
        median_s: rounded(median_s, 4),
        min_s: rounded(whole[0], 4),
        tok_s: rounded((args.batch * args.new) as f64 / median_s, 1),
        prompt_s: rounded(prompt_s, 4),
        step_ms: rounded(1e3 * (median_s - prompt_s) / steps as f64, 3),
        peak_rss_mb: machine::peak_rss_mb().map(|mb| rounded(mb, 1)),
    };
    output::say(&serde_json::to_string(&line).expect("figures are plain data"))
}

fn timed<'a>(begin: impl FnOnce() -> Begun<'a>) -> Result<Times, Error> {
    let start = Instant::now();
    let Begun { prompts, settings, mut model } = begin();
    let mut prompt = None;
    let model = |step: Step<'_>| {
        let logits = model(step);
        prompt.get_or_insert_with(|| start.elapsed().as_secs_f64());
        logits
    };
    generate(model, &prompts, &settings)?;
    Ok(Times { prompt: prompt.unwrap_or_default(), whole: start.elapsed().as_secs_f64() })
}

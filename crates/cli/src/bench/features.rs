use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use tercet_bert::{Bert, BertBatch, Config, FeatureExtractor, Layers, Pooling, Preset, Scale, Sequence};
use tercet_tensor::{Params, Pool, Precision, Rng, Tape};
use tercet_tokenizer::{Special, Tokenizer};

use super::rounded;
use crate::args::PrecisionArg;
use crate::error::Error;
use crate::random_steps::median;
use crate::{machine, output};

/// Passes before the clock starts.
const WARM_UP: usize = 2;

/// Flags of `bench features`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Size of a BERT with random weights
    #[arg(long, default_value = "base")]
    size: String,
    /// A Hugging Face folder with a tokenizer, to read --text with
    #[arg(long, value_name = "DIR", requires = "text")]
    model: Option<PathBuf>,
    /// File of sentences, one a line: from text to vectors of length 1, the mean of each sentence's tokens
    #[arg(long, value_name = "FILE", requires = "model")]
    text: Option<PathBuf>,
    /// Column of --text that holds the sentence, from 0, where tabs divide it
    #[arg(long, value_name = "N")]
    column: Option<usize>,
    /// Most sentences to read
    #[arg(long, default_value_t = 1000, value_name = "N")]
    limit: usize,
    /// Operands of the matrix products
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Sequences of a pass
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Tokens of a sequence
    #[arg(long, default_value_t = 128)]
    seq: usize,
    /// Timed passes, after two that are not
    #[arg(long, default_value_t = 7)]
    reps: usize,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// The printed line.
#[derive(Serialize)]
struct Line {
    task: &'static str,
    arch: &'static str,
    size: String,
    dtype: &'static str,
    threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    sentences: Option<usize>,
    #[serde(rename = "B", skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    #[serde(rename = "T", skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
    tokens: usize,
    median_s: f64,
    min_s: f64,
    reps: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    sentences_s: Option<f64>,
    tok_s: f64,
    gflop_s: f64,
    peak_gflops: f64,
    share_of_peak: f64,
    peak_rss_mb: Option<f64>,
}

/// What was measured: the name and counts of the work, and the seconds of each pass.
struct Measured {
    size: String,
    sentences: Option<usize>,
    lengths: Vec<usize>,
    config: Config,
    seconds: Vec<f64>,
}

pub fn run(args: &Args) -> Result<(), Error> {
    if args.reps == 0 {
        return Err(Error::Flag { flag: "reps", expected: "at least 1".to_owned(), found: "0".to_owned() });
    }
    let threads = machine::start_threads(args.threads)?;
    let precision = Precision::from(args.precision);
    let before = machine::peak_gflops(precision, threads);
    let mut measured = match (&args.model, &args.text) {
        (Some(model), Some(text)) => of_text(args, model, text)?,
        _ => of_random_tokens(args)?,
    };
    let peak_rss_mb = machine::peak_rss_mb();
    // The rate of the machine is at least the better of the two: a neighbour may have held a core in one.
    let peak = before.max(machine::peak_gflops(precision, threads));
    let median_s = median(&mut measured.seconds);
    let tokens: usize = measured.lengths.iter().sum();
    let gflop_s = flops(&measured.config, &measured.lengths) / median_s / 1e9;
    let random = measured.sentences.is_none();
    let line = Line {
        task: if random { "features" } else { "features-text" },
        arch: "bert",
        size: measured.size,
        dtype: args.precision.name(),
        threads,
        sentences: measured.sentences,
        batch: random.then_some(args.batch),
        length: random.then_some(args.seq),
        tokens,
        median_s: rounded(median_s, 5),
        min_s: rounded(measured.seconds[0], 5),
        reps: args.reps,
        sentences_s: measured.sentences.map(|sentences| rounded(sentences as f64 / median_s, 1)),
        tok_s: rounded(tokens as f64 / median_s, 1),
        gflop_s: rounded(gflop_s, 1),
        peak_gflops: rounded(peak, 1),
        share_of_peak: rounded(gflop_s / peak, 3),
        peak_rss_mb: peak_rss_mb.map(|mb| rounded(mb, 1)),
    };
    output::say(&serde_json::to_string(&line).expect("figures are plain data"))
}

/// The hidden states of random tokens.
fn of_random_tokens(args: &Args) -> Result<Measured, Error> {
    let config = args.size.parse::<Preset>()?.config();
    let wrong =
        |flag, expected: String, found: usize| Err(Error::Flag { flag, expected, found: found.to_string() });
    if args.batch == 0 {
        return wrong("batch", "at least 1".to_owned(), 0);
    }
    if !(1..=config.max_position_embeddings).contains(&args.seq) {
        let expected = format!("1 to the {} positions of the model", config.max_position_embeddings);
        return wrong("seq", expected, args.seq);
    }
    let params = Params::new();
    let bert = Bert::new(&params.root(), &config);
    params.init(0);
    let mut rng = Rng::new(0);
    let mut sequence = || {
        let ids = (0..args.seq).map(|_| (rng.next_u64() % config.vocab_size as u64) as u32).collect();
        Sequence::single(ids)
    };
    let sequences: Vec<Sequence> = (0..args.batch).map(|_| sequence()).collect();
    let (batch, pool) = (BertBatch::of(&sequences), Pool::new());
    let seconds = timed(args.reps, || {
        black_box(bert.forward(&Tape::off_in(&pool).precision(args.precision.into()), &batch));
        Ok(())
    })?;
    let lengths = vec![args.seq; args.batch];
    Ok(Measured { size: args.size.clone(), sentences: None, lengths, config, seconds })
}

/// Sentences from text to vectors.
fn of_text(args: &Args, model: &Path, text: &Path) -> Result<Measured, Error> {
    let bert = FeatureExtractor::open(model)?.precision(args.precision.into());
    let tokenizer = Tokenizer::open(model)?;
    let content = fs::read_to_string(text).map_err(Error::io(text))?;
    let column = |line: &'_ str| match args.column {
        Some(column) => line.split('\t').nth(column).unwrap_or_default().trim().to_owned(),
        None => line.trim().to_owned(),
    };
    let sentences: Vec<String> =
        content.lines().map(column).filter(|line| !line.is_empty()).take(args.limit).collect();
    let mut lengths = Vec::new();
    let seconds = timed(args.reps, || {
        let ids = tokenizer.encode_batch(&sentences, Special::With)?;
        lengths = ids.iter().map(Vec::len).collect();
        let sequences: Vec<Sequence> = ids.into_iter().map(Sequence::single).collect();
        black_box(bert.vectors(&sequences, Pooling::Mean(Layers::Last), Scale::Unit, |_| ())?);
        Ok(())
    })?;
    let name = model.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let (sentences, config) = (Some(sentences.len()), bert.config().clone());
    Ok(Measured { size: name, sentences, lengths, config, seconds })
}

/// The seconds of each pass.
fn timed(reps: usize, mut pass: impl FnMut() -> Result<(), Error>) -> Result<Vec<f64>, Error> {
    (0..WARM_UP).try_for_each(|_| pass())?;
    let mut one = |_| {
        let begun = Instant::now();
        pass().map(|()| begun.elapsed().as_secs_f64())
    };
    (0..reps).map(&mut one).collect()
}

/// Operations of the matrix products of a forward pass, a multiplication and an addition being two.
fn flops(config: &Config, lengths: &[usize]) -> f64 {
    let (width, inner) = (config.hidden_size as f64, config.intermediate_size as f64);
    let a_token = 2.0 * (4.0 * width * width + 2.0 * width * inner);
    let of_text = |&length: &usize| length as f64 * (a_token + 4.0 * length as f64 * width);
    config.num_hidden_layers as f64 * lengths.iter().map(of_text).sum::<f64>()
}

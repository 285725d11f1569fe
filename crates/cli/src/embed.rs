use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use serde::Serialize;
use tercet_bert::{FeatureExtractor, Layers, Pooling, Scale, Sequence};
use tercet_tensor::Value;

use crate::args::PrecisionArg;
use crate::encoder::{EncoderArgs, TextEncoder};
use crate::error::Error;
use crate::output::{Waiting, count};
use crate::texts::{Lines, Source, Text};
use crate::{file, machine, npy, output};

/// Flags of `embed`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    encoder: EncoderArgs,
    /// The texts. Without them and without --text, standard input is read, one a line
    #[arg(conflicts_with = "text")]
    texts: Vec<String>,
    #[command(flatten)]
    source: Source,
    /// The second text of a pair with the one text given
    #[arg(long, value_name = "TEXT")]
    pair: Option<String>,
    /// Each line is a pair: two texts with a tab between them
    #[arg(long, conflicts_with = "texts")]
    pairs: bool,
    /// What becomes the vector of a text
    #[arg(long, value_enum, default_value_t)]
    pooling: PoolingArg,
    /// Take the last K layers, rather than the last
    #[arg(long, value_name = "K")]
    layers: Option<usize>,
    /// What to do with several layers
    #[arg(long, value_enum, default_value_t, requires = "layers")]
    join: Join,
    /// Make every vector of length 1
    #[arg(long, visible_alias = "normalize")]
    normalise: bool,
    /// Operands of the matrix products
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// File to write: .npy for a matrix of f32, .jsonl for JSON lines; without it, JSON lines are printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What becomes the vector of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PoolingArg {
    /// The mean of its tokens
    #[default]
    Mean,
    /// Its first token, `[CLS]`
    Cls,
    /// The pooler's output
    Pooler,
}

/// What to do with several layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Join {
    /// Lay them end to end, the lowest first
    #[default]
    Concat,
    /// Add them
    Sum,
}

/// How vectors leave.
enum Format {
    Npy,
    JsonLines,
}

/// A printed line.
#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<&'a str>,
    tokens: usize,
    embedding: &'a [f32],
}

/// Runs the command.
///
/// # Errors
/// When the model cannot be read, a text does not fit it, or the file cannot be written.
pub fn run(args: &Args) -> Result<(), Error> {
    machine::start_threads(args.encoder.threads)?;
    let format = args.format()?;
    let encoder = TextEncoder::open(&args.encoder)?;
    let bert = FeatureExtractor::open(&encoder.folder)?.precision(args.precision.into());
    let pooling = args.pooling()?;
    bert.width(pooling)?;
    let texts = args.texts()?;
    let begun = Instant::now();
    let sequences = encoder.sequences(&texts)?;
    let scale = if args.normalise { Scale::Unit } else { Scale::AsIs };
    let mut waiting = Waiting::new("reading the texts");
    let told = |read| waiting.share(read as u64, texts.len() as u64);
    let vectors = bert.vectors(&sequences, pooling, scale, told)?;
    drop(waiting);
    let seconds = begun.elapsed().as_secs_f64();
    match &args.out {
        Some(path) => {
            let bytes = match format {
                Format::Npy => npy::bytes(vectors.rows(), vectors.cols(), &vectors),
                Format::JsonLines => {
                    json_lines(&texts, &sequences, &vectors).collect::<String>().into_bytes()
                }
            };
            file::write(path, &bytes)?;
            let (rows, columns) = (count(vectors.rows() as u64), vectors.cols());
            let path = path.display();
            output::say(&format!("{rows} texts, {columns} numbers each: f32 ({rows}, {columns}) in {path}"))?;
        }
        None => json_lines(&texts, &sequences, &vectors).try_for_each(|line| output::say(line.trim_end()))?,
    }
    let tokens: usize = sequences.iter().map(|sequence| sequence.ids.len()).sum();
    let (texts, rate) = (count(texts.len() as u64), texts.len() as f64 / seconds);
    eprintln!("{texts} texts, {} tokens in {seconds:.2} s, {rate:.0} texts a second", count(tokens as u64));
    Ok(())
}

fn json_lines<'a>(
    texts: &'a [Text],
    sequences: &'a [Sequence],
    vectors: &'a Value,
) -> impl Iterator<Item = String> + 'a {
    let rows = vectors.chunks_exact(vectors.cols());
    texts.iter().zip(sequences).zip(rows).map(|((text, sequence), embedding)| {
        let (tokens, pair) = (sequence.ids.len(), text.second.as_deref());
        let line = Line { text: &text.first, pair, tokens, embedding };
        serde_json::to_string(&line).expect("numbers and text are plain data") + "\n"
    })
}

impl Args {
    fn texts(&self) -> Result<Vec<Text>, Error> {
        let lines = if self.pairs { Lines::Pairs } else { Lines::Texts };
        match (&self.texts[..], &self.pair) {
            ([], None) => self.source.read(lines),
            ([text], Some(pair)) => Ok(vec![Text::argument(1, text, Some(pair))]),
            (texts, Some(pair)) => {
                let expected = "the second of a pair with one text".to_owned();
                Err(Error::Flag { flag: "pair", expected, found: format!("{pair:?} with {}", texts.len()) })
            }
            (texts, None) => {
                Ok((1..).zip(texts).map(|(number, text)| Text::argument(number, text, None)).collect())
            }
        }
    }

    fn pooling(&self) -> Result<Pooling, Error> {
        let layers = match (self.layers, self.join) {
            (None, _) => Layers::Last,
            (Some(layers), Join::Concat) => Layers::Concatenated(layers),
            (Some(layers), Join::Sum) => Layers::Summed(layers),
        };
        Ok(match self.pooling {
            PoolingArg::Mean => Pooling::Mean(layers),
            PoolingArg::Cls => Pooling::Cls(layers),
            PoolingArg::Pooler if self.layers.is_none() => Pooling::Pooler,
            PoolingArg::Pooler => {
                let (expected, found) = ("nothing: the pooler reads the last layer".to_owned(), layers);
                return Err(Error::Flag { flag: "layers", expected, found: format!("{found:?}") });
            }
        })
    }

    /// The form of the file, which must not be there yet.
    fn format(&self) -> Result<Format, Error> {
        let Some(path) = &self.out else { return Ok(Format::JsonLines) };
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Format::Npy,
            Some("jsonl") => Format::JsonLines,
            _ => {
                let (expected, found) = ("a file .npy or .jsonl".to_owned(), path.display().to_string());
                return Err(Error::Flag { flag: "out", expected, found });
            }
        };
        if path.exists() { Err(Error::Exists { path: path.clone() }) } else { Ok(format) }
    }
}

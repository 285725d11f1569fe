use serde::Serialize;
use tercet_bert::{BertBatch, BertForNextSentencePrediction, token_batches};

use crate::encoder::{EncoderArgs, TextEncoder};
use crate::error::Error;
use crate::output::Waiting;
use crate::texts::{Lines, Source, Text};
use crate::{machine, output};

/// Tokens of one pass.
const TOKENS: usize = 2048;

/// Flags of `next-sentence`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    encoder: EncoderArgs,
    /// Two texts, A and B. Without them and without --text, standard input is read: a pair a line, with a tab between
    #[arg(num_args = 2, value_names = ["A", "B"], conflicts_with = "text")]
    texts: Vec<String>,
    #[command(flatten)]
    source: Source,
    /// Print a line of JSON for each pair
    #[arg(long)]
    json: bool,
}

/// The JSON line of a pair.
#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    pair: &'a str,
    follows: f32,
}

/// Runs the command.
///
/// # Errors
/// When the model cannot be read or has no next-sentence head, or a pair does not fit it.
pub fn run(args: &Args) -> Result<(), Error> {
    machine::start_threads(args.encoder.threads)?;
    let encoder = TextEncoder::open(&args.encoder)?;
    let model = BertForNextSentencePrediction::load(&encoder.folder)?.model;
    let texts = match &args.texts[..] {
        [a, b] => vec![Text::argument(1, a, Some(b))],
        _ => args.source.read(Lines::Pairs)?,
    };
    for (text, follows) in texts.iter().zip(probabilities(&model, &encoder, &texts)?) {
        let (first, pair) = (&text.first, text.second.as_deref().unwrap_or_default());
        let line = match args.json {
            true => serde_json::to_string(&Line { text: first, pair, follows }).expect("plain data"),
            false => format!("{follows:.4}  {first}  |  {pair}"),
        };
        output::say(&line)?;
    }
    Ok(())
}

/// For each pair, in their order, the probability that its second text follows its first.
fn probabilities(
    model: &BertForNextSentencePrediction,
    encoder: &TextEncoder,
    texts: &[Text],
) -> Result<Vec<f32>, Error> {
    let sequences = encoder.sequences(texts)?;
    let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.ids.len()).collect();
    let (mut all, mut read) = (vec![0.0; texts.len()], 0);
    let mut waiting = Waiting::new("reading the pairs");
    for chosen in token_batches(&lengths, TOKENS) {
        let batch = BertBatch::of(chosen.iter().map(|&pair| &sequences[pair]));
        for (&pair, follows) in chosen.iter().zip(model.follows(&batch)) {
            all[pair] = follows;
        }
        read += chosen.len();
        waiting.share(read as u64, texts.len() as u64);
    }
    Ok(all)
}

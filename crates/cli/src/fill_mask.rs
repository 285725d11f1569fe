use std::ops::Range;

use serde::Serialize;
use tercet_bert::{BertBatch, BertForMaskedLm, Candidate, Sequence, token_batches};
use tercet_tokenizer::Encoding;

use crate::encoder::{EncoderArgs, TextEncoder};
use crate::error::Error;
use crate::output::Waiting;
use crate::texts::{Lines, Source, Text};
use crate::{machine, output};

/// Tokens of one pass.
const TOKENS: usize = 2048;

/// Flags of `fill-mask`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    encoder: EncoderArgs,
    /// Texts with `[MASK]` in them. Without them and without --text, standard input is read, one a line
    #[arg(conflicts_with = "text")]
    texts: Vec<String>,
    #[command(flatten)]
    source: Source,
    /// How many words to show for each `[MASK]`
    #[arg(long, default_value_t = 5, value_name = "K")]
    top: usize,
    /// Print a line of JSON for each text
    #[arg(long)]
    json: bool,
}

/// A text, its ids, and where its masks are.
struct Masked {
    text: Text,
    encoding: Encoding,
    rows: Vec<usize>,
}

/// The JSON line of a text.
#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    masks: Vec<Vec<Filling>>,
}

/// One candidate for one mask.
#[derive(Serialize)]
struct Filling {
    token: String,
    id: u32,
    probability: f32,
    text: String,
}

/// Runs the command.
///
/// # Errors
/// When the model cannot be read or has no masked-LM head, or a text does not fit it or has no `[MASK]`.
pub fn run(args: &Args) -> Result<(), Error> {
    machine::start_threads(args.encoder.threads)?;
    if args.top == 0 {
        let expected = "at least 1".to_owned();
        return Err(Error::Flag { flag: "top", expected, found: "0".to_owned() });
    }
    let encoder = TextEncoder::open(&args.encoder)?;
    let model = BertForMaskedLm::load(&encoder.folder)?.model;
    let texts = match &args.texts[..] {
        [] => args.source.read(Lines::Texts)?,
        texts => (1..).zip(texts).map(|(number, text)| Text::argument(number, text, None)).collect(),
    };
    let masked = texts.into_iter().map(|text| Masked::new(text, &encoder)).collect::<Result<Vec<_>, _>>()?;
    for (masked, candidates) in masked.iter().zip(candidates(&model, &masked, args.top)) {
        let masks = masked.fillings(&candidates, &encoder);
        if args.json {
            let line = Line { text: &masked.text.first, masks };
            output::say(&serde_json::to_string(&line).expect("numbers and text are plain data"))?;
        } else {
            for filling in masks.iter().flatten() {
                output::say(&format!("{:.4}  {:<14}  {}", filling.probability, filling.token, filling.text))?;
            }
        }
    }
    Ok(())
}

/// For each mask of each text, in their order, what may stand there.
fn candidates(model: &BertForMaskedLm, texts: &[Masked], top: usize) -> Vec<Vec<Vec<Candidate>>> {
    let lengths: Vec<usize> = texts.iter().map(|text| text.encoding.ids.len()).collect();
    let (mut all, mut read) = (vec![Vec::new(); texts.len()], 0);
    let mut waiting = Waiting::new("reading the texts");
    for chosen in token_batches(&lengths, TOKENS) {
        let sequences: Vec<Sequence> = chosen.iter().map(|&text| texts[text].sequence()).collect();
        let batch = BertBatch::of(&sequences);
        let starts = batch.first_rows();
        let rows = |(&text, start): (&usize, &u32)| {
            texts[text].rows.iter().map(|&row| row as u32 + start).collect::<Vec<_>>()
        };
        let rows: Vec<u32> = chosen.iter().zip(&starts).flat_map(rows).collect();
        let mut found = model.candidates(&batch, &rows, top).into_iter();
        for &text in &chosen {
            all[text] = found.by_ref().take(texts[text].rows.len()).collect();
        }
        read += chosen.len();
        waiting.share(read as u64, texts.len() as u64);
    }
    all
}

impl Masked {
    fn new(text: Text, encoder: &TextEncoder) -> Result<Self, Error> {
        let encoding = encoder.encoding(&text)?;
        let is_mask = |row: &usize| encoding.tokens[*row] == "[MASK]" && !encoding.offsets[*row].is_empty();
        let rows: Vec<usize> = (0..encoding.ids.len()).filter(is_mask).collect();
        if rows.is_empty() {
            let reason = if text.first.contains("[MASK]") {
                "its [MASK] is not one of the tokens: cut off, or not in the vocabulary"
            } else {
                "there is no [MASK] in it"
            };
            return Err(Error::Text { place: text.place, reason: reason.to_owned() });
        }
        Ok(Self { text, encoding, rows })
    }

    fn sequence(&self) -> Sequence {
        Sequence { ids: self.encoding.ids.clone(), token_types: self.encoding.type_ids.clone() }
    }

    fn fillings(&self, candidates: &[Vec<Candidate>], encoder: &TextEncoder) -> Vec<Vec<Filling>> {
        let of_mask = |(&row, candidates): (&usize, &Vec<Candidate>)| {
            let filling = |&Candidate { id, probability }: &Candidate| {
                let token = encoder.tokenizer.id_to_token(id).unwrap_or_else(|| format!("id {id}"));
                let text = filled(&self.text.first, self.encoding.offsets[row].clone(), &token);
                Filling { token, id, probability, text }
            };
            candidates.iter().map(filling).collect()
        };
        self.rows.iter().zip(candidates).map(of_mask).collect()
    }
}

/// The text with a token in the place of a mask; a piece that continues a word joins it.
fn filled(text: &str, mask: Range<usize>, token: &str) -> String {
    let (before, after) = (&text[..mask.start], &text[mask.end..]);
    match token.strip_prefix("##") {
        Some(piece) => format!("{}{piece}{after}", before.trim_end()),
        None => format!("{before}{token}{after}"),
    }
}

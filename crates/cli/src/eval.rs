use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use tercet_data::{Corpus, TokenStore};
use tercet_objectives::causal;
use tercet_tensor::{Pool, Tape};
use tercet_tokenizer::{Special, Tokenizer};

use crate::args::PrecisionArg;
use crate::error::Error;
use crate::lm_batch::LmBatch;
use crate::model::LanguageModel;
use crate::output::{Waiting, count};
use crate::pretrain::document_split;
use crate::{machine, output};

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Eval {
    /// Loss and perplexity of a language model on text
    Lm(Lm),
}

/// Flags of `eval lm`.
#[derive(Debug, clap::Args)]
pub struct Lm {
    /// A run, a checkpoint or a Hugging Face folder
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Text: files, folders or patterns, or one token store (.ids)
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    text: Vec<PathBuf>,
    /// Tokenizer, where the model's folder has none
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,
    /// Tokens that the model reads at once [default: all its positions]
    #[arg(long, value_name = "N")]
    seq: Option<usize>,
    /// Tokens from one reading to the next: less than --seq gives each token more context [default: half of --seq]
    #[arg(long, value_name = "N")]
    stride: Option<usize>,
    /// What a document is in plain text: file, lines, blank-lines, or the line that stands between two
    #[arg(long, default_value = "file", value_name = "HOW")]
    documents: String,
    /// What comes before each document
    #[arg(long, value_enum, default_value_t)]
    join: Join,
    /// Operands of the matrix products
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Readings of one pass
    #[arg(long, default_value_t = 8, value_name = "N")]
    batch: usize,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What comes before each document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Join {
    /// The end-of-text token, from which the first token is predicted too
    #[default]
    EndOfText,
    /// Nothing: documents follow each other directly, and the first token of all has no prediction
    Nothing,
}

/// Runs the command.
///
/// # Errors
/// When model or text cannot be read, or do not fit each other.
pub fn run(eval: &Eval) -> Result<(), Error> {
    let Eval::Lm(args) = eval;
    machine::start_threads(args.threads)?;
    let model = LanguageModel::open(&args.model, args.tokenizer.as_deref())?;
    let (length, stride) = args.windows(model.config.n_positions)?;
    let text = Text::read(args, &model.tokenizer)?;
    let measured = measure(&model, args, &text.ids, (length, stride));
    let result =
        Measured { seq: length, stride, join: args.join, words: text.words, bytes: text.bytes, ..measured };
    if args.json {
        output::say(&serde_json::to_string(&result.figures()).expect("figures are plain data"))
    } else {
        output::say(&result.table(&model.path, args))
    }
}

impl Lm {
    fn windows(&self, positions: usize) -> Result<(usize, usize), Error> {
        let length = self.seq.unwrap_or(positions);
        let stride = self.stride.unwrap_or(length.div_ceil(2));
        let wrong = |flag, expected: String, found: usize| {
            Err(Error::Flag { flag, expected, found: found.to_string() })
        };
        if !(1..=positions).contains(&length) {
            return wrong("seq", format!("1 to the {positions} positions of the model"), length);
        }
        if !(1..=length).contains(&stride) {
            return wrong("stride", format!("1 to --seq, {length}"), stride);
        }
        if self.batch == 0 {
            return wrong("batch", "at least 1".to_owned(), 0);
        }
        Ok((length, stride))
    }
}

/// A text as ids, and its length in units that no tokenizer decides.
#[derive(Default)]
struct Text {
    ids: Vec<u32>,
    words: usize,
    bytes: usize,
}

impl Text {
    fn read(args: &Lm, tokenizer: &Tokenizer) -> Result<Self, Error> {
        let mut text = Self::default();
        let end = tokenizer.end_of_text().filter(|_| args.join == Join::EndOfText);
        let store = match args.text.as_slice() {
            [path] if path.extension().is_some_and(|extension| extension == "ids") => Some(path),
            _ => None,
        };
        if let Some(path) = store {
            let store = TokenStore::open(path)?;
            store.check_tokenizer(tokenizer)?;
            for document in 0..store.documents() {
                let mut ids = Vec::new();
                store.read(store.document(document)?, &mut ids)?;
                let separated = ids.last().is_some_and(|&last| Some(last) == tokenizer.end_of_text());
                ids.truncate(ids.len() - usize::from(separated));
                text.add(&tokenizer.decode(&ids, Special::Without)?, &ids, end);
            }
        } else {
            for document in Corpus::open(&args.text, document_split(&args.documents))?.documents() {
                let document = document?;
                text.add(&document, &tokenizer.encode(&document, Special::Without)?, end);
            }
        }
        if text.ids.len() < 2 {
            let (what, expected) = (args.text[0].display().to_string(), "at least two tokens");
            return Err(Error::Input { what, expected, found: text.ids.len().to_string() });
        }
        Ok(text)
    }

    fn add(&mut self, document: &str, ids: &[u32], before: Option<u32>) {
        self.ids.extend(before);
        self.ids.extend(ids);
        self.words += document.split_whitespace().count();
        self.bytes += document.len();
    }
}

/// What came out.
struct Measured {
    nats: f64,
    tokens: usize,
    seconds: f64,
    seq: usize,
    stride: usize,
    join: Join,
    words: usize,
    bytes: usize,
}

/// The line of JSON.
#[derive(Serialize)]
struct Figures {
    loss: f64,
    perplexity: f64,
    word_perplexity: f64,
    bits_per_byte: f64,
    nats: f64,
    tokens: usize,
    words: usize,
    bytes: usize,
    seq: usize,
    stride: usize,
    join: Join,
    seconds: f64,
}

fn measure(model: &LanguageModel, args: &Lm, ids: &[u32], (length, stride): (usize, usize)) -> Measured {
    let (batch, precision) = (args.batch, args.precision.into());
    let windows: Vec<causal::Batch> = causal::sliding_windows(ids, length, stride).collect();
    let (pool, begun, mut waiting) = (Pool::new(), Instant::now(), Waiting::new("reading"));
    let (mut nats, mut tokens) = (0.0, 0);
    for (pass, windows) in windows.chunks(batch).enumerate() {
        waiting.share((pass * stride * batch) as u64, ids.len() as u64);
        let batch = LmBatch::joined(windows);
        nats += batch.nats(&model.model, &Tape::off_in(&pool).precision(precision));
        tokens += batch.len();
    }
    let seconds = begun.elapsed().as_secs_f64();
    Measured { nats, tokens, seconds, seq: length, stride, join: Join::Nothing, words: 0, bytes: 0 }
}

impl Measured {
    fn figures(&self) -> Figures {
        let Self { nats, tokens, seconds, seq, stride, join, words, bytes } = *self;
        let loss = nats / tokens as f64;
        Figures {
            loss,
            perplexity: loss.exp(),
            word_perplexity: (nats / words as f64).exp(),
            bits_per_byte: nats / bytes as f64 / std::f64::consts::LN_2,
            nats,
            tokens,
            words,
            bytes,
            seq,
            stride,
            join,
            seconds,
        }
    }

    fn table(&self, model: &Path, args: &Lm) -> String {
        let number = |n: usize| count(n as u64);
        let Figures { loss, perplexity, word_perplexity, bits_per_byte, .. } = self.figures();
        let join = match self.join {
            Join::EndOfText => "each document after <|endoftext|>",
            Join::Nothing => "documents joined by nothing",
        };
        let texts: Vec<String> = args.text.iter().map(|path| path.display().to_string()).collect();
        [
            format!("model       {}", model.display()),
            format!("text        {}", texts.join(" ")),
            format!("windows     {} tokens, stride {}, {join}", self.seq, self.stride),
            format!("loss        {loss:.4} nats a token"),
            format!("perplexity  {perplexity:.3} a token ({} tokens predicted)", number(self.tokens)),
            format!(
                "            {word_perplexity:.3} a word ({} words between white space)",
                number(self.words)
            ),
            format!("            {bits_per_byte:.4} bits a byte ({} bytes)", number(self.bytes)),
            format!("speed       {} tokens/s", number((self.tokens as f64 / self.seconds) as usize)),
        ]
        .join("\n")
    }
}

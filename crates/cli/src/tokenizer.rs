use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use tercet_data::{Corpus, StoreWriter};
use tercet_tokenizer::{Special, Tokenizer, Training};

use crate::error::Error;
use crate::output::{Waiting, count};
use crate::pretrain::{Level, document_split};
use crate::{machine, output};

/// What to do with a tokenizer.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train one on text
    Train(Train),
    /// Turn text into ids: files into a token store, or standard input into numbers
    Encode(Encode),
    /// Turn ids into text
    Decode(Decode),
}

/// Flags of `tokenizer train`.
#[derive(Debug, clap::Args)]
pub struct Train {
    /// Text: files, folders or patterns, plain or JSON lines, also .gz and .zst
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    text: Vec<PathBuf>,
    /// Entries of a byte-level vocabulary
    #[arg(long, default_value_t = 8192, value_name = "SIZE")]
    vocab_size: usize,
    /// What the tokens are
    #[arg(long, value_enum, default_value_t)]
    level: Level,
    /// Folder for the tokenizer, in Hugging Face form
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
}

/// Flags of `tokenizer encode`.
#[derive(Debug, clap::Args)]
pub struct Encode {
    /// Tokenizer: a folder or tokenizer.json
    #[arg(long, value_name = "PATH")]
    tokenizer: PathBuf,
    /// Text: files, folders or patterns; without it, standard input
    #[arg(long, num_args = 1.., value_name = "PATH", requires = "out")]
    text: Vec<PathBuf>,
    /// Token store to make (.ids)
    #[arg(long, value_name = "FILE", requires = "text")]
    out: Option<PathBuf>,
    /// What a document is in plain text: file, lines, blank-lines, headings (`= Title =`), or the line that stands
    /// between two
    #[arg(long, default_value = "file", value_name = "HOW")]
    documents: String,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
}

/// Flags of `tokenizer decode`.
#[derive(Debug, clap::Args)]
pub struct Decode {
    /// Tokenizer: a folder or tokenizer.json
    #[arg(long, value_name = "PATH")]
    tokenizer: PathBuf,
    /// The ids; without them, standard input
    ids: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When text or tokenizer cannot be read, or the result cannot be written.
pub fn run(command: &Command) -> Result<(), Error> {
    match command {
        Command::Train(args) => train(args),
        Command::Encode(args) => encode(args),
        Command::Decode(args) => decode(args),
    }
}

fn train(args: &Train) -> Result<(), Error> {
    machine::start_threads(args.threads)?;
    must_be_new(&args.out.join("tokenizer.json"))?;
    let corpus = Corpus::open(&args.text, tercet_data::DocumentSplit::File)?;
    let training = match args.level {
        Level::Bpe => Training::byte_level_bpe(args.vocab_size),
        Level::Char => Training::characters(),
    };
    let total = corpus.bytes();
    let mut waiting = Waiting::new("training the tokenizer");
    let tokenizer = corpus.train_tokenizer(&training, move |bytes| waiting.share(bytes, total))?;
    tokenizer.save(&args.out)?;
    let size = count(tokenizer.vocab_size() as u64);
    output::say(&format!("{size} entries in {}", args.out.display()))
}

fn encode(args: &Encode) -> Result<(), Error> {
    machine::start_threads(args.threads)?;
    let tokenizer = Tokenizer::open(&args.tokenizer)?;
    let Some(out) = &args.out else {
        let ids = tokenizer.encode(&read_input()?, Special::Without)?;
        return output::say(&spaced(&ids));
    };
    must_be_new(out)?;
    let corpus = Corpus::open(&args.text, document_split(&args.documents))?;
    let (vocab, made_with) = (tokenizer.vocab_size(), tokenizer.fingerprint());
    let mut writer = StoreWriter::create(out, vocab, made_with, corpus.fingerprint())?;
    let (total, mut waiting) = (corpus.bytes(), Waiting::new("tokenising"));
    let end = tokenizer.end_of_text();
    writer.push_pieces(corpus.pieces(), &tokenizer, end, total, |p| waiting.share(p.bytes, total))?;
    drop(waiting);
    let store = writer.finish()?;
    let (tokens, documents) = (count(store.tokens()), count(store.documents()));
    output::say(&format!("{tokens} tokens of {documents} documents in {}", out.display()))
}

fn decode(args: &Decode) -> Result<(), Error> {
    let tokenizer = Tokenizer::open(&args.tokenizer)?;
    let text = if args.ids.is_empty() { read_input()? } else { args.ids.join(" ") };
    let id = |word: &str| {
        let expected = "numbers from 0 to 4294967295";
        word.parse().map_err(|_| Error::Input {
            what: "ids".to_owned(),
            expected,
            found: format!("{word:?}"),
        })
    };
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let ids: Vec<u32> = words.map(id).collect::<Result<_, _>>()?;
    output::say(&tokenizer.decode(&ids, Special::With)?)
}

fn spaced(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

/// Standard input as text, to the last byte.
///
/// # Errors
/// When it cannot be read or is not UTF-8.
pub fn read_input() -> Result<String, Error> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|error| Error::NotUtf8 { offset: error.utf8_error().valid_up_to() })
}

fn must_be_new(path: &Path) -> Result<(), Error> {
    if path.exists() { Err(Error::Exists { path: path.to_owned() }) } else { Ok(()) }
}

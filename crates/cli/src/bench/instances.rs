use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;
use tercet_objectives::Random;
use tercet_objectives::masked::{self, Settings, Unit, Vocabulary};
use tercet_tokenizer::{Encoder, Tokenizer};

use super::rounded;
use crate::error::Error;
use crate::{machine, output};

/// Lines that share what an encoder remembers, at least.
const LINES: usize = 4096;

/// Flags of `bench instances`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// WordPiece tokenizer: a folder, tokenizer.json or vocab.txt
    #[arg(long, value_name = "PATH")]
    tokenizer: PathBuf,
    /// A sentence a line, an empty line between documents
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Tokens of an instance, at most
    #[arg(long, default_value_t = 128)]
    seq: usize,
    /// How often the text is gone through
    #[arg(long, default_value_t = 10)]
    dupe_factor: usize,
    /// Hide whole words
    #[arg(long)]
    whole_words: bool,
    /// Seed of all draws
    #[arg(long, default_value_t = 12345)]
    seed: u64,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// The printed line.
#[derive(Serialize)]
struct Line {
    task: &'static str,
    threads: usize,
    instances: usize,
    tokenise_s: f64,
    instances_s: f64,
    per_s: f64,
    per_s_without_tokenising: f64,
}

pub fn run(args: &Args) -> Result<(), Error> {
    let threads = machine::start_threads(args.threads)?;
    let tokenizer = Tokenizer::open(&args.tokenizer)?;
    let id = |token: &'static str| {
        let found = format!("none in {}", args.tokenizer.display());
        tokenizer.token_to_id(token).ok_or(Error::Input {
            what: token.to_owned(),
            expected: "an entry",
            found,
        })
    };
    let vocabulary = Vocabulary {
        size: tokenizer.vocab_size(),
        cls: id("[CLS]")?,
        sep: id("[SEP]")?,
        mask: id("[MASK]")?,
    };
    let continues = |id: u32| tokenizer.id_to_token(id).is_some_and(|token| token.starts_with("##"));
    let continues: Vec<bool> = (0..vocabulary.size as u32).map(continues).collect();
    let settings = Settings {
        max_seq_length: args.seq,
        dupe_factor: args.dupe_factor,
        unit: if args.whole_words { Unit::Word } else { Unit::Token },
        ..Settings::default()
    };
    let begun = Instant::now();
    let text = fs::read_to_string(&args.text).map_err(Error::io(&args.text))?;
    let documents = documents(&text, &tokenizer)?;
    let tokenised = Instant::now();
    let instances = masked::instances(
        &documents,
        &vocabulary,
        &settings,
        |id| continues[id as usize],
        &mut Random::new(args.seed),
    )?;
    let (tokenise_s, instances_s) = ((tokenised - begun).as_secs_f64(), tokenised.elapsed().as_secs_f64());
    let line = Line {
        task: "instances",
        threads,
        instances: instances.len(),
        tokenise_s: rounded(tokenise_s, 4),
        instances_s: rounded(instances_s, 4),
        per_s: rounded(instances.len() as f64 / (tokenise_s + instances_s), 1),
        per_s_without_tokenising: rounded(instances.len() as f64 / instances_s, 1),
    };
    output::say(&serde_json::to_string(&line).expect("figures are plain data"))
}

/// Sentences of ids, document by document; what holds nothing is left out.
fn documents(text: &str, tokenizer: &Tokenizer) -> Result<Vec<Vec<Vec<u32>>>, Error> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let encode = |encoder: &mut Encoder<'_>, line: &&str| {
        let mut ids = Vec::new();
        encoder.encode(line, &mut ids).map(|()| ids)
    };
    let sentences = lines.par_iter().with_min_len(LINES).map_init(|| tokenizer.encoder(), encode);
    let sentences: Vec<Vec<u32>> = sentences.collect::<Result<_, _>>()?;
    let mut documents = vec![Vec::new()];
    for (line, ids) in lines.into_iter().zip(sentences) {
        if line.is_empty() {
            documents.push(Vec::new());
        } else if !ids.is_empty() {
            documents.last_mut().expect("one at least").push(ids);
        }
    }
    documents.retain(|document| !document.is_empty());
    Ok(documents)
}

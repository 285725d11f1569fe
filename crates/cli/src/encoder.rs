use std::path::{Path, PathBuf};

use rayon::prelude::*;
use tercet_bert::{Config, Sequence};
use tercet_tokenizer::{Encoding, Special, Tokenizer, Truncation};

use crate::error::Error;
use crate::model::{check_fit, folder_of};
use crate::texts::Text;

/// Which BERT to use, and how it is to read.
#[derive(Debug, clap::Args)]
pub struct EncoderArgs {
    /// A run, a checkpoint or a Hugging Face folder of a BERT
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Tokenizer, where the model's folder has none
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,
    /// The entries of vocab.txt are what this regular expression finds, rather than pieces of words
    #[arg(long, value_name = "REGEX")]
    pattern: Option<String>,
    /// Cut a text that is longer than the model's positions, or than --seq, rather than refuse it
    #[arg(long)]
    truncate: bool,
    /// Most tokens of a text [default: all positions of the model]
    #[arg(long, value_name = "N")]
    seq: Option<usize>,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
}

/// What turns texts into what a BERT reads.
pub struct TextEncoder {
    /// The folder with the weights.
    pub folder: PathBuf,
    /// The model's configuration, with the positions that were asked for.
    config: Config,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    truncation: Option<Truncation>,
}

impl TextEncoder {
    /// Opens configuration and tokenizer, not the weights.
    ///
    /// # Errors
    /// When either cannot be read, or they do not fit each other.
    pub fn open(args: &EncoderArgs) -> Result<Self, Error> {
        let folder = folder_of(&args.model)?;
        let mut config = Config::read(&folder)?;
        let path = args.tokenizer.as_deref().unwrap_or(&folder);
        let tokenizer = match &args.pattern {
            Some(pattern) => Tokenizer::from_vocab_and_pattern(vocab_of(path), pattern)?,
            None => Tokenizer::open(path)?,
        };
        check_fit(&folder, config.vocab_size, &tokenizer)?;
        let positions = config.max_position_embeddings;
        match args.seq {
            Some(seq) if !(3..=positions).contains(&seq) => {
                let expected = format!("3 to the {positions} positions of the model");
                return Err(Error::Flag { flag: "seq", expected, found: seq.to_string() });
            }
            Some(seq) => config.max_position_embeddings = seq,
            None => {}
        }
        let truncation = args.truncate.then(|| Truncation::new(config.max_position_embeddings));
        Ok(Self { folder, config, tokenizer, truncation })
    }

    /// The ids and segments of texts, in their order.
    ///
    /// # Errors
    /// When a text does not fit, with its place.
    pub fn sequences(&self, texts: &[Text]) -> Result<Vec<Sequence>, Error> {
        // The first text at fault is the one to name, whichever thread finds one first.
        let all: Vec<_> = texts.par_iter().map(|text| self.sequence(text)).collect();
        all.into_iter().collect()
    }

    fn sequence(&self, text: &Text) -> Result<Sequence, Error> {
        if text.second.is_some() || self.truncation.is_some() {
            let encoding = self.encoding(text)?;
            return Ok(Sequence { ids: encoding.ids, token_types: encoding.type_ids });
        }
        let sequence = Sequence::single(self.tokenizer.encode(&text.first, Special::With)?);
        self.check(text, &sequence)?;
        Ok(sequence)
    }

    /// A text with where in it each id came from.
    ///
    /// # Errors
    /// As [`TextEncoder::sequences`].
    pub fn encoding(&self, text: &Text) -> Result<Encoding, Error> {
        let input = text.input();
        let encoding = match self.truncation {
            Some(truncation) => self.tokenizer.truncated(input, Special::With, truncation)?,
            None => self.tokenizer.encoding(input, Special::With)?,
        };
        self.check(text, &Sequence { ids: encoding.ids.clone(), token_types: encoding.type_ids.clone() })?;
        Ok(encoding)
    }

    fn check(&self, text: &Text, sequence: &Sequence) -> Result<(), Error> {
        self.config.check_sequence(sequence).map_err(|error| {
            let place = text.place.clone();
            let hint = match error {
                tercet_bert::Error::Length { found, limit } if found > limit => "; --truncate cuts it",
                _ => "",
            };
            Error::Text { place, reason: format!("{error}{hint}") }
        })
    }
}

fn vocab_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("vocab.txt") } else { path.to_owned() }
}

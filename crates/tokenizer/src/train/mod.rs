mod lattice;
mod seeds;
mod unigram;
mod word_piece;
mod words;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use tokenizers::decoders::fuse::Fuse;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer as Pipeline};

use crate::load::byte_level;
use crate::unigram::SENTINELS;
use crate::word_piece::SPECIAL_TOKENS;
use crate::{Error, Normalization, Result, Tokenizer};

/// How a vocabulary is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Byte pair encoding over bytes with GPT-2's pre-tokenizer (Radford et al. 2019, section 2.2): the most frequent
    /// pair of tokens is merged until the vocabulary is full.
    ByteLevelBpe,
    /// Pieces of words, those inside a word marked with `##`, for BERT: the most frequent pair of pieces is merged
    /// until the vocabulary is full.
    WordPiece(Normalization),
    /// Pieces with probabilities, for T5 (Kudo 2018, section 3.2), and after them as many sentinels.
    Unigram {
        /// How many of `<extra_id_0>`, `<extra_id_1>`, ... there are.
        sentinels: usize,
    },
    /// Every character of the text is an entry, in code point order.
    Characters,
}

/// What to train a tokenizer for.
///
/// ```
/// use tercet_tokenizer::{Special, Training};
///
/// let tokenizer = Training::byte_level_bpe(300).run(["low lower lowest", "new newer newest"].iter())?;
/// let ids = tokenizer.encode("newest low", Special::Without)?;
/// assert_eq!(tokenizer.decode(&ids, Special::Without)?, "newest low");
/// # Ok::<(), tercet_tokenizer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Training {
    /// How the vocabulary is found.
    pub algorithm: Algorithm,
    /// The most entries that the vocabulary may have, special tokens and sentinels included. A small text may not
    /// fill it.
    pub vocab_size: usize,
    /// A pair that occurs less often is not merged; of no meaning to Unigram.
    pub min_frequency: u64,
    /// Entries that no text is split into. With bytes and characters, the first of them ends a text.
    pub special_tokens: Vec<String>,
    /// Characters that are entries of a Unigram vocabulary however rare they are in the text.
    pub required: String,
}

impl Training {
    /// Byte-level BPE as GPT-2 has it, with `<|endoftext|>`.
    pub fn byte_level_bpe(vocab_size: usize) -> Self {
        Self {
            algorithm: Algorithm::ByteLevelBpe,
            vocab_size,
            min_frequency: 2,
            special_tokens: vec!["<|endoftext|>".into()],
            required: String::new(),
        }
    }

    /// WordPiece as BERT has it, uncased, with `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]` and `[MASK]`.
    pub fn word_piece(vocab_size: usize) -> Self {
        Self {
            algorithm: Algorithm::WordPiece(Normalization::default()),
            vocab_size,
            min_frequency: 2,
            special_tokens: SPECIAL_TOKENS.map(str::to_owned).to_vec(),
            required: String::new(),
        }
    }

    /// Unigram as T5 has it, with `<pad>`, `</s>`, `<unk>` and 100 sentinels.
    pub fn unigram(vocab_size: usize) -> Self {
        Self {
            algorithm: Algorithm::Unigram { sentinels: SENTINELS },
            vocab_size,
            min_frequency: 1,
            special_tokens: ["<pad>", "</s>", "<unk>"].map(str::to_owned).to_vec(),
            required: String::new(),
        }
    }

    /// One id a character, however many there are, and no special tokens.
    pub fn characters() -> Self {
        Self {
            algorithm: Algorithm::Characters,
            vocab_size: usize::MAX,
            min_frequency: 1,
            special_tokens: Vec::new(),
            required: String::new(),
        }
    }

    /// Trains on the texts, which are read once.
    ///
    /// # Errors
    /// When there is no text, or the vocabulary asked for cannot hold the bytes (or characters) and special tokens.
    pub fn run<T: AsRef<str> + Send>(&self, texts: impl Iterator<Item = T> + Send) -> Result<Tokenizer> {
        let first = self.special_tokens.first().map(String::as_str);
        let without = |text: T| Training::without_special(&self.special_tokens, text.as_ref());
        Ok(match self.algorithm {
            Algorithm::ByteLevelBpe => Tokenizer::new(self.train_byte_level_bpe(texts)?, first),
            Algorithm::WordPiece(normalization) => {
                Tokenizer::new(self.train_word_piece(normalization, texts.map(without))?, None)
            }
            Algorithm::Unigram { sentinels } => {
                Tokenizer::new(self.train_unigram(sentinels, texts.map(without))?, None)
            }
            Algorithm::Characters => Tokenizer::new(self.train_characters(texts)?, first),
        })
    }

    fn train_byte_level_bpe<T: AsRef<str> + Send>(
        &self,
        texts: impl Iterator<Item = T> + Send,
    ) -> Result<Pipeline> {
        self.check_size(256 + self.special_tokens.len(), "the 256 bytes and the special tokens")?;
        let trainer = BpeTrainer::builder()
            .vocab_size(self.vocab_size)
            .min_frequency(self.min_frequency)
            .special_tokens(self.added_tokens())
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .show_progress(false)
            .build();
        let some_text = AtomicBool::new(false);
        let texts = texts.map(|text| {
            some_text.fetch_or(!text.as_ref().is_empty(), Ordering::Relaxed);
            Training::without_special(&self.special_tokens, text.as_ref())
        });
        let mut pipeline = byte_level(BPE::default());
        pipeline
            .train(&mut TrainerWrapper::BpeTrainer(trainer), texts)
            .map_err(|e| Error::Train(e.to_string()))?;
        if some_text.into_inner() { Ok(pipeline) } else { Err(Error::EmptyText) }
    }

    fn train_characters<T: AsRef<str>>(&self, texts: impl Iterator<Item = T>) -> Result<Pipeline> {
        let mut characters = BTreeSet::new();
        for text in texts {
            characters.extend(Training::without_special(&self.special_tokens, text.as_ref()).chars());
        }
        if characters.is_empty() {
            return Err(Error::EmptyText);
        }
        self.check_size(
            characters.len() + self.special_tokens.len(),
            "the characters and the special tokens",
        )?;
        let vocab = characters.into_iter().zip(0..).map(|(c, id)| (c.to_string(), id)).collect();
        let model = WordLevel::builder().vocab(vocab).unk_token(String::new()).build();
        let any = SplitPattern::Regex(r"[\s\S]".into());
        let split = Split::new(any, SplitDelimiterBehavior::Isolated, false);
        let mut pipeline = Pipeline::new(model.map_err(|e| Error::Train(e.to_string()))?);
        pipeline.with_pre_tokenizer(Some(split.map_err(|e| Error::Train(e.to_string()))?));
        pipeline.with_decoder(Some(Fuse::new()));
        pipeline.add_special_tokens(self.added_tokens()).map_err(|e| Error::Train(e.to_string()))?;
        Ok(pipeline)
    }

    fn check_size(&self, least: usize, taken_by: &'static str) -> Result<()> {
        if self.vocab_size < least {
            return Err(Error::VocabularySize { asked: self.vocab_size, least, taken_by });
        }
        Ok(())
    }

    fn added_tokens(&self) -> Vec<AddedToken> {
        self.special_tokens.iter().map(|token| AddedToken::from(token.as_str(), true)).collect()
    }

    /// The text with its special tokens cut out, so that no merges are spent on their spelling.
    fn without_special(special_tokens: &[String], text: &str) -> String {
        let mut text = text.to_owned();
        for token in special_tokens {
            if text.contains(token) {
                text = text.replace(token, "\n");
            }
        }
        text
    }
}

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::wordpiece::WordPiece as Joined;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    AddedToken, Model, ModelWrapper, NormalizerWrapper, SplitDelimiterBehavior, Tokenizer as Pipeline,
};

use crate::{Error, Result, Tokenizer};

/// BERT's special tokens, in the order that a trained vocabulary has them.
pub(crate) const SPECIAL_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// What BERT does to a text before it looks for pieces: the fields of `tokenizer_config.json`, with their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Normalization {
    /// Lower case, for an uncased vocabulary.
    pub do_lower_case: bool,
    /// Take accents off; if it is not said, where `do_lower_case` is.
    pub strip_accents: Option<bool>,
    /// Make every Chinese character a word.
    pub tokenize_chinese_chars: bool,
}

impl Default for Normalization {
    fn default() -> Self {
        Self { do_lower_case: true, strip_accents: None, tokenize_chinese_chars: true }
    }
}

impl Normalization {
    /// For a cased vocabulary: case and accents stay.
    pub fn cased() -> Self {
        Self { do_lower_case: false, ..Self::default() }
    }
}

impl From<Normalization> for BertNormalizer {
    fn from(it: Normalization) -> Self {
        Self::new(true, it.tokenize_chinese_chars, it.strip_accents, it.do_lower_case)
    }
}

impl Tokenizer {
    /// Opens BERT's `vocab.txt`, one entry a line: WordPiece with `[CLS]` and `[SEP]` around a text.
    ///
    /// # Errors
    /// When the file cannot be read, or has no `[UNK]`, `[CLS]` or `[SEP]`.
    pub fn from_vocab(vocab: impl AsRef<Path>, normalization: Normalization) -> Result<Self> {
        let path = vocab.as_ref();
        let text = read_vocab(path)?;
        let model = WordPiece::read_bytes(text.as_bytes())
            .and_then(|vocab| WordPiece::builder().vocab(vocab).build());
        let pipeline = model.and_then(|model| word_piece(model, normalization, &SPECIAL_TOKENS));
        Ok(Self::new(pipeline.map_err(|e| Error::format(path, e))?, None))
    }

    /// Opens a `vocab.txt` whose entries are what a regular expression finds, one id each, with `[CLS]` and `[SEP]`
    /// around a text: chemical formulas, genes, logs. What the expression does not match is `[UNK]`.
    ///
    /// # Errors
    /// When the file cannot be read or has no `[UNK]`, `[CLS]` or `[SEP]`, or the expression is not one.
    pub fn from_vocab_and_pattern(vocab: impl AsRef<Path>, pattern: &str) -> Result<Self> {
        let path = vocab.as_ref();
        let text = read_vocab(path)?;
        let split = Split::new(SplitPattern::Regex(pattern.into()), SplitDelimiterBehavior::Isolated, false);
        let split =
            split.map_err(|e| Error::Pattern { pattern: pattern.to_owned(), message: e.to_string() })?;
        let model = WordPiece::read_bytes(text.as_bytes())
            .and_then(|vocab| WordLevel::builder().vocab(vocab).unk_token("[UNK]".into()).build());
        let mut pipeline = Pipeline::new(model.map_err(|e| Error::format(path, e))?);
        pipeline.with_pre_tokenizer(Some(split));
        pipeline.with_decoder(Some(Fuse::new()));
        around_with_cls_and_sep(&mut pipeline, &SPECIAL_TOKENS).map_err(|e| Error::format(path, e))?;
        Ok(Self::new(pipeline, None))
    }
}

/// The text of a `vocab.txt`, one entry a line, that has what every text needs.
fn read_vocab(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let missing = |token: &&&str| !text.lines().any(|line| line == **token);
    match ["[UNK]", "[CLS]", "[SEP]"].iter().find(missing) {
        Some(token) => {
            let lines = text.lines().count();
            Err(Error::format(path, format!("expected {token} among the entries, found {lines} without it")))
        }
        None => Ok(text),
    }
}

/// BERT's pipeline around a model, with those of the special tokens that the vocabulary has.
pub(crate) fn word_piece(
    model: WordPiece,
    normalization: Normalization,
    special_tokens: &[impl AsRef<str>],
) -> tokenizers::Result<Pipeline> {
    let mut pipeline = splitter(model, normalization)?;
    pipeline.with_decoder(Some(Joined::default()));
    around_with_cls_and_sep(&mut pipeline, special_tokens)?;
    Ok(pipeline)
}

/// BERT's words: at white space, around punctuation and, if asked, around Chinese characters.
pub(crate) fn splitter(model: WordPiece, normalization: Normalization) -> tokenizers::Result<Pipeline> {
    let mut pipeline = Pipeline::new(model);
    pipeline.with_normalizer(Some(BertNormalizer::from(normalization)))?;
    pipeline.with_pre_tokenizer(Some(BertPreTokenizer));
    Ok(pipeline)
}

/// Makes the special tokens of the vocabulary known, and puts texts between `[CLS]` and `[SEP]`.
pub(crate) fn around_with_cls_and_sep(
    pipeline: &mut Pipeline,
    special_tokens: &[impl AsRef<str>],
) -> tokenizers::Result<()> {
    let model = pipeline.get_model();
    let known = |token: &&str| model.token_to_id(token).is_some();
    let mut tokens: Vec<_> = special_tokens.iter().map(AsRef::as_ref).filter(known).collect();
    tokens.sort_by_key(|token| model.token_to_id(token));
    let id = |token: &str| model.token_to_id(token).ok_or(format!("{token} is not in the vocabulary"));
    let template = TemplateProcessing::builder()
        .try_single("[CLS] $A [SEP]")?
        .try_pair("[CLS] $A [SEP] $B:1 [SEP]:1")?
        .special_tokens(vec![("[CLS]", id("[CLS]")?), ("[SEP]", id("[SEP]")?)])
        .build()?;
    let added: Vec<_> = tokens.into_iter().map(|token| AddedToken::from(token, true)).collect();
    pipeline.with_post_processor(Some(template));
    pipeline.add_special_tokens(added)?;
    Ok(())
}

/// How a pipeline normalises, if it is BERT's.
pub(crate) fn normalization(pipeline: &Pipeline) -> Option<Normalization> {
    match (pipeline.get_model(), pipeline.get_normalizer()) {
        (ModelWrapper::WordPiece(_), Some(NormalizerWrapper::BertNormalizer(it))) => Some(Normalization {
            do_lower_case: it.lowercase,
            strip_accents: it.strip_accents,
            tokenize_chinese_chars: it.handle_chinese_chars,
        }),
        _ => None,
    }
}

use std::collections::HashMap;

use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{AddedToken, NormalizerWrapper, PreTokenizerWrapper, Tokenizer as Pipeline};

use crate::{Result, Special, Tokenizer};

/// The most words that are remembered before all are forgotten: a few megabytes.
const WORDS: usize = 1 << 15;
/// A longer word is too rare to be worth remembering.
const LONGEST_WORD: usize = 48;

/// Encodes much text fast, by remembering the ids of words; made by [`Tokenizer::encoder`].
///
/// The pre-tokenizers of GPT-2, BERT and T5 never join a character that is not white space with white space after it, so
/// the ids of a text are those of its words one after the other, each word with the white space before it. Most words of
/// a text have come before. A tokenizer of another kind is asked for the text as it is.
///
/// ```
/// use tercet_tokenizer::{Special, Training};
///
/// let text = "to be, or not to be";
/// let tokenizer = Training::byte_level_bpe(260).run([text].iter())?;
/// let mut ids = Vec::new();
/// tokenizer.encoder().encode(text, &mut ids)?;
/// assert_eq!(ids, tokenizer.encode(text, Special::Without)?);
/// # Ok::<(), tercet_tokenizer::Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    by_words: bool,
    /// Where in `ids` the ids of a word are, and how many.
    words: HashMap<Box<str>, (u32, u32)>,
    ids: Vec<u32>,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(tokenizer: &'a Tokenizer) -> Self {
        let by_words = ids_follow_from_words(&tokenizer.pipeline);
        Self { tokenizer, by_words, words: HashMap::new(), ids: Vec::new() }
    }

    /// Appends the ids of a text, without added special tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode(&mut self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        if !self.by_words {
            ids.extend(self.tokenizer.encode(text, Special::Without)?);
            return Ok(());
        }
        let mut rest = text;
        while !rest.is_empty() {
            let (word, after) = rest.split_at(word_end(rest));
            self.encode_word(word, ids)?;
            rest = after;
        }
        Ok(())
    }

    fn encode_word(&mut self, word: &str, ids: &mut Vec<u32>) -> Result<()> {
        if let Some(&(start, count)) = self.words.get(word) {
            ids.extend_from_slice(&self.ids[start as usize..][..count as usize]);
            return Ok(());
        }
        let new = self.tokenizer.encode(word, Special::Without)?;
        ids.extend_from_slice(&new);
        if word.len() <= LONGEST_WORD {
            if self.words.len() == WORDS {
                self.words.clear();
                self.ids.clear();
            }
            self.words.insert(word.into(), (self.ids.len() as u32, new.len() as u32));
            self.ids.extend(new);
        }
        Ok(())
    }
}

/// Where the first word of a text ends: before the first space, tab or end of line after what is not white space.
fn word_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_end = |i: &usize| {
        // U+000B is white space to Unicode, though not to `is_ascii_whitespace`.
        let space = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
        matches!(bytes[*i], b' ' | b'\t' | b'\n' | b'\r')
            && if bytes[i - 1].is_ascii() {
                !space(bytes[i - 1])
            } else {
                !text[..*i].ends_with(char::is_whitespace)
            }
    };
    (1..bytes.len()).find(is_end).unwrap_or(bytes.len())
}

/// Whether the ids of a text are those of its words: the pre-tokenizer of GPT-2, BERT or T5 with a normaliser that looks
/// at words alone, and no added token that white space or a neighbouring word could make a difference to.
fn ids_follow_from_words(pipeline: &Pipeline) -> bool {
    use PreTokenizerWrapper::{BertPreTokenizer, ByteLevel, Metaspace, Sequence, WhitespaceSplit};
    let by_words = match pipeline.get_pre_tokenizer() {
        Some(ByteLevel(bytes)) => bytes.use_regex && !bytes.add_prefix_space,
        Some(BertPreTokenizer(_)) => true,
        Some(Sequence(steps)) => {
            matches!(steps.as_ref(), [WhitespaceSplit(_), Metaspace(spaces)]
                if spaces.get_prepend_scheme() == PrependScheme::Always)
        }
        _ => false,
    };
    let plain = |token: &AddedToken| {
        let alone = !(token.lstrip || token.rstrip || token.single_word);
        alone && !token.content.contains(char::is_whitespace)
    };
    by_words
        && pipeline.get_normalizer().is_none_or(is_by_words)
        && pipeline.get_added_tokens_decoder().values().all(plain)
}

fn is_by_words(normalizer: &NormalizerWrapper) -> bool {
    use NormalizerWrapper::{BertNormalizer, NFKC, Nmt, Precompiled, Sequence};
    match normalizer {
        BertNormalizer(_) | NFKC(_) | Nmt(_) | Precompiled(_) => true,
        Sequence(steps) => steps.as_ref().iter().all(is_by_words),
        _ => false,
    }
}

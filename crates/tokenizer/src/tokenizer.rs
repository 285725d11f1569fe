use std::sync::OnceLock;

use rayon::prelude::*;
use serde_json::Value;
use tokenizers::{AddedToken, ModelWrapper, Tokenizer as Pipeline};

use crate::{Encoder, Encoding, Error, Fingerprint, Input, Result, StreamDecoder, fingerprint};

/// Whether special tokens (`<|endoftext|>`, `[CLS]`, ...) take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Encoding adds those that the tokenizer's template puts around a text; decoding writes them out.
    With,
    /// Encoding adds none; decoding leaves them out.
    Without,
}

/// Turns text into ids and back.
///
/// Open one with [`Tokenizer::open`], or make one with [`Training::run`](crate::Training::run). A special token that
/// stands literally in a text becomes its id, as in the reference implementation.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    pub(crate) pipeline: Pipeline,
    /// The pipeline with its special tokens in the model, where `pipeline` spells them.
    not_spelling: Option<Box<Pipeline>>,
    pub(crate) end_of_text: Option<u32>,
    size: usize,
    fingerprint: OnceLock<Fingerprint>,
}

impl Tokenizer {
    /// Wraps a pipeline. The end of text is `end_token` if it is given, else the first well-known name that exists.
    pub(crate) fn new(mut pipeline: Pipeline, end_token: Option<&str>) -> Self {
        pipeline.with_padding(None);
        pipeline.with_truncation(None).expect("no truncation is always valid");
        let names = end_token.into_iter().chain(["<|endoftext|>", "</s>", "[SEP]"]);
        let end_of_text = names.filter_map(|name| pipeline.token_to_id(name)).next();
        let size = pipeline.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        Self { pipeline, not_spelling: None, end_of_text, size, fingerprint: OnceLock::new() }
    }

    /// The same tokenizer, which spells out a special token that stands literally in a text (`<`, `|`, `end`, ...)
    /// instead of giving its id: for text from strangers, that must not be able to end a document.
    pub fn spelling_special_tokens(mut self) -> Self {
        if self.not_spelling.is_none() {
            self.not_spelling = Some(Box::new(self.pipeline.clone()));
        }
        self.pipeline.set_encode_special_tokens(true);
        let special: Vec<_> = self.pipeline.get_added_tokens_decoder().into_values().collect();
        let model = without_special(self.pipeline.get_model(), &special);
        self.pipeline.with_model(model);
        self.fingerprint = OnceLock::new();
        self
    }

    /// How many ids there are, added tokens included: one more than the largest id, so the rows that a model's
    /// embedding needs.
    pub fn vocab_size(&self) -> usize {
        self.size
    }

    /// The id that ends a document or an answer, if the tokenizer has one.
    pub fn end_of_text(&self) -> Option<u32> {
        self.end_of_text
    }

    /// The id of a vocabulary entry, spelled as in the vocabulary file.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.pipeline.token_to_id(token)
    }

    /// The vocabulary entry of an id, spelled as in the vocabulary file.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.pipeline.id_to_token(id)
    }

    /// The ids of a text.
    ///
    /// # Errors
    /// When the vocabulary has no way to write the text, which cannot happen with byte-level BPE.
    pub fn encode(&self, text: &str, special: Special) -> Result<Vec<u32>> {
        let parts = self.pipeline.encode_fast(text, special == Special::With);
        parts.map(|parts| parts.get_ids().to_vec()).map_err(|e| self.encode_error(text, &e))
    }

    /// The ids of many texts, in parallel.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_batch<T: AsRef<str> + Sync>(&self, texts: &[T], special: Special) -> Result<Vec<Vec<u32>>> {
        texts.par_iter().map(|text| self.encode(text.as_ref(), special)).collect()
    }

    /// An encoder that remembers words, for much text: several times as fast as [`encode`](Self::encode).
    pub fn encoder(&self) -> Encoder<'_> {
        Encoder::new(self)
    }

    /// The ids of a text, or of a pair of texts, with the place that each came from.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encoding<'a>(&self, input: impl Into<Input<'a>>, special: Special) -> Result<Encoding> {
        let input = input.into();
        let parts = self.pipeline.encode(input, special == Special::With);
        parts.map(|parts| Encoding::new(self, &parts)).map_err(|e| {
            let (first, second) = input.texts();
            self.encode_error(&(first.to_owned() + second.unwrap_or_default()), &e)
        })
    }

    /// The text of ids. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// When an id is not in the vocabulary.
    pub fn decode(&self, ids: &[u32], special: Special) -> Result<String> {
        if let Some(&id) = ids.iter().find(|&&id| self.pipeline.id_to_token(id).is_none()) {
            return Err(Error::UnknownId { id, size: self.size });
        }
        self.pipeline.decode(ids, special == Special::Without).map_err(|e| Error::Decode(e.to_string()))
    }

    /// A decoder that takes one id at a time and gives text as soon as its characters are whole.
    pub fn stream(&self, special: Special) -> StreamDecoder<'_> {
        StreamDecoder::new(self, special)
    }

    /// A hash of all that decides the ids of a text; the same for the same tokenizer from any of its files.
    pub fn fingerprint(&self) -> Fingerprint {
        *self.fingerprint.get_or_init(|| {
            let content = serde_json::to_value(&**self.as_saved()).expect("a tokenizer is plain data");
            fingerprint::of_tokenizer(&content, self.pipeline.get_encode_special_tokens())
        })
    }

    /// The pipeline as files have it, which never spells special tokens.
    pub(crate) fn as_saved(&self) -> &Pipeline {
        self.not_spelling.as_deref().unwrap_or(&self.pipeline)
    }

    /// Names the character at fault where the vocabulary is one of characters.
    pub(crate) fn encode_error(&self, text: &str, error: &tokenizers::Error) -> Error {
        let mut buffer = [0; 4];
        let unknown =
            text.char_indices().find(|(_, c)| self.token_to_id(c.encode_utf8(&mut buffer)).is_none());
        match (self.pipeline.get_model(), unknown) {
            (ModelWrapper::WordLevel(_), Some((offset, character))) => {
                Error::UnknownCharacter { character, offset, size: self.size }
            }
            _ => Error::Encode(error.to_string()),
        }
    }
}

/// The model without the special tokens that its own vocabulary has, where it would find them in a text by itself.
fn without_special(model: &ModelWrapper, special: &[AddedToken]) -> ModelWrapper {
    let is_special = |token: &str| special.iter().any(|added| added.special && added.content == token);
    let mut content = serde_json::to_value(model).expect("a model is plain data");
    match (model, &mut content["vocab"]) {
        (ModelWrapper::Unigram(_), Value::Array(pieces)) => {
            // Its ids are places in the list; no text that reaches the model has a space.
            for piece in pieces {
                if let Some(token) = piece[0].as_str().filter(|token| is_special(token)) {
                    piece[0] = format!(" {token}").into();
                }
            }
        }
        (ModelWrapper::WordLevel(model), Value::Object(words)) => {
            words.retain(|word, _| *word == model.unk_token || !is_special(word));
        }
        _ => return model.clone(),
    }
    serde_json::from_value(content).expect("a model reads what it wrote")
}

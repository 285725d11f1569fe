use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde_json::{Value, from_value};
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as Pipeline};

use crate::unigram::SENTINELS;
use crate::{Error, Normalization, Result, Tokenizer};

impl Tokenizer {
    /// Opens a tokenizer in any form that Hugging Face saves: a folder, or a `tokenizer.json`.
    ///
    /// In a folder, `tokenizer.json` is taken before `vocab.json` + `merges.txt`, `spiece.model` and `vocab.txt`, and
    /// what these do not say is read from `tokenizer_config.json`: the end of text (`eos_token`), the number of
    /// sentinels (`extra_ids`, else 100) and the [`Normalization`] of a `vocab.txt` (else that of an uncased one).
    ///
    /// # Errors
    /// When nothing of the kind is there, or a file does not hold what it should.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if fs::metadata(path).map_err(Error::io(path))?.is_file() {
            return match path.extension().and_then(OsStr::to_str) {
                Some("model") => Self::from_spiece(path, SENTINELS),
                Some("txt") => Self::from_vocab(path, Normalization::default()),
                _ => Self::from_json_file(path, None),
            };
        }
        let config_path = path.join("tokenizer_config.json");
        let config = if config_path.is_file() { read_json(&config_path)? } else { Value::Null };
        let end_token = token(&config["eos_token"]);
        let [json, vocab, merges, spiece, lines] =
            ["tokenizer.json", "vocab.json", "merges.txt", "spiece.model", "vocab.txt"]
                .map(|name| path.join(name));
        if json.is_file() {
            Self::from_json_file(&json, end_token)
        } else if vocab.is_file() && merges.is_file() {
            Self::from_vocab_and_merges(&vocab, &merges)
        } else if spiece.is_file() {
            let sentinels = config["extra_ids"].as_u64().map_or(SENTINELS, |count| count as usize);
            Self::from_spiece(&spiece, sentinels)
        } else if lines.is_file() {
            let normalization =
                if config.is_null() { Ok(Normalization::default()) } else { from_value(config) };
            Self::from_vocab(&lines, normalization.map_err(|e| Error::format(&config_path, e))?)
        } else {
            Err(Error::NoTokenizer { folder: path.to_owned() })
        }
    }

    /// Opens GPT-2's pair of files: byte-level BPE with `<|endoftext|>`, if the vocabulary has it.
    ///
    /// # Errors
    /// When a file is missing, or a merge is not made of entries of the vocabulary.
    pub fn from_vocab_and_merges(vocab: impl AsRef<Path>, merges: impl AsRef<Path>) -> Result<Self> {
        let (vocab_path, merges_path) = (vocab.as_ref(), merges.as_ref());
        let vocab: HashMap<String, u32> = read_json(vocab_path)?;
        let merges_text = fs::read_to_string(merges_path).map_err(Error::io(merges_path))?;
        let mut merges = Vec::new();
        for (line, text) in (1..).zip(merges_text.lines()).filter(|(_, text)| !text.starts_with("#version")) {
            let fault = |message: String| Error::format(merges_path, format!("line {line}: {message}"));
            let (a, b) = text
                .split_once(' ')
                .filter(|(_, b)| !b.contains(' '))
                .ok_or_else(|| fault(format!("expected two tokens and one space, found {text:?}")))?;
            check_merge(&vocab, "", a, b).map_err(fault)?;
            merges.push((a.to_owned(), b.to_owned()));
        }
        let end = vocab.contains_key("<|endoftext|>").then(|| AddedToken::from("<|endoftext|>", true));
        let mut pipeline = byte_level(BPE::new(vocab.into_iter().collect(), merges));
        pipeline.add_special_tokens(end).map_err(|e| Error::format(vocab_path, e))?;
        Ok(Self::new(pipeline, None))
    }

    fn from_json_file(path: &Path, end_token: Option<&str>) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io(path))?;
        let content: Value = serde_json::from_slice(&bytes).map_err(|e| Error::format(path, e))?;
        check_merges(&content["model"]).map_err(|message| Error::format(path, message))?;
        let pipeline = Pipeline::from_bytes(&bytes).map_err(|e| Error::format(path, e))?;
        Ok(Self::new(pipeline, end_token))
    }
}

/// A pipeline that splits as GPT-2 does and writes bytes as printable characters.
pub(crate) fn byte_level(model: BPE) -> Pipeline {
    let bytes = ByteLevel::new(false, false, true);
    let mut pipeline = Pipeline::new(model);
    pipeline.with_pre_tokenizer(Some(bytes));
    pipeline.with_post_processor(Some(bytes));
    pipeline.with_decoder(Some(bytes));
    pipeline
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::format(path, e))
}

/// A token of a `tokenizer_config.json`, a string or an object with `content`.
fn token(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["content"].as_str())
}

/// Checks the merges of a BPE model of `tokenizer.json`, whose reader relies on them to fit the vocabulary.
fn check_merges(model: &Value) -> std::result::Result<(), String> {
    let (Some(vocab), Some(merges)) = (model["vocab"].as_object(), model["merges"].as_array()) else {
        return Ok(());
    };
    let vocab = vocab.keys().map(|token| (token.clone(), 0)).collect();
    let prefix = model["continuing_subword_prefix"].as_str().unwrap_or("");
    for (i, merge) in merges.iter().enumerate() {
        let (a, b) = match merge {
            Value::String(pair) => pair.split_once(' '),
            pair => pair[0].as_str().zip(pair[1].as_str()),
        }
        .ok_or_else(|| format!("merge {i}: expected two tokens, found {merge}"))?;
        check_merge(&vocab, prefix, a, b).map_err(|message| format!("merge {i}: {message}"))?;
    }
    Ok(())
}

fn check_merge(
    vocab: &HashMap<String, u32>,
    prefix: &str,
    a: &str,
    b: &str,
) -> std::result::Result<(), String> {
    let merged = format!("{a}{}", b.strip_prefix(prefix).unwrap_or(b));
    match [a, b, &merged].into_iter().find(|token| !vocab.contains_key(*token)) {
        Some(token) => Err(format!("{token:?} of the merge of {a:?} and {b:?} is not in the vocabulary")),
        None => Ok(()),
    }
}

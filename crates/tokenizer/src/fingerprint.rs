use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A SHA-256 hash that tells whether two things are the same.
///
/// Two tokenizers with one fingerprint give the same ids for every text, so a token store made with the one can be
/// used with the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Fingerprint {
    /// The first eight bytes in hexadecimal: enough to tell two apart by eye.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The part of a `tokenizer.json` that decides the ids of a text, in one order of keys and with defaults left out, so
/// that `vocab.json` + `merges.txt` or `spiece.model` and the `tokenizer.json` of the same vocabulary agree.
pub(crate) fn of_tokenizer(file: &Value, spells_special_tokens: bool) -> Fingerprint {
    let added: Vec<Value> = file["added_tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|token| {
            json!([token["id"], token["content"], token["lstrip"], token["rstrip"], token["single_word"]])
        })
        .collect();
    let added = if spells_special_tokens { Value::Null } else { added.into() };
    let parts =
        json!([added, plain(&file["normalizer"]), plain(&file["pre_tokenizer"]), plain(&file["model"])]);
    Fingerprint::of(parts.to_string().as_bytes())
}

/// `part` without its offsets settings and without fields that are null, false or empty.
fn plain(part: &Value) -> Value {
    let Value::Object(fields) = part else { return part.clone() };
    let decides = |name: &str, value: &Value| {
        name != "trim_offsets"
            && !value.is_null()
            && value != &Value::Bool(false)
            && value.as_str() != Some("")
    };
    Value::Object(
        fields
            .iter()
            .filter(|(name, value)| decides(name, value))
            .map(|(name, value)| {
                (name.clone(), if name == "vocab" { vocabulary(value) } else { plain(value) })
            })
            .collect(),
    )
}

/// A vocabulary with its scores, if it has them, in the precision of a `spiece.model`: their last digits in a
/// `tokenizer.json` are those of whatever wrote it.
fn vocabulary(vocab: &Value) -> Value {
    let Value::Array(pieces) = vocab else { return vocab.clone() };
    let rounded = |piece: &Value| match piece[1].as_f64() {
        Some(score) => json!([piece[0], score as f32]),
        None => piece.clone(),
    };
    pieces.iter().map(rounded).collect()
}

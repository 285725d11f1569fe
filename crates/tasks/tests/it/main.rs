//! Tasks as their files have them, scores as the papers count them, mixtures that can be resumed.

mod denoising;
mod encoder;
mod forms;
mod mixtures;
mod real_files;
mod scores;

use std::path::PathBuf;

use tempfile::TempDir;
use tercet_data::{StoreWriter, TokenStore};
use tercet_tokenizer::{Tokenizer, Training};

/// A folder with one file.
fn folder(name: &str, text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    folder
}

/// A folder or file of test data beside the checkout, or `None` with a printed line where it is missing.
fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")).join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is missing", path.display());
    None
}

/// A tokenizer of T5's kind.
fn tokenizer() -> Tokenizer {
    let text = "sort reverse count: one two three four five kite drum bell is not there, and so on";
    Training::unigram(200).run(std::iter::repeat_n(text, 30)).unwrap()
}

/// A store of documents of ids, each with an end.
fn store(folder: &TempDir, tokenizer: &Tokenizer, documents: &[Vec<u32>]) -> TokenStore {
    let path = folder.path().join("text.ids");
    let print = tokenizer.fingerprint();
    let mut writer = StoreWriter::create(path, tokenizer.vocab_size(), print, print).unwrap();
    for document in documents {
        writer.push_document(document).unwrap();
    }
    writer.finish().unwrap()
}

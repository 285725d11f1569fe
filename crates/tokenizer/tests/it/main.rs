//! The tokenizer against the reference implementation, its own files, and damaged ones.

mod encoder;
mod files;
mod reference;
mod stream;
mod train;

use std::path::PathBuf;

/// A folder of test data beside the checkout, or `None` with a printed line where it is missing.
fn shared(variable: &str, name: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(name);
    let folder = std::env::var_os(variable).map_or_else(default, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is missing", folder.display());
    None
}

/// GPT-2's published vocabulary.
fn gpt2() -> Option<tercet_tokenizer::Tokenizer> {
    let folder = shared("TERCET_DATA", "data")?.join("tokenizers/gpt2");
    Some(tercet_tokenizer::Tokenizer::open(folder).expect("the published tokenizer opens"))
}

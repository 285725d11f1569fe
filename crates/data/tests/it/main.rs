//! From files of text to batches: what comes out, what a resume gives, and what damage is found.

mod corpus;
mod exercises;
mod order;
mod store;
mod stories;

use std::path::Path;

use tercet_data::{StoreWriter, TokenStore};
use tercet_tokenizer::{Fingerprint, Tokenizer, Training};

/// A store of documents with these lengths, its ids counting up from 0 and wrapping at `vocab_size`.
fn counting(path: &Path, vocab_size: usize, lengths: &[usize]) -> TokenStore {
    let mut writer =
        StoreWriter::create(path, vocab_size, Fingerprint::of(b"tokenizer"), Fingerprint::of(b"source"))
            .unwrap();
    let mut next = 0;
    for &length in lengths {
        let ids: Vec<u32> = (next..next + length).map(|id| (id % vocab_size) as u32).collect();
        writer.push_document(&ids).unwrap();
        next += length;
    }
    writer.finish().unwrap()
}

/// A small byte-level tokenizer.
fn tokenizer() -> Tokenizer {
    let text = "the cat sat on the mat and the dog on the log\n it's 12 o'clock!\n\n";
    Training::byte_level_bpe(300).run(std::iter::repeat_n(text, 30)).unwrap()
}

/// A folder of test data beside the checkout, or `None` with a printed line where it is missing.
fn shared(name: &str) -> Option<std::path::PathBuf> {
    let default = || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(name);
    let folder = std::env::var_os("TERCET_DATA").map_or_else(default, Into::into);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is missing", folder.display());
    None
}

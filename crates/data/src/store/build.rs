//! Text to a token store.

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rayon::prelude::*;
use tercet_tokenizer::{Encoder, Fingerprint, Tokenizer};

use super::{StoreWriter, TokenStore};
use crate::{Corpus, Piece, Result};

/// How much text is tokenised at once, shared out over all threads.
const BATCH: usize = 1 << 23;

/// How far the making of a token store has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read from the files.
    pub bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// Documents written.
    pub documents: u64,
    /// Ids written.
    pub tokens: u64,
}

impl TokenStore {
    /// Opens the store of a corpus at `path`, or makes it if it is not there or not of this text and tokenizer.
    ///
    /// `separator` is the id that is put after each document. The threads are those of the current rayon pool;
    /// `progress` is called every few megabytes of text.
    ///
    /// ```
    /// use tercet_data::{Corpus, DocumentSplit, TokenStore};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let text = folder.path().join("tales.txt");
    /// std::fs::write(&text, "A tale.\n\nAnother tale.\n")?;
    ///
    /// let corpus = Corpus::open(&[text], DocumentSplit::BlankLines)?;
    /// let training = tercet_tokenizer::Training::byte_level_bpe(260);
    /// let tokenizer = corpus.train_tokenizer(&training, |_| {})?;
    /// let path = folder.path().join("tales.ids");
    /// let store = TokenStore::open_or_build(&path, &corpus, &tokenizer, tokenizer.end_of_text(), |_| {})?;
    ///
    /// let mut ids = Vec::new();
    /// store.read(store.document(1)?, &mut ids)?;
    /// assert_eq!(tokenizer.decode(&ids, tercet_tokenizer::Special::With)?, "Another tale.\n<|endoftext|>");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the text cannot be read, the store cannot be written, or a file at `path` is not an undamaged store.
    pub fn open_or_build(
        path: impl AsRef<Path>,
        corpus: &Corpus,
        tokenizer: &Tokenizer,
        separator: Option<u32>,
        progress: impl FnMut(Progress),
    ) -> Result<Self> {
        let path = path.as_ref();
        let source = Fingerprint::of(format!("{:?} {separator:?}", corpus.fingerprint().0).as_bytes());
        if path.exists() {
            let store = Self::open(path)?;
            if store.tokenizer() == tokenizer.fingerprint() && store.source() == source {
                return Ok(store);
            }
        }
        let mut writer = StoreWriter::create(path, tokenizer.vocab_size(), tokenizer.fingerprint(), source)?;
        let total_bytes = corpus.bytes();
        writer.push_pieces(corpus.pieces(), tokenizer, separator, total_bytes, progress)?;
        writer.finish()
    }
}

impl StoreWriter {
    /// Tokenises pieces of text in parallel and appends them; `separator` follows each document.
    ///
    /// The pieces are made in a thread of their own, at most two batches of 8 MiB ahead.
    ///
    /// # Errors
    /// The first error of the pieces; or when a text cannot be encoded, or the disk is full.
    pub fn push_pieces<I>(
        &mut self,
        pieces: I,
        tokenizer: &Tokenizer,
        separator: Option<u32>,
        total_bytes: u64,
        mut progress: impl FnMut(Progress),
    ) -> Result<()>
    where
        I: IntoIterator<Item = Result<Piece>, IntoIter: Send>,
    {
        let mut pieces = pieces.into_iter();
        let (sender, batches) = sync_channel(1);
        thread::scope(|scope| {
            scope.spawn(move || while sender.send(batch(&mut pieces)).is_ok() {});
            self.push_batches(batches, tokenizer, separator, |bytes, tokens, documents| {
                progress(Progress { bytes, total_bytes, documents, tokens });
            })
        })
    }

    fn push_batches(
        &mut self,
        batches: Receiver<Result<Vec<Piece>>>,
        tokenizer: &Tokenizer,
        separator: Option<u32>,
        mut progress: impl FnMut(u64, u64, u64),
    ) -> Result<()> {
        let encoders: Vec<_> =
            (0..rayon::current_num_threads()).map(|_| Mutex::new(tokenizer.encoder())).collect();
        for batch in batches {
            let batch = batch?;
            let Some(last) = batch.last() else { break };
            let bytes = last.bytes_read;
            let encoded: Vec<Vec<u32>> =
                batch.par_iter().map(|piece| encode(&piece.text, &encoders)).collect::<Result<_>>()?;
            for (piece, ids) in batch.iter().zip(encoded) {
                self.push(&ids)?;
                if piece.ends_document {
                    self.push(separator.as_slice())?;
                    self.end_document()?;
                }
            }
            progress(bytes, self.tokens(), self.documents());
        }
        Ok(())
    }
}

/// The ids of a text, by the encoder of this thread.
fn encode(text: &str, encoders: &[Mutex<Encoder>]) -> Result<Vec<u32>> {
    let thread = rayon::current_thread_index().unwrap_or(0);
    let mut ids = Vec::with_capacity(text.len() / 3);
    encoders[thread].lock().expect("no encoder panics").encode(text, &mut ids)?;
    Ok(ids)
}

/// Takes pieces until there is enough text for a batch; empty at the end.
fn batch(pieces: &mut impl Iterator<Item = Result<Piece>>) -> Result<Vec<Piece>> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while bytes < BATCH
        && let Some(piece) = pieces.next()
    {
        let piece = piece?;
        bytes += piece.text.len();
        batch.push(piece);
    }
    Ok(batch)
}

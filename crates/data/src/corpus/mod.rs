//! Files of text as documents.

mod cut;
mod decompress;
mod files;
mod lines;
mod pending;
mod pieces;

use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;

use tercet_tokenizer::{Fingerprint, Tokenizer, Training};

use crate::Result;
use files::SourceFile;
pub use pieces::{Piece, Pieces};

/// Where a text file is cut into documents. Of a JSON lines file, each line is a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentSplit {
    /// Nowhere: a file is one document, to the last byte.
    #[default]
    File,
    /// At lines with nothing but white space.
    BlankLines,
    /// At every line end.
    Lines,
    /// Before headings between single equals signs, `= Title =`, as in WikiText; those of sections have more of them.
    Headings,
    /// At lines that hold this text alone, such as `<|endoftext|>`.
    Marker(String),
}

/// Text in files: plain (`.txt`, `.md`, …) or JSON lines (`.jsonl`, `.ndjson`, `.json`) with a field `text`, each also
/// under gzip or Zstandard.
///
/// Documents of nothing but white space are left out. Files are read as streams, never whole.
///
/// ```
/// use tercet_data::{Corpus, DocumentSplit};
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("tales.txt"), "A tale.\n\nAnother\ntale.\n")?;
///
/// let corpus = Corpus::open(&[folder.path()], DocumentSplit::BlankLines)?;
/// let texts: Vec<String> = corpus.documents().collect::<Result<_, _>>()?;
/// assert_eq!(texts, ["A tale.", "Another\ntale.\n"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Corpus {
    files: Vec<SourceFile>,
    split: DocumentSplit,
}

impl Corpus {
    /// Finds the files of paths, folders (with all below them) and patterns such as `part-*.jsonl.gz`.
    ///
    /// # Errors
    /// When one of them is missing, or holds no text files.
    pub fn open<P: AsRef<Path>>(inputs: &[P], split: DocumentSplit) -> Result<Self> {
        let mut files = Vec::new();
        for input in inputs {
            files.extend(files::find(input.as_ref())?);
        }
        Ok(Self { files, split })
    }

    /// The files in the order in which they are read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// How many bytes the files take on disk.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The documents in pieces of bounded size.
    pub fn pieces(&self) -> Pieces {
        Pieces::new(self)
    }

    /// The documents as whole texts.
    pub fn documents(&self) -> impl Iterator<Item = Result<String>> + use<> {
        let mut pieces = self.pieces();
        std::iter::from_fn(move || {
            let mut document = String::new();
            loop {
                match pieces.next()? {
                    Ok(piece) => {
                        document += &piece.text;
                        if piece.ends_document {
                            return Some(Ok(document));
                        }
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// Trains a tokenizer on all the text. `progress` is told how many bytes of [`bytes`](Self::bytes) have been read.
    ///
    /// # Errors
    /// When a file cannot be read, or the training fails.
    pub fn train_tokenizer(
        &self,
        training: &Training,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<Tokenizer> {
        let failure = Mutex::new(None);
        let texts = self.pieces().map_while(|piece| match piece {
            Ok(piece) => {
                progress(piece.bytes_read);
                Some(piece.text)
            }
            Err(error) => {
                *failure.lock().expect("held for an assignment only") = Some(error);
                None
            }
        });
        let trained = training.run(texts);
        match failure.into_inner().expect("held for an assignment only") {
            Some(error) => Err(error),
            None => Ok(trained?),
        }
    }

    /// A hash of where the text is, how long and how old each file is, and how it is cut into documents.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut about = format!("{:?}\n", self.split);
        for SourceFile { path, bytes, modified, .. } in &self.files {
            let path = path.canonicalize().unwrap_or_else(|_| path.clone());
            writeln!(about, "{path:?} {bytes} {modified}").expect("a string grows");
        }
        Fingerprint::of(about.as_bytes())
    }
}

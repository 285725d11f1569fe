//! Token ids on disk.

mod build;
mod header;
mod view;
mod writer;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tercet_kernels::mmap::MappedFile;
use tercet_tokenizer::{Fingerprint, Tokenizer};

use crate::{Error, Result};
pub use build::Progress;
use header::{BLOCK, HEADER, Header, Layout};
pub use view::View;
pub use writer::StoreWriter;

/// The ids of a corpus and where its documents end, in a memory-mapped file.
///
/// Opening reads the header and the table of checksums alone, so it takes no time for any size. Each block of 256 KiB
/// is checked when it is first read; [`verify`](Self::verify) checks all. Clones share the file.
#[derive(Clone, Debug)]
pub struct TokenStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    file: MappedFile,
    header: Header,
    layout: Layout,
    /// Which blocks have been checked.
    checked: Vec<AtomicBool>,
}

impl TokenStore {
    /// Opens a store.
    ///
    /// # Errors
    /// When the file is no store, or was cut short, or its header or table of checksums is damaged.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = MappedFile::open(&path).map_err(Error::io(&path))?;
        let header = Header::read(&path, &file)?;
        let layout = header.layout().filter(|layout| layout.end == file.len() as u64);
        let Some(layout) = layout else {
            let expected =
                header.layout().map_or("more than any file can have".into(), |l| l.end.to_string());
            return Err(Error::Truncated { path, expected, found: file.len() as u64 });
        };
        let table = &file[layout.table as usize..];
        if crc32fast::hash(table) != header.table_crc {
            return Err(Error::Corrupt { path, what: "the checksum of its table of checksums".into() });
        }
        let checked = (0..table.len() / 4).map(|_| AtomicBool::new(false)).collect();
        Ok(Self(Arc::new(Shared { path, file, header, layout, checked })))
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// How many ids there are.
    pub fn tokens(&self) -> u64 {
        self.0.header.ids
    }

    /// How many documents there are.
    pub fn documents(&self) -> u64 {
        self.0.header.documents
    }

    /// The size of the vocabulary; every id is below it.
    pub fn vocab_size(&self) -> usize {
        self.0.header.vocab_size as usize
    }

    /// What the ids were made with.
    pub fn tokenizer(&self) -> Fingerprint {
        self.0.header.tokenizer
    }

    /// What the ids were made from.
    pub fn source(&self) -> Fingerprint {
        self.0.header.source
    }

    /// Checks that this tokenizer made the ids.
    ///
    /// # Errors
    /// When another one did.
    pub fn check_tokenizer(&self, tokenizer: &Tokenizer) -> Result<()> {
        let (expected, found) = (tokenizer.fingerprint(), self.tokenizer());
        if expected != found {
            return Err(Error::OtherTokenizer { path: self.0.path.clone(), expected, found });
        }
        Ok(())
    }

    /// Appends the ids of a range to `ids`.
    ///
    /// # Errors
    /// When a block that the range touches is damaged.
    ///
    /// # Panics
    /// When the range goes beyond the store.
    pub fn read(&self, range: Range<u64>, ids: &mut Vec<u32>) -> Result<()> {
        let Header { ids: count, id_bytes, vocab_size, .. } = self.0.header;
        assert!(range.start <= range.end && range.end <= count, "ids {range:?} of a store of {count}");
        let id_bytes = u64::from(id_bytes);
        let bytes =
            self.checked(HEADER as u64 + range.start * id_bytes..HEADER as u64 + range.end * id_bytes)?;
        let first = ids.len();
        if id_bytes == 2 {
            ids.extend(bytes.as_chunks().0.iter().map(|&id| u32::from(u16::from_le_bytes(id))));
        } else {
            ids.extend(bytes.as_chunks().0.iter().map(|&id| u32::from_le_bytes(id)));
        }
        match ids[first..].iter().find(|&&id| u64::from(id) >= vocab_size) {
            Some(id) => Err(self.corrupt(format!("id {id} in a vocabulary of {vocab_size}"))),
            None => Ok(()),
        }
    }

    /// The range of ids of a document, its separator included.
    ///
    /// # Errors
    /// When the block that holds the document's place is damaged.
    ///
    /// # Panics
    /// When there are not so many documents.
    pub fn document(&self, index: u64) -> Result<Range<u64>> {
        let start = if index == 0 { 0 } else { self.document_end(index - 1)? };
        let end = self.document_end(index)?;
        if start > end || end > self.tokens() {
            return Err(self.corrupt(format!("document {index} covers ids {start} to {end}")));
        }
        Ok(start..end)
    }

    fn document_end(&self, index: u64) -> Result<u64> {
        assert!(index < self.documents(), "document {index} of a store of {}", self.documents());
        let at = self.0.layout.documents + index * 8;
        let bytes = self.checked(at..at + 8)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
    }

    /// The whole store as a view.
    pub fn view(&self) -> View {
        View::whole(self.clone())
    }

    /// Checks every byte and every document.
    ///
    /// # Errors
    /// When anything is not as it was written.
    pub fn verify(&self) -> Result<()> {
        self.checked(HEADER as u64..self.0.layout.table)?;
        let mut end = 0;
        for index in 0..self.documents() {
            end = self.document(index)?.end;
        }
        if end != self.tokens() {
            return Err(self.corrupt(format!("documents end at id {end} of {}", self.tokens())));
        }
        let mut ids = Vec::new();
        for start in (0..self.tokens()).step_by(1 << 16) {
            ids.clear();
            self.read(start..self.tokens().min(start + (1 << 16)), &mut ids)?;
        }
        Ok(())
    }

    /// These bytes of the file, after the checksums of the blocks that they lie in were found right.
    fn checked(&self, bytes: Range<u64>) -> Result<&[u8]> {
        let body = HEADER as u64;
        let Shared { file, layout, checked, .. } = &*self.0;
        for block in (bytes.start - body) / BLOCK..(bytes.end - body).div_ceil(BLOCK) {
            let done = &checked[block as usize];
            if done.load(Ordering::Relaxed) {
                continue;
            }
            let content = body + block * BLOCK..layout.table.min(body + (block + 1) * BLOCK);
            let entry = (layout.table + block * 4) as usize;
            let expected = u32::from_le_bytes(file[entry..entry + 4].try_into().expect("4 bytes"));
            if crc32fast::hash(&file[content.start as usize..content.end as usize]) != expected {
                let what = format!("the checksum of bytes {} to {}", content.start, content.end);
                return Err(self.corrupt(what));
            }
            done.store(true, Ordering::Relaxed);
        }
        Ok(&file[bytes.start as usize..bytes.end as usize])
    }

    fn corrupt(&self, what: String) -> Error {
        Error::Corrupt { path: self.0.path.clone(), what }
    }
}

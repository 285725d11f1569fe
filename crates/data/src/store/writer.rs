use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use tempfile::NamedTempFile;
use tercet_tokenizer::Fingerprint;

use super::TokenStore;
use super::header::{BLOCK, HEADER, Header};
use crate::{Error, Result};

/// Writes a token store document by document; it comes into being when [`finish`](Self::finish) is called.
///
/// Until then the store is a hidden file beside its place, which a kill leaves behind and the next writer of the same
/// store removes.
///
/// ```
/// use tercet_data::StoreWriter;
/// use tercet_tokenizer::Fingerprint;
///
/// let folder = tempfile::tempdir()?;
/// let hash = Fingerprint::of(b"made by hand");
/// let mut writer = StoreWriter::create(folder.path().join("numbers.ids"), 100, hash, hash)?;
/// writer.push_document(&[1, 2, 3])?;
/// writer.push_document(&[4, 5])?;
/// let store = writer.finish()?;
/// assert_eq!((store.tokens(), store.documents()), (5, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StoreWriter {
    path: PathBuf,
    body: Checksummed<BufWriter<NamedTempFile>>,
    /// The ends of the documents, until they can follow the ids.
    ends: BufWriter<File>,
    header: Header,
    bytes: Vec<u8>,
}

impl StoreWriter {
    /// Begins a store at `path` for ids of a vocabulary of `vocab_size`, kept in two bytes where they fit.
    ///
    /// `tokenizer` and `source` say what the ids were made with and from.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(
        path: impl Into<PathBuf>,
        vocab_size: usize,
        tokenizer: Fingerprint,
        source: Fingerprint,
    ) -> Result<Self> {
        let path = path.into();
        let id_bytes = if vocab_size <= 1 << 16 { 2 } else { 4 };
        let header = Header {
            id_bytes,
            vocab_size: vocab_size as u64,
            ids: 0,
            documents: 0,
            tokenizer,
            source,
            table_crc: 0,
        };
        let (body, ends) = begin(&path).map_err(Error::io(&path))?;
        Ok(Self { path, body: Checksummed::new(body), ends, header, bytes: Vec::new() })
    }

    /// Appends ids to the current document.
    ///
    /// # Errors
    /// When an id is not in the vocabulary, or the disk is full.
    pub fn push(&mut self, ids: &[u32]) -> Result<()> {
        let vocab_size = self.header.vocab_size;
        if let Some(&id) = ids.iter().find(|&&id| u64::from(id) >= vocab_size) {
            return Err(Error::Id { id, vocab_size });
        }
        self.bytes.clear();
        if self.header.id_bytes == 2 {
            self.bytes.extend(ids.iter().flat_map(|&id| (id as u16).to_le_bytes()));
        } else {
            self.bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
        }
        self.body.write_all(&self.bytes).map_err(Error::io(&self.path))?;
        self.header.ids += ids.len() as u64;
        Ok(())
    }

    /// Ends the current document.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn end_document(&mut self) -> Result<()> {
        self.header.documents += 1;
        self.ends.write_all(&self.header.ids.to_le_bytes()).map_err(Error::io(&self.path))
    }

    /// Appends a whole document.
    ///
    /// # Errors
    /// When an id is not in the vocabulary, or the disk is full.
    pub fn push_document(&mut self, ids: &[u32]) -> Result<()> {
        self.push(ids)?;
        self.end_document()
    }

    /// How many ids have been written.
    pub fn tokens(&self) -> u64 {
        self.header.ids
    }

    /// How many documents have been ended.
    pub fn documents(&self) -> u64 {
        self.header.documents
    }

    /// Puts the store in its place, whole, and opens it.
    ///
    /// # Errors
    /// When the disk is full, or the file cannot be put in its place.
    pub fn finish(self) -> Result<TokenStore> {
        let path = self.path.clone();
        self.complete().map_err(Error::io(&path))?;
        TokenStore::open(path)
    }

    fn complete(mut self) -> std::io::Result<()> {
        let unaligned = self.header.ids * u64::from(self.header.id_bytes) % 8;
        self.body.write_all(&[0; 8][..(8 - unaligned as usize) % 8])?;
        let mut ends = self.ends.into_inner().map_err(|e| e.into_error())?;
        ends.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut BufReader::new(ends), &mut self.body)?;

        let (mut file, table) = self.body.finish();
        self.header.table_crc = crc32fast::hash(&table);
        file.write_all(&table)?;
        let mut file = file.into_inner().map_err(|e| e.into_error())?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&self.header.to_bytes())?;
        file.as_file().sync_all()?;
        let folder = folder(&self.path);
        file.persist(&self.path)?;
        // The rename itself lasts only once the folder is on the disk; not every system can open one.
        File::open(folder).and_then(|folder| folder.sync_all()).or(Ok(()))
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens a locked file beside `path` with room for a header, and a nameless one for the documents' ends.
fn begin(path: &Path) -> std::io::Result<(BufWriter<NamedTempFile>, BufWriter<File>)> {
    let folder = folder(path);
    fs::create_dir_all(folder)?;
    let name = path.file_name().ok_or(std::io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let prefix = format!(".{name}.partial-");
    remove_abandoned(folder, &prefix)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    // As any other new file; a temporary one would be for its owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    // Where files cannot be locked, nothing of the kind is ever removed.
    let _ = file.as_file().lock();
    file.write_all(&[0; HEADER])?;
    let ends = tempfile::tempfile_in(folder)?;
    Ok((BufWriter::with_capacity(1 << 20, file), BufWriter::with_capacity(1 << 16, ends)))
}

/// Removes what killed writers have left: files of their kind that no living process holds locked.
fn remove_abandoned(folder: &Path, prefix: &str) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
        if ours && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Passes bytes on and keeps the checksum of every block of them.
#[derive(Debug)]
struct Checksummed<W> {
    inner: W,
    block: Hasher,
    in_block: usize,
    table: Vec<u8>,
}

impl<W: Write> Checksummed<W> {
    fn new(inner: W) -> Self {
        Self { inner, block: Hasher::new(), in_block: 0, table: Vec::new() }
    }

    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        self.table.extend(block.finalize().to_le_bytes());
        self.in_block = 0;
    }

    fn finish(mut self) -> (W, Vec<u8>) {
        if self.in_block > 0 {
            self.end_block();
        }
        (self.inner, self.table)
    }
}

impl<W: Write> Write for Checksummed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = BLOCK as usize - self.in_block;
        let n = self.inner.write(&bytes[..bytes.len().min(room)])?;
        self.block.update(&bytes[..n]);
        self.in_block += n;
        if self.in_block == BLOCK as usize {
            self.end_block();
        }
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

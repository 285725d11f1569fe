use std::path::Path;

use tercet_tokenizer::Fingerprint;

use crate::{Error, Result};

pub(super) const HEADER: usize = 256;
/// The file after the header is checked in blocks of this size.
pub(super) const BLOCK: u64 = 1 << 18;
const MAGIC: &[u8; 8] = b"tercetID";
const VERSION: u32 = 1;

/// The first 256 bytes of a token store, little-endian, unused bytes zero:
///
/// | byte | what |
/// | --- | --- |
/// | 0 | magic `tercetID` |
/// | 8 | u32 version |
/// | 12 | u32 bytes of an id, 2 or 4 |
/// | 16 | u64 size of the vocabulary |
/// | 24 | u64 number of ids |
/// | 32 | u64 number of documents |
/// | 40 | fingerprint of the tokenizer |
/// | 72 | fingerprint of the source |
/// | 104 | u32 CRC-32 of the table of checksums |
/// | 252 | u32 CRC-32 of bytes 0 to 251 |
///
/// Then come the ids, zeros up to a multiple of 8 bytes, a u64 for each document (the number of ids up to its end), and
/// the table: a u32 CRC-32 for each 256 KiB of what lies between the header and the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub id_bytes: u32,
    pub vocab_size: u64,
    pub ids: u64,
    pub documents: u64,
    pub tokenizer: Fingerprint,
    pub source: Fingerprint,
    pub table_crc: u32,
}

/// Where the parts of a file lie that follow the header, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub documents: u64,
    pub table: u64,
    pub end: u64,
}

impl Header {
    /// Where the parts lie, or `None` if that is beyond any file.
    pub fn layout(&self) -> Option<Layout> {
        let ids = self.ids.checked_mul(self.id_bytes.into())?;
        let documents = ids.checked_add(HEADER as u64)?.checked_next_multiple_of(8)?;
        let table = self.documents.checked_mul(8)?.checked_add(documents)?;
        let blocks = (table - HEADER as u64).div_ceil(BLOCK);
        Some(Layout { documents, table, end: blocks.checked_mul(4)?.checked_add(table)? })
    }

    pub fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &self.id_bytes.to_le_bytes());
        put(16, &self.vocab_size.to_le_bytes());
        put(24, &self.ids.to_le_bytes());
        put(32, &self.documents.to_le_bytes());
        put(40, &self.tokenizer.0);
        put(72, &self.source.0);
        put(104, &self.table_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..252]);
        bytes[252..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of the store at `path`.
    pub fn read(path: &Path, file: &[u8]) -> Result<Self> {
        let not_a_store =
            |expected: String, found: String| Error::NotAStore { path: path.to_owned(), expected, found };
        let Some(bytes) = file.first_chunk::<HEADER>() else {
            return Err(not_a_store(format!("a header of {HEADER} bytes"), format!("{} bytes", file.len())));
        };
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let hash_at = |at: usize| Fingerprint(bytes[at..at + 32].try_into().expect("32 bytes"));
        if &bytes[..8] != MAGIC {
            let text = |bytes: &[u8]| format!("{:?}", String::from_utf8_lossy(bytes));
            return Err(not_a_store(format!("a file that begins with {}", text(MAGIC)), text(&bytes[..8])));
        }
        if u32_at(8) != VERSION {
            return Err(not_a_store(format!("version {VERSION}"), format!("version {}", u32_at(8))));
        }
        if u32_at(252) != crc32fast::hash(&bytes[..252]) || !matches!(u32_at(12), 2 | 4) {
            return Err(Error::Corrupt { path: path.to_owned(), what: "the checksum of its header".into() });
        }
        Ok(Self {
            id_bytes: u32_at(12),
            vocab_size: u64_at(16),
            ids: u64_at(24),
            documents: u64_at(32),
            tokenizer: hash_at(40),
            source: hash_at(72),
            table_crc: u32_at(104),
        })
    }
}

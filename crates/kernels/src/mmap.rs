//! Files read through the page cache as if they were memory.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

/// A file mapped read-only and privately; dereferences to its bytes.
///
/// # Soundness
/// The bytes are those of the file, not a copy, so the file must not be changed or cut short while it is mapped. Map
/// only files that are written beside their final name and renamed into place, and never edited after: replacing such
/// a file by another rename leaves the mapped one whole.
#[derive(Debug)]
pub struct MappedFile(memmap2::Mmap);

impl MappedFile {
    /// Maps a whole file.
    ///
    /// # Errors
    /// When the file cannot be opened, or cannot be mapped: a folder, a pipe.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the file is open read-only and mapped privately, so nothing is written through the map, and files
        // that are mapped are never changed in place (see the type).
        unsafe { memmap2::Mmap::map(&file) }.map(Self)
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_file_is_its_bytes_also_after_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"old bytes").unwrap();
        let mapped = MappedFile::open(&path).unwrap();
        std::fs::write(folder.path().join("new"), b"new").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(&*mapped, b"old bytes");
        assert_eq!(&*MappedFile::open(&path).unwrap(), b"new");
        assert!(MappedFile::open(folder.path()).is_err());
    }
}

//! Files that are on the disk when they are said to be: checksums, fsync, safetensors in one pass.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::crc32c::Crc32c;

/// Size and checksum of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    pub bytes: u64,
    /// Eight hexadecimal digits.
    pub crc32c: String,
}

const CHUNK: usize = 1 << 16;

/// Reads a whole file for its digest.
pub(crate) fn digest(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let (mut crc, mut bytes, mut chunk) = (Crc32c::default(), 0, vec![0; 4 * CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(Digest { bytes, crc32c: format!("{:08x}", crc.value()) }),
            n => {
                crc.update(&chunk[..n]);
                bytes += n as u64;
            }
        }
    }
}

/// A new file that is summed while it is written.
struct Summed {
    file: BufWriter<File>,
    crc: Crc32c,
    bytes: u64,
}

impl Summed {
    fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::with_capacity(16 * CHUNK, File::create_new(path)?);
        Ok(Self { file, crc: Crc32c::default(), bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Waits until everything is on the disk.
    fn finish(self) -> io::Result<Digest> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(Digest { bytes: self.bytes, crc32c: format!("{:08x}", self.crc.value()) })
    }
}

/// Writes a small file.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> io::Result<Digest> {
    let mut file = Summed::create(path)?;
    file.write(bytes)?;
    file.finish()
}

/// A named array of f32 on its way into a file.
pub(crate) struct Array<'a> {
    pub name: String,
    pub shape: &'a [usize],
    pub values: &'a [f32],
}

/// Writes arrays as one safetensors file of f32, in the order given, with one pass over the values.
pub(crate) fn write_safetensors(path: &Path, arrays: &[Array]) -> io::Result<Digest> {
    let mut end = 0;
    let mut header = serde_json::Map::new();
    // Hugging Face's loaders insist on this entry.
    header.insert("__metadata__".into(), serde_json::json!({"format": "pt"}));
    for array in arrays {
        let start = end;
        end += size_of_val(array.values);
        let entry = serde_json::json!({"dtype": "F32", "shape": array.shape, "data_offsets": [start, end]});
        header.insert(array.name.clone(), entry);
    }
    let mut header = serde_json::to_vec(&header)?;
    // Padded with spaces, so that the data is aligned for whoever maps the file.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = Summed::create(path)?;
    file.write(&(header.len() as u64).to_le_bytes())?;
    file.write(&header)?;
    let mut bytes = Vec::with_capacity(CHUNK * size_of::<f32>());
    for chunk in arrays.iter().flat_map(|array| array.values.chunks(CHUNK)) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
        file.write(&bytes)?;
    }
    file.finish()
}

/// Waits until the names in a folder are on the disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    // Only on Unix is a folder a file that can be synchronised.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

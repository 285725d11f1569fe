//! Lines of UTF-8 with their numbers.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::decompress;
use crate::{Error, Result};

/// A line, or as much of a long one as was asked for.
pub(crate) struct Fragment<'a> {
    /// The text, with its line ending.
    pub text: &'a str,
    /// Whether the text begins a line.
    pub starts_line: bool,
    /// Whether the line ends with this text.
    pub ends_line: bool,
}

/// Reads a file line by line in bounded memory.
pub(crate) struct Lines {
    input: Box<dyn BufRead + Send>,
    path: PathBuf,
    /// The number of the current line, from 1.
    pub line: u64,
    /// Where `buffer` begins in the text.
    offset: u64,
    /// The last fragment, then the first bytes of a character that it cut.
    buffer: Vec<u8>,
    /// The length of the last fragment.
    given: usize,
    ended_line: bool,
}

impl Lines {
    pub fn open(path: &Path, read: Arc<AtomicU64>) -> Result<Self> {
        let input = decompress::open(path, read).map_err(Error::io(path))?;
        Ok(Self {
            input,
            path: path.to_owned(),
            line: 0,
            offset: 0,
            buffer: Vec::new(),
            given: 0,
            ended_line: true,
        })
    }

    /// The next line, or the next `most` bytes of it if it is longer; `None` at the end of the file.
    pub fn next(&mut self, most: usize) -> Result<Option<Fragment<'_>>> {
        self.buffer.drain(..self.given);
        self.offset += self.given as u64;
        let starts_line = self.ended_line;
        let room = (most - self.buffer.len()) as u64;
        let read = self.input.as_mut().take(room).read_until(b'\n', &mut self.buffer);
        let read = read.map_err(Error::io(&self.path))?;
        self.given = self.buffer.len();
        if self.given == 0 {
            return Ok(None);
        }
        self.line += u64::from(starts_line);
        self.ended_line = self.buffer.ends_with(b"\n") || (read as u64) < room;
        if let Err(error) = std::str::from_utf8(&self.buffer) {
            let cut_character = error.error_len().is_none() && !self.ended_line;
            if !cut_character {
                let offset = self.offset + error.valid_up_to() as u64;
                return Err(Error::NotUtf8 { path: self.path.clone(), line: self.line, offset });
            }
            self.given = error.valid_up_to();
        }
        let text = std::str::from_utf8(&self.buffer[..self.given]).expect("checked above");
        Ok(Some(Fragment { text, starts_line, ends_line: self.ended_line }))
    }
}

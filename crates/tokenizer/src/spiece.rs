//! The few fields of a SentencePiece model that decide ids: a small reader of protobuf's wire format.

use std::fs;
use std::path::Path;

use crate::{Error, Result};

/// A `spiece.model`: `ModelProto` of sentencepiece_model.proto.
#[derive(Debug, Default)]
pub(crate) struct Spiece {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) byte_fallback: bool,
    /// The rules of the normaliser, compiled; empty where it changes nothing.
    pub(crate) charsmap: Vec<u8>,
}

/// An entry of the vocabulary.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) score: f32,
    pub(crate) kind: Kind,
}

/// What an entry is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Normal,
    Unknown,
    Control,
    UserDefined,
}

impl Spiece {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io(path))?;
        Self::parse(&bytes).map_err(|found| {
            Error::format(path, format!("expected a SentencePiece Unigram model, found {found}"))
        })
    }

    /// What is wrong, where it is not such a model.
    fn parse(bytes: &[u8]) -> Parsed<Self> {
        let mut model = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, Wire::Bytes(piece)) => model.pieces.push(Piece::parse(piece)?),
                (2, Wire::Bytes(trainer)) => model.read_trainer(trainer)?,
                (3, Wire::Bytes(normalizer)) => model.read_normalizer(normalizer)?,
                _ => {}
            }
        }
        match model.pieces.iter().filter(|piece| piece.kind == Kind::Unknown).count() {
            1 => Ok(model),
            found => Err(format!("{} pieces, {found} of them for the unknown", model.pieces.len())),
        }
    }

    /// `TrainerSpec`.
    fn read_trainer(&mut self, bytes: &[u8]) -> Parsed<()> {
        for field in Fields::new(bytes) {
            match field? {
                (3, Wire::Number(kind)) if kind != 1 => {
                    let name = ["", "Unigram", "BPE", "word", "character"].get(kind as usize);
                    return Err(format!("a model of type {kind} ({})", name.unwrap_or(&"unknown")));
                }
                (35, Wire::Number(yes)) => self.byte_fallback = yes != 0,
                _ => {}
            }
        }
        Ok(())
    }

    /// `NormalizerSpec`.
    fn read_normalizer(&mut self, bytes: &[u8]) -> Parsed<()> {
        for field in Fields::new(bytes) {
            match field? {
                (2, Wire::Bytes(charsmap)) => self.charsmap = charsmap.to_vec(),
                (3, Wire::Number(0)) => return Err("a normaliser without dummy prefix".into()),
                (4, Wire::Number(0)) => return Err("a normaliser that keeps extra white space".into()),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Piece {
    /// `SentencePiece`.
    fn parse(bytes: &[u8]) -> Parsed<Self> {
        let mut piece = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, Wire::Bytes(text)) => {
                    let text =
                        std::str::from_utf8(text).map_err(|e| format!("a piece that is not UTF-8: {e}"))?;
                    piece.text = text.to_owned();
                }
                (2, Wire::Float(score)) => piece.score = score,
                (3, Wire::Number(kind)) => {
                    piece.kind = match kind {
                        2 => Kind::Unknown,
                        3 => Kind::Control,
                        4 => Kind::UserDefined,
                        _ => Kind::Normal,
                    }
                }
                _ => {}
            }
        }
        Ok(piece)
    }
}

type Parsed<T> = std::result::Result<T, String>;

/// A value of protobuf's wire format.
enum Wire<'a> {
    Number(u64),
    Float(f32),
    Bytes(&'a [u8]),
    /// Eight bytes, which no field that is read has.
    Double,
}

/// The fields of a message: numbers and values.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, count: u64) -> Parsed<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        let taken = taken.ok_or_else(|| {
            format!("a field of {count} bytes where {} are left (byte {})", rest.len(), self.at)
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn number(&mut self) -> Parsed<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(format!("a number of more than ten bytes (byte {})", self.at))
    }

    fn field(&mut self) -> Parsed<(u64, Wire<'a>)> {
        let start = self.at;
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Wire::Number(self.number()?),
            1 => self.take(8).map(|_| Wire::Double)?,
            2 => {
                let count = self.number()?;
                Wire::Bytes(self.take(count)?)
            }
            5 => Wire::Float(f32::from_le_bytes(self.take(4)?.try_into().expect("four bytes"))),
            other => return Err(format!("wire type {other} at byte {start}, which protobuf does not have")),
        };
        Ok((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Parsed<(u64, Wire<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.bytes.len()).then(|| {
            let field = self.field();
            if field.is_err() {
                self.at = self.bytes.len();
            }
            field
        })
    }
}

//! TensorBoard event files: scalars and texts as length-framed protobuf records.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::crc32c::Crc32c;

/// Writes one event file, which TensorBoard shows beside the others of its folder.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let mut board = tercet_train::EventFile::create(folder.path(), 0)?;
/// board.scalar("loss/train", 1, 4.2)?;
/// board.flush()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct EventFile {
    file: BufWriter<File>,
}

impl EventFile {
    /// Starts a new event file in `folder`, which is made if needed. Whatever earlier files of the folder say of
    /// steps from `first_step` on is hidden by TensorBoard: a resumed run draws one line.
    ///
    /// # Errors
    /// If the folder or the file cannot be made.
    pub fn create(folder: &Path, first_step: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let seconds = now() as u64;
        let file = (0..)
            .map(|k| {
                folder.join(format!("events.out.tfevents.{seconds:010}.tercet.{}.{k}", std::process::id()))
            })
            .map(File::create_new)
            .find(|made| !matches!(made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists))
            .expect("the counter has no end")?;
        let mut events = Self { file: BufWriter::new(file) };
        events.event(0, |event| event.bytes(field::FILE_VERSION, b"brain.Event:2"))?;
        events.event(first_step, |event| {
            event.message(field::SESSION_LOG, |log| log.varint(field::SESSION_STATUS, SESSION_START));
        })?;
        events.flush()?;
        Ok(events)
    }

    /// Adds one point to the curve `tag`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> io::Result<()> {
        self.summary(tag, step, |summary| summary.float(field::SIMPLE_VALUE, value as f32))
    }

    /// Adds a text, such as a generated sample, to the text tab.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn text(&mut self, tag: &str, step: u64, text: &str) -> io::Result<()> {
        self.summary(tag, step, |summary| {
            summary.message(field::METADATA, |metadata| {
                metadata.message(field::PLUGIN_DATA, |plugin| plugin.bytes(field::PLUGIN_NAME, b"text"));
            });
            summary.message(field::TENSOR, |tensor| {
                tensor.varint(field::DTYPE, DT_STRING);
                tensor.message(field::TENSOR_SHAPE, |_scalar| {});
                tensor.bytes(field::STRING_VAL, text.as_bytes());
            });
        })
    }

    /// Hands everything written so far to the operating system.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn summary(&mut self, tag: &str, step: u64, value: impl FnOnce(&mut Message)) -> io::Result<()> {
        self.event(step, |event| {
            event.message(field::SUMMARY, |summary| {
                summary.message(field::SUMMARY_VALUE, |entry| {
                    entry.bytes(field::TAG, tag.as_bytes());
                    value(entry);
                });
            });
        })
    }

    fn event(&mut self, step: u64, what: impl FnOnce(&mut Message)) -> io::Result<()> {
        let mut event = Message::default();
        event.double(field::WALL_TIME, now());
        event.varint(field::STEP, step);
        what(&mut event);
        write_record(&mut self.file, &event.0)
    }
}

/// One record of a TFRecord file: length, checksum of the length, data, checksum of the data.
fn write_record(file: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let length = (data.len() as u64).to_le_bytes();
    file.write_all(&length)?;
    file.write_all(&masked(&length).to_le_bytes())?;
    file.write_all(data)?;
    file.write_all(&masked(data).to_le_bytes())
}

/// The checksum as TFRecord stores it: rotated and shifted, so that a record inside a record is not mistaken.
fn masked(bytes: &[u8]) -> u32 {
    Crc32c::of(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Field numbers of TensorFlow's event.proto, summary.proto and tensor.proto.
mod field {
    pub const WALL_TIME: u64 = 1;
    pub const STEP: u64 = 2;
    pub const FILE_VERSION: u64 = 3;
    pub const SUMMARY: u64 = 5;
    pub const SESSION_LOG: u64 = 7;
    pub const SESSION_STATUS: u64 = 1;
    pub const SUMMARY_VALUE: u64 = 1;
    pub const TAG: u64 = 1;
    pub const SIMPLE_VALUE: u64 = 2;
    pub const TENSOR: u64 = 8;
    pub const METADATA: u64 = 9;
    pub const PLUGIN_DATA: u64 = 1;
    pub const PLUGIN_NAME: u64 = 1;
    pub const DTYPE: u64 = 1;
    pub const TENSOR_SHAPE: u64 = 2;
    pub const STRING_VAL: u64 = 8;
}

const SESSION_START: u64 = 1;
const DT_STRING: u64 = 7;

/// A protobuf message under construction; the low three bits of each key are the wire type.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.raw_varint(field << 3);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.raw_varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.raw_varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.raw_varint(field << 3 | 2);
        self.raw_varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u64, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(field, &inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, masked};

    /// The known answer is the header of every TFRecord whose data is 24 bytes long, as TensorFlow writes it.
    #[test]
    fn the_length_checksum_is_tensorflows() {
        assert_eq!(masked(&24u64.to_le_bytes()).to_le_bytes(), [0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn a_varint_over_one_byte_is_little_endian_groups_of_seven() {
        let mut message = Message::default();
        message.varint(2, 300);
        assert_eq!(message.0, [0x10, 0xAC, 0x02]);
    }
}

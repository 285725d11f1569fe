use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorView};

use crate::error::Error;
use crate::params::Params;

/// A header larger than this is not believed: safetensors itself draws the line here.
const MAX_HEADER: u64 = 100_000_000;
/// Bytes read at a time while converting a tensor.
const READ: usize = 1 << 20;

/// Weights on disk in the safetensors format: one file, or the shards named by `model.safetensors.index.json`.
///
/// Opening reads the headers alone; each tensor is read and converted to f32 straight into the flat buffer.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    tensors: BTreeMap<String, Location>,
}

#[derive(Debug)]
struct Location {
    file: PathBuf,
    dtype: Dtype,
    shape: Vec<usize>,
    /// First byte in the file.
    start: u64,
}

/// What to do about a parameter that the checkpoint does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMissing {
    /// Refuse the checkpoint.
    Fail,
    /// Draw its initial value: a new head on a pretrained model.
    Init {
        /// Seed of the draw.
        seed: u64,
    },
}

/// Names on which a checkpoint and a model disagreed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters of the model that the checkpoint does not hold.
    pub missing: Vec<String>,
    /// Tensors of the checkpoint that the model has no place for.
    pub unexpected: Vec<String>,
}

impl Weights {
    /// Opens a `.safetensors` file, or a folder with `model.safetensors` or shards and their index.
    ///
    /// # Errors
    /// When there are no weights, or a header is cut off, malformed, or claims more bytes than the file has.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut tensors = BTreeMap::new();
        for file in files_of(path)? {
            read_header(&file, &mut tensors)?;
        }
        Ok(Self { path: path.to_owned(), tensors })
    }

    /// Names and shapes of the tensors, sorted.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, t)| (name.as_str(), t.shape.as_slice()))
    }

    /// Gives `params` the values of this checkpoint. `place` says which parameter a tensor of the file is: `None` for
    /// one that carries no weights of its own (a mask, a tied copy).
    ///
    /// # Errors
    /// When a shape or type does not fit, a file cannot be read, or something is missing under [`OnMissing::Fail`].
    /// `params` is unchanged then.
    pub fn load(
        &self,
        params: &Params,
        place: impl Fn(&str) -> Option<String>,
        on_missing: OnMissing,
    ) -> Result<LoadReport, Error> {
        let entries = params.entries();
        let index: HashMap<&str, usize> =
            entries.iter().enumerate().map(|(i, e)| (e.name.as_str(), i)).collect();
        let mut values = vec![0.0; params.len()];
        let mut found = vec![false; entries.len()];
        let mut report = LoadReport::default();
        for (name, location) in &self.tensors {
            let Some(wanted) = place(name) else { continue };
            let Some(&at) = index.get(wanted.as_str()) else {
                report.unexpected.push(name.clone());
                continue;
            };
            let entry = &entries[at];
            if entry.shape != location.shape {
                let (expected, found) = (entry.shape.clone(), location.shape.clone());
                return Err(Error::Shape {
                    path: location.file.clone(),
                    name: name.clone(),
                    expected,
                    found,
                });
            }
            location.read(name, &mut values[entry.range.clone()])?;
            found[at] = true;
        }
        for (entry, _) in entries.iter().zip(&found).filter(|(_, found)| !**found) {
            report.missing.push(entry.name.clone());
            if let OnMissing::Init { seed } = on_missing {
                entry.init.fill(seed, &entry.name, &mut values[entry.range.clone()]);
            }
        }
        if on_missing == OnMissing::Fail && !report.missing.is_empty() {
            return Err(Error::Missing { path: self.path.clone(), names: report.missing });
        }
        params.replace(values);
        Ok(report)
    }

    /// One tensor as f32.
    ///
    /// # Errors
    /// When it is not there, is not a float tensor or cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<f32>, Error> {
        let missing = || Error::Missing { path: self.path.clone(), names: vec![name.to_owned()] };
        let location = self.tensors.get(name).ok_or_else(missing)?;
        let mut values = vec![0.0; location.shape.iter().product()];
        location.read(name, &mut values)?;
        Ok(values)
    }
}

/// The weight files at `path`, which is a file or a folder.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let single = path.join("model.safetensors");
    if single.exists() {
        return Ok(vec![single]);
    }
    let index = path.join("model.safetensors.index.json");
    if !index.exists() {
        return Err(Error::NoWeights { path: path.to_owned() });
    }
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = std::fs::read(&index).map_err(|source| Error::Io { path: index.clone(), source })?;
    let parsed: Index = serde_json::from_slice(&text).map_err(|e| Error::Format {
        path: index.clone(),
        reason: format!("no weight_map of names to files: {e}"),
    })?;
    let mut files: Vec<String> = parsed.weight_map.into_values().collect();
    files.sort();
    files.dedup();
    if let Some(odd) = files.iter().find(|f| Path::new(f).components().count() != 1) {
        return Err(Error::Format {
            path: index,
            reason: format!("shard {odd:?} is not a file name of this folder"),
        });
    }
    Ok(files.into_iter().map(|f| path.join(f)).collect())
}

/// Reads and checks the header of one file against the length of the file.
fn read_header(path: &Path, tensors: &mut BTreeMap<String, Location>) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let format = |reason: String| Error::Format { path: path.to_owned(), reason };
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if length < 8 {
        return Err(format(format!("{length} bytes are too few for a header")));
    }
    let mut prefix = [0; 8];
    file.read_exact(&mut prefix).map_err(io)?;
    let header = u64::from_le_bytes(prefix);
    if header > MAX_HEADER || header > length - 8 {
        return Err(format(format!("the header claims {header} bytes, the file has {length}")));
    }
    let mut text = vec![0; header as usize];
    file.read_exact(&mut text).map_err(io)?;
    let metadata: Metadata =
        serde_json::from_slice(&text).map_err(|e| format(format!("malformed header: {e}")))?;
    let data = length - 8 - header;
    for (name, info) in metadata.tensors() {
        let (start, end) = info.data_offsets;
        let elements = info.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        let bytes = elements.and_then(|n| n.checked_mul(info.dtype.bitsize())).map(|bits| bits / 8);
        if start > end || end as u64 > data || bytes != Some(end - start) {
            let claim = format!("tensor {name} {:?} {:?} at bytes {start}..{end}", info.dtype, info.shape);
            return Err(format(format!("{claim} does not fit the {data} bytes of data in the file")));
        }
        let start = 8 + header + start as u64;
        tensors.insert(
            name,
            Location { file: path.into(), dtype: info.dtype, shape: info.shape.clone(), start },
        );
    }
    let expected = metadata.data_len() as u64;
    if expected != data {
        return Err(format(format!("the header describes {expected} bytes of data, the file has {data}")));
    }
    Ok(())
}

impl Location {
    fn read(&self, name: &str, out: &mut [f32]) -> Result<(), Error> {
        let io = |source| Error::Io { path: self.file.clone(), source };
        let convert = self.converter().ok_or_else(|| Error::Dtype {
            path: self.file.clone(),
            name: name.to_owned(),
            found: format!("{:?}", self.dtype),
        })?;
        let width = self.dtype.bitsize() / 8;
        let mut file = File::open(&self.file).map_err(io)?;
        file.seek(SeekFrom::Start(self.start)).map_err(io)?;
        let mut bytes = vec![0; READ.min(out.len() * width)];
        for chunk in out.chunks_mut(READ / width) {
            let bytes = &mut bytes[..chunk.len() * width];
            file.read_exact(bytes).map_err(io)?;
            for (value, bytes) in chunk.iter_mut().zip(bytes.chunks_exact(width)) {
                *value = convert(bytes);
            }
        }
        Ok(())
    }

    fn converter(&self) -> Option<fn(&[u8]) -> f32> {
        match self.dtype {
            Dtype::F32 => Some(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            Dtype::F16 => Some(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()),
            Dtype::BF16 => Some(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32()),
            Dtype::F64 => {
                Some(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            }
            _ => None,
        }
    }
}

/// Writes `params` as one safetensors file of f32, names sorted within their type as the format asks, and waits until
/// it is on the disk. `name` renames a parameter, or leaves it out with `None`.
///
/// # Errors
/// When the file cannot be written; what there is of it then is for the caller to remove.
pub fn save_safetensors(
    params: &Params,
    path: impl AsRef<Path>,
    name: impl Fn(&str) -> Option<String>,
) -> Result<(), Error> {
    let path = path.as_ref();
    let io = |source| Error::Io { path: path.to_owned(), source };
    let values = params.values();
    let bytes: &[u8] = bytemuck::cast_slice(&values);
    let entries = params.entries();
    let views = entries.iter().filter_map(|e| {
        let data = &bytes[e.range.start * 4..e.range.end * 4];
        let view =
            TensorView::new(Dtype::F32, e.shape.clone(), data).expect("a parameter's bytes fit its shape");
        Some((name(&e.name)?, view))
    });
    let format = Some(HashMap::from([("format".to_owned(), "pt".to_owned())]));
    safetensors::serialize_to_file(views, format, path).map_err(|e| match e {
        safetensors::SafeTensorError::IoError(source) => io(source),
        other => Error::Format { path: path.to_owned(), reason: other.to_string() },
    })?;
    File::open(path).and_then(|f| f.sync_all()).map_err(io)
}

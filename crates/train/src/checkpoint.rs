//! Checkpoints: folders that are complete or not there, load as Hugging Face models, and resume exactly.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tercet_tensor::{OnMissing, Params, Weights};

use crate::{
    disk::{self, Array, Digest},
    error::{Error, Failure},
    optimizer::Optimizer,
    state::State,
};

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const MANIFEST: &str = "manifest.json";

/// The last file written: size and checksum of all the others.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    files: BTreeMap<String, Digest>,
}

/// A checkpoint whose files were all found to be what its manifest says.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    state: State,
}

impl Checkpoint {
    /// Opens a checkpoint and compares every file with the manifest.
    ///
    /// # Errors
    /// When a file is missing or is not of the size and checksum that it was written with.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let manifest: Manifest = read_json(&path.join(MANIFEST))?;
        for name in [MODEL, OPTIMIZER, STATE] {
            if !manifest.files.contains_key(name) {
                let reason = format!("the manifest does not list {name}");
                return Err(Error::Format { path: path.join(MANIFEST), reason });
            }
        }
        for (name, expected) in &manifest.files {
            let file = path.join(name);
            let found = disk::digest(&file).map_err(Error::io(&file))?;
            if found != *expected {
                let (expected, found) = (describe(expected), describe(&found));
                return Err(Error::Damaged { path: file, expected, found });
            }
        }
        let state: State = read_json(&path.join(STATE))?;
        if state.version != State::VERSION {
            let reason =
                format!("a state of version {}, this program reads {}", state.version, State::VERSION);
            return Err(Error::Format { path: path.join(STATE), reason });
        }
        Ok(Self { path, state })
    }

    /// The folder, which is also a model folder for Hugging Face's loaders.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the run stood.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Gives the parameters and the optimiser the values they had.
    ///
    /// # Errors
    /// When the files do not hold exactly the parameters of this model; nothing is changed then.
    pub fn restore(&self, params: &Params, optimizer: &mut Optimizer) -> Result<(), Error> {
        let file = Weights::open(self.path.join(OPTIMIZER))?;
        let mut moments = Vec::new();
        for moment in optimizer.moments() {
            let saved = file.read(&moment.name)?;
            if saved.len() != moment.values.len() {
                let (name, found, expected) = (moment.name, saved.len(), moment.values.len());
                let reason = format!("{name} has {found} floats, not {expected}");
                return Err(Error::Format { path: self.path.join(OPTIMIZER), reason });
            }
            moments.push(saved);
        }
        let model = Weights::open(self.path.join(MODEL))?;
        let report = model.load(params, |name| Some(name.to_owned()), OnMissing::Fail)?;
        if !report.unexpected.is_empty() {
            let path = self.path.join(MODEL);
            return Err(tercet_tensor::Error::Unexpected { path, names: report.unexpected }.into());
        }
        optimizer.restore(moments, self.state.optimizer_steps);
        Ok(())
    }
}

/// The folder of a run's checkpoints, `step-000100`, `step-000200`, …
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

/// What [`Checkpoints::latest`] came upon.
#[derive(Debug)]
pub struct Latest {
    /// The newest checkpoint that is whole.
    pub checkpoint: Option<Checkpoint>,
    /// The newer ones that are not, and why.
    pub damaged: Vec<(u64, Error)>,
}

impl Checkpoints {
    /// The checkpoints in `folder`, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the checkpoint of a step is or would be.
    pub fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:06}"))
    }

    /// The steps that there are checkpoints of, in order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn steps(&self) -> Result<Vec<u64>, Error> {
        let step = |name: &str| name.strip_prefix("step-")?.parse().ok();
        let mut steps: Vec<u64> = names(&self.folder)?.iter().filter_map(|name| step(name)).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// The newest whole checkpoint, and the damaged ones that were passed over to reach it.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn latest(&self) -> Result<Latest, Error> {
        let mut damaged = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            match Checkpoint::open(self.path(step)) {
                Ok(checkpoint) => return Ok(Latest { checkpoint: Some(checkpoint), damaged }),
                Err(error) => damaged.push((step, error)),
            }
        }
        Ok(Latest { checkpoint: None, damaged })
    }

    /// Writes a checkpoint: first beside its place, on the disk to the last byte, then renamed into it, so that a
    /// kill at any moment leaves a whole checkpoint or none. `model_files` adds what makes the folder a model:
    /// config.json and the tokenizer's files.
    ///
    /// # Errors
    /// When something cannot be written; nothing of the checkpoint stays then.
    pub fn save(
        &self,
        state: &State,
        params: &Params,
        optimizer: &Optimizer,
        model_files: &mut dyn FnMut(&Path) -> Result<(), Failure>,
    ) -> Result<PathBuf, Error> {
        let path = self.path(state.step);
        let partial = self.folder.join(format!(".step-{:06}.partial", state.step));
        let written = fs::create_dir_all(&self.folder)
            .and_then(|()| remove_if_there(&partial))
            .and_then(|()| fs::create_dir(&partial))
            .map_err(Failure::from)
            .and_then(|()| model_files(&partial))
            .and_then(|()| write(&partial, state, params, optimizer).map_err(Failure::from))
            .and_then(|()| Ok(self.move_into_place(&partial, state.step)?));
        match written {
            Ok(()) => Ok(path),
            Err(source) => {
                // The first failure is the one to report.
                let _ = remove_if_there(&partial);
                Err(Error::Save { path, source })
            }
        }
    }

    fn move_into_place(&self, partial: &Path, step: u64) -> io::Result<()> {
        let path = self.path(step);
        if path.exists() {
            fs::rename(&path, self.free_aside(step))?;
        }
        fs::rename(partial, path)?;
        disk::sync_folder(&self.folder)
    }

    /// Renames the checkpoint of a step so that it is no longer one of the run, and returns its new path.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn set_aside(&self, step: u64) -> Result<PathBuf, Error> {
        let (path, aside) = (self.path(step), self.free_aside(step));
        fs::rename(&path, &aside).and_then(|()| disk::sync_folder(&self.folder)).map_err(Error::io(&path))?;
        Ok(aside)
    }

    fn free_aside(&self, step: u64) -> PathBuf {
        (0..)
            .map(|k| self.folder.join(format!("aside-{k}-step-{step:06}")))
            .find(|path| !path.exists())
            .expect("the counter has no end")
    }

    /// Removes all but the `keep_last` newest checkpoints and the one of step `best`.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn prune(&self, keep_last: usize, best: Option<u64>) -> Result<(), Error> {
        let steps = self.steps()?;
        let old = &steps[..steps.len().saturating_sub(keep_last)];
        for &step in old.iter().filter(|&&step| Some(step) != best) {
            // Renamed first: a kill in the middle of the removal must not leave a checkpoint with holes.
            let (path, doomed) = (self.path(step), self.folder.join(format!(".step-{step:06}.removed")));
            fs::rename(&path, &doomed)
                .and_then(|()| fs::remove_dir_all(&doomed))
                .map_err(Error::io(&path))?;
        }
        Ok(())
    }

    /// Removes what a killed process left half written or half removed.
    pub(crate) fn sweep(&self) -> Result<(), Error> {
        for name in names(&self.folder)? {
            if name.starts_with(".step-") && (name.ends_with(".partial") || name.ends_with(".removed")) {
                let path = self.folder.join(name);
                fs::remove_dir_all(&path).map_err(Error::io(&path))?;
            }
        }
        Ok(())
    }
}

/// Writes the files of a checkpoint into `folder` and waits until they are on the disk.
fn write(folder: &Path, state: &State, params: &Params, optimizer: &Optimizer) -> io::Result<()> {
    let mut files = BTreeMap::new();
    for name in names(folder).map_err(io::Error::other)? {
        let path = folder.join(&name);
        fs::File::open(&path)?.sync_all()?;
        files.insert(name, disk::digest(&path)?);
    }
    let entries = params.entries();
    let values = params.values();
    let weights: Vec<_> = entries
        .iter()
        .map(|entry| Array {
            name: entry.name.clone(),
            shape: &entry.shape,
            values: &values[entry.range.clone()],
        })
        .collect();
    let moments = optimizer.moments();
    let moments: Vec<_> = moments
        .iter()
        .map(|moment| Array { name: moment.name.clone(), shape: &moment.shape, values: moment.values })
        .collect();
    files.insert(MODEL.into(), disk::write_safetensors(&folder.join(MODEL), &weights)?);
    files.insert(OPTIMIZER.into(), disk::write_safetensors(&folder.join(OPTIMIZER), &moments)?);
    let text = serde_json::to_vec_pretty(state)?;
    files.insert(STATE.into(), disk::write_file(&folder.join(STATE), &text)?);
    let manifest = Manifest { version: State::VERSION, files };
    disk::write_file(&folder.join(MANIFEST), &serde_json::to_vec_pretty(&manifest)?)?;
    disk::sync_folder(folder)
}

fn describe(digest: &Digest) -> String {
    format!("{} bytes with CRC-32C {}", digest.bytes, digest.crc32c)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::Format { path: path.to_owned(), reason: error.to_string() })
}

/// The names in a folder; none where it does not exist.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io(folder))?,
    };
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()
        .map_err(Error::io(folder))
}

fn remove_if_there(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

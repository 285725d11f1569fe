use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use crate::{checkpoint::Checkpoints, error::Error};

/// The output folder of a run, held by one process at a time.
///
/// ```text
/// OUT/metrics.jsonl                   OUT/checkpoints/step-000100/
/// OUT/loss.svg  OUT/loss.png          OUT/tensorboard/events.out.tfevents.…
/// ```
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Held open: the lock goes with the process, however that ends.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder for a new run.
    ///
    /// # Errors
    /// When it holds a run already, is in use, or cannot be written.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        if holds_run(&path) {
            return Err(Error::Occupied { path });
        }
        fs::create_dir_all(&path).map_err(Error::io(&path))?;
        Self::lock(path)
    }

    /// Opens the folder of a run that is to go on. What a killed process left half written is removed.
    ///
    /// # Errors
    /// When it holds no run, is in use, or cannot be written.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        if !holds_run(&path) {
            return Err(Error::NoRun { path });
        }
        let folder = Self::lock(path)?;
        folder.checkpoints().sweep()?;
        Ok(folder)
    }

    fn lock(path: PathBuf) -> Result<Self, Error> {
        let file = path.join(".lock");
        let lock =
            File::options().write(true).create(true).truncate(false).open(&file).map_err(Error::io(&file))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Err(Error::InUse { path }),
            // A file system without locks cannot tell, and must not stop the run.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self { path, _lock: lock }),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its checkpoints.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.path.join("checkpoints"))
    }

    /// Its log, one JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// Where its event files are.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("tensorboard")
    }

    /// Its loss curve, with the extension `svg` or `png`.
    pub fn picture(&self, extension: &str) -> PathBuf {
        self.path.join(format!("loss.{extension}"))
    }
}

fn holds_run(path: &Path) -> bool {
    path.join("metrics.jsonl").exists() || path.join("checkpoints").exists()
}

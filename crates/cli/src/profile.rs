use std::path::{Path, PathBuf};

use tercet_tensor::Profiler;

use crate::error::Error;
use crate::file;

/// A profile that a person asked for, and the file that its events go to.
pub struct Profile {
    /// Who is told of the operations.
    pub profiler: Profiler,
    file: PathBuf,
}

impl Profile {
    /// An empty profile.
    ///
    /// # Errors
    /// When the file cannot be written, so that it is said before the work and not after.
    pub fn new(file: &Path) -> Result<Self, Error> {
        file::write(file, b"")?;
        Ok(Self { profiler: Profiler::new(), file: file.to_owned() })
    }

    /// Writes the events, and gives the table of where the time went beside a peak of `peak` GFLOP/s.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn report(&self, peak: f64) -> Result<String, Error> {
        let mut trace = Vec::new();
        self.profiler.write_trace(&mut trace).expect("memory takes all that is written to it");
        file::write(&self.file, &trace)?;
        let (table, file) = (self.profiler.table(peak), self.file.display());
        Ok(format!("\n{table}\ntrace   {file}, for ui.perfetto.dev or chrome://tracing\n"))
    }
}

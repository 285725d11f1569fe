use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::Error;

/// Writes a file aside and renames it into its place, so that a kill leaves the old one or the new one.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let aside = path.with_added_extension("partial");
    let written = File::create(&aside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&aside, path));
    written.map_err(|source| {
        // The first failure is the one to report.
        let _ = fs::remove_file(&aside);
        Error::Io { path: path.to_owned(), source }
    })
}

/// The lines of a text file.
///
/// # Errors
/// When it cannot be read or is not UTF-8.
pub fn lines(path: &Path) -> Result<Vec<String>, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    Ok(text.lines().map(str::to_owned).collect())
}

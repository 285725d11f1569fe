//! The crate's integration tests, one binary.

use std::path::PathBuf;

mod checkpoints;
mod logs;
mod loops;
mod optimizers;
mod schedules;
mod toy;
mod trajectories;

/// A file of the reference folder, or a printed line that says that it is not there.
fn reference(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TERCET_REFERENCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference")),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} does not exist", path.display());
    None
}

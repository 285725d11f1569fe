//! Rules that no lint can hold.

mod links;
mod packages;
mod sizes;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

/// One text file of the project.
struct File {
    /// Relative to the workspace root, with forward slashes.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The lines with their numbers, counted from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }
}

/// Checks every rule, prints each breach and then the largest files and functions.
pub fn run(root: &Path) -> Result<(), String> {
    let files = files(root)?;
    let mut breaches =
        packages::check(&output(root, "cargo", &["metadata", "--format-version=1", "--no-deps"])?, &files)?;
    breaches.extend(sources::check(&files));
    breaches.extend(links::check(root, &files));
    sizes::print(&files);
    for breach in &breaches {
        eprintln!("{breach}");
    }
    match breaches.len() {
        0 => Ok(()),
        n => Err(format!("tidy: {n} rules broken")),
    }
}

/// Every text file that git tracks or would track.
fn files(root: &Path) -> Result<Vec<File>, String> {
    let listed = output(root, "git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let mut paths: Vec<PathBuf> = listed.lines().map(PathBuf::from).collect();
    paths.sort();
    paths.dedup();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(root.join(&path)).ok()?; // a file that is binary, or was just deleted
        Some(File { path: path.to_string_lossy().replace('\\', "/"), text })
    };
    Ok(paths.into_iter().filter_map(read).collect())
}

fn output(root: &Path, program: &str, arguments: &[&str]) -> Result<String, String> {
    let failed = |why: String| format!("{program} {}: {why}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
}

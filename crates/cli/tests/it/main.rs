//! The binary as a user meets it.

mod bad_input;
mod bert;
mod commands;
mod encoders;
mod runs;
mod t5;
mod t5_runs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder of its own for each test, and the binary run in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for the test"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the test's folder can be written");
        path
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tercet"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().expect("the binary starts")
    }

    /// Runs what must succeed, and gives what it printed.
    fn succeed(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "tercet {arguments}\n{out}\n{err}");
        out
    }

    /// Runs what must fail with one clear line that holds all of `words`, and must change no file.
    fn fail(&self, arguments: &str, words: &[&str]) {
        let before = tree(self.0.path());
        let output = self.run(arguments);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "tercet {arguments}\n{}\n{err}", text(&output.stdout));
        assert!(err.starts_with("error: ") && err.lines().count() == 1, "tercet {arguments}\n{err}");
        for word in words {
            assert!(err.contains(word), "tercet {arguments}\n{err}\nsays nothing of {word:?}");
        }
        let after = tree(self.0.path());
        for (path, content) in &before {
            let same = after.get(path) == Some(content);
            assert!(same, "tercet {arguments}\n{} has changed", path.display());
        }
    }

    /// A small text of three thousand words, in documents of a line.
    fn text(&self) -> PathBuf {
        let (starts, ends) =
            (["b", "cl", "m", "r", "st", "tr"], ["ad", "ee", "ind", "oud", "ong", "ush", "y"]);
        let mut state = 1u64;
        let mut draw = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        let mut word = || format!("{}{}", starts[draw(starts.len())], ends[draw(ends.len())]);
        let mut line = || (0..10).map(|_| word()).collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = (0..300).map(|_| line()).collect();
        self.write("book.txt", lines.join("\n"))
    }

    /// Trains a very small model on that text, in the folder `out`.
    fn train(&self, out: &str, more: &str) -> String {
        if !self.path("book.txt").exists() {
            self.text();
        }
        self.succeed(&format!("pretrain gpt2 --text book.txt {SMALL} --out {out} {more}"))
    }
}

/// A model that trains in a moment.
const SMALL: &str =
    "--vocab-size 300 --n-layer 1 --n-head 2 --n-embd 16 --seq 16 --batch 4 --steps 6 --sample-tokens 8";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file below a folder with its content.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the test") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).expect("a file of the test");
                files.insert(path, content);
            }
        }
    }
    files
}

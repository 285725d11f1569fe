//! Where the reference values lie.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Every case folder named `generation` under the folder of reference values.
pub fn cases() -> Vec<Case> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference");
    let root = std::env::var_os("TERCET_REFERENCE").map_or(PathBuf::from(default), PathBuf::from);
    let mut cases = Vec::new();
    walk(&root.join("gpt2"), &mut cases);
    if cases.is_empty() {
        println!("skipped: no generation case under {}", root.display());
    }
    cases
}

pub struct Case {
    pub folder: PathBuf,
    pub json: Value,
    pub tensors: Vec<u8>,
}

fn walk(folder: &Path, cases: &mut Vec<Case>) {
    if let (Ok(json), Ok(tensors)) =
        (std::fs::read(folder.join("case.json")), std::fs::read(folder.join("case.safetensors")))
    {
        let json: Value = serde_json::from_slice(&json).expect("case.json is JSON");
        if json["processors"].is_object() {
            cases.push(Case { folder: folder.to_owned(), json, tensors });
        }
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        walk(&entry.path(), cases);
    }
}

//! The generation cases among the reference values.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Every GPT-2 case of generation.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    if let Some(root) = tercet_reference::reference() {
        walk(&root.join("gpt2"), &mut cases);
    }
    cases
}

pub struct Case {
    pub folder: PathBuf,
    pub json: Value,
    pub tensors: Vec<u8>,
}

fn walk(folder: &Path, cases: &mut Vec<Case>) {
    let read = |name: &str| std::fs::read(folder.join(name));
    if let (Ok(json), Ok(tensors)) = (read("case.json"), read("case.safetensors")) {
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

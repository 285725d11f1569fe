//! Where the reference values lie.

use std::path::PathBuf;

use serde_json::Value;

/// A JSON file of the reference folder; says so and gives none where it is missing.
pub fn json(path: &str) -> Option<Value> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference");
    let root = std::env::var_os("TERCET_REFERENCE").map_or(PathBuf::from(default), PathBuf::from);
    let Ok(text) = std::fs::read(root.join(path)) else {
        println!("skipped: no {path} under {}", root.display());
        return None;
    };
    Some(serde_json::from_slice(&text).expect(path))
}

/// A file of the data folder, beside the reference folder.
pub fn data(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../")).join(path)
}

/// A list of the numbers 0 and 1, as bools.
pub fn bools(value: &Value) -> Vec<bool> {
    ids(value).into_iter().map(|bit| bit == 1).collect()
}

/// A list of ids.
pub fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).expect("a list of ids")
}

/// A number that fits.
pub fn number(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}

/// A float, to the last bit.
pub fn float(value: &Value) -> f64 {
    value.as_f64().expect("a float")
}

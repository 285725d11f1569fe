//! What every package must carry, and which package may use which.

use serde_json::Value;

use super::File;

/// The arrows of ARCHITECTURE.md: a crate, and the crates of the workspace that it may use.
const ARROWS: [(&str, &[&str]); 15] = [
    ("kernels", &[]),
    ("tensor", &["kernels"]),
    ("nn", &["tensor"]),
    ("attention", &["nn", "tensor"]),
    ("bert", &["attention", "nn", "tensor"]),
    ("gpt2", &["attention", "nn", "tensor"]),
    ("t5", &["attention", "nn", "tensor"]),
    ("tokenizer", &[]),
    ("data", &["kernels", "tokenizer"]),
    ("objectives", &[]),
    ("eval", &[]),
    ("tasks", &["data", "eval", "objectives", "tokenizer"]),
    ("generate", &[]),
    ("train", &["tensor"]),
    ("reference", &["attention", "tensor"]), // for tests alone
];

/// Packages that may use anything, and that nothing may use.
const LEAVES: [&str; 4] = ["cli", "examples", "benches", "xtask"];

pub fn check(metadata: &str, files: &[File]) -> Result<Vec<String>, String> {
    let metadata: Value =
        serde_json::from_str(metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let architecture = files.iter().find(|file| file.path == "ARCHITECTURE.md").map_or("", |file| &file.text);
    let mut breaches = Vec::new();
    for package in array(&metadata, "packages") {
        let folder = folder(string(package, "name"));
        breaches.extend(metadata_breaches(package, folder, files));
        breaches.extend(arrow_breaches(package, folder));
        breaches.extend(unexplained_dependencies(package, folder, architecture));
    }
    Ok(breaches)
}

/// Every package has a description and a licence; every crate has a README that is its crate documentation.
fn metadata_breaches(package: &Value, folder: &str, files: &[File]) -> Vec<String> {
    let mut breaches = Vec::new();
    for field in ["description", "license"] {
        if string(package, field).is_empty() {
            breaches.push(format!("{folder}: Cargo.toml has no {field}"));
        }
    }
    let file = |path: &str| files.iter().find(|file| file.path.ends_with(path));
    let manifest = file(&format!("{folder}/Cargo.toml"));
    let own_lints = folder == "kernels"; // the one crate that may write unsafe code
    if !own_lints && !manifest.is_some_and(|file| file.text.contains("[lints]\nworkspace = true")) {
        breaches.push(format!("{folder}: Cargo.toml does not take the workspace's lints"));
    }
    if let Some(library) = file(&format!("crates/{folder}/src/lib.rs")) {
        if string(package, "readme") != "README.md" || file(&format!("crates/{folder}/README.md")).is_none() {
            breaches.push(format!("{folder}: no README.md"));
        }
        if !library.text.starts_with("#![doc = include_str!(\"../README.md\")]") {
            breaches.push(format!("{}: does not begin with its README as crate documentation", library.path));
        }
    }
    breaches
}

/// A crate uses only what [`ARROWS`] allows; its tests may use more, but never a leaf.
fn arrow_breaches(package: &Value, folder: &str) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == folder) else {
        return match LEAVES.contains(&folder) {
            true => Vec::new(),
            false => {
                vec![format!("{folder}: no arrows are written down for it in xtask/src/tidy/packages.rs")]
            }
        };
    };
    let breach = |dependency: &Value| {
        let used = workspace_folder(dependency)?;
        let for_tests = dependency["kind"] == "dev";
        let fine = if for_tests { !LEAVES.contains(&used) } else { allowed.contains(&used) };
        (!fine).then(|| format!("{folder} -> {used}: no such arrow; {folder} may use {allowed:?}"))
    };
    array(package, "dependencies").iter().filter_map(breach).collect()
}

/// A dependency from outside has its line in ARCHITECTURE.md, saying what it buys.
fn unexplained_dependencies(package: &Value, folder: &str, architecture: &str) -> Vec<String> {
    let breach = |dependency: &Value| {
        let name = string(dependency, "name");
        let explained = workspace_folder(dependency).is_some() || architecture.contains(&format!("`{name}`"));
        (!explained).then(|| format!("{folder}: ARCHITECTURE.md does not say what `{name}` buys"))
    };
    array(package, "dependencies").iter().filter_map(breach).collect()
}

fn folder(package: &str) -> &str {
    package.strip_prefix("tercet-").unwrap_or(package)
}

/// The folder of a dependency that is part of this workspace.
fn workspace_folder(dependency: &Value) -> Option<&str> {
    dependency["path"].is_string().then(|| folder(string(dependency, "name")))
}

fn array<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn string<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

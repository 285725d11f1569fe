//! Rules about the text of the sources.

use super::File;

/// Marks of unfinished work. Cut in two, so that this file does not hold them.
const MARKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Where absolute paths of one machine begin.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("/t", "mp/"),
];

pub fn check(files: &[File]) -> Vec<String> {
    let mut breaches = Vec::new();
    for file in files {
        for (number, line) in file.lines() {
            breaches
                .extend(line_breach(file, line).map(|breach| format!("{}:{number}: {breach}", file.path)));
        }
    }
    breaches.extend(ops_without_gradcheck(files));
    breaches
}

fn line_breach(file: &File, line: &str) -> Option<String> {
    if let Some(mark) = MARKS.iter().find(|mark| line.contains(**mark)) {
        return Some(format!("{mark} left in the text"));
    }
    if let Some(path) = MACHINE_PATHS.iter().find(|path| line.contains(**path)) {
        return Some(format!("an absolute path of one machine: {path}…"));
    }
    let allows_unsafe = file.is_rust() && line.contains(concat!("(unsafe", "_code"));
    (allows_unsafe && !file.path.starts_with("crates/kernels/"))
        .then(|| "unsafe code outside kernels".to_owned())
}

/// An op's file holds its finite-difference check.
fn ops_without_gradcheck(files: &[File]) -> Vec<String> {
    let is_op = |file: &&File| file.path.starts_with("crates/tensor/src/ops/") && file.is_rust();
    let unchecked = |file: &&File| !file.text.contains("gradcheck");
    let breach = |file: &File| format!("{}: an op without a gradcheck", file.path);
    files.iter().filter(is_op).filter(unchecked).map(breach).collect()
}

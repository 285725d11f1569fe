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
    // The benches call peers whose interfaces are unsafe.
    let may_allow = ["crates/kernels/", "benches/"].iter().any(|folder| file.path.starts_with(folder));
    (allows_unsafe && !may_allow).then(|| "unsafe code outside kernels".to_owned())
}

/// The tests list the checks by the name of the op's file; that each passes is for the tests to say.
fn ops_without_gradcheck(files: &[File]) -> Vec<String> {
    const OPS: &str = "crates/tensor/src/ops/";
    let checks = files.iter().find(|file| file.path == "crates/tensor/tests/it/gradchecks.rs");
    let listed = |op: &str| checks.is_some_and(|file| file.text.contains(&format!("\"{op}\"")));
    let ops = files.iter().filter_map(|file| file.path.strip_prefix(OPS)?.strip_suffix(".rs"));
    ops.filter(|op| *op != "mod" && !listed(op))
        .map(|op| format!("{OPS}{op}.rs: an op without a gradcheck"))
        .collect()
}

//! The workspace's own checks.
//!
//! `cargo xtask ci` runs everything that a change has to pass; `cargo xtask ci STEP…` runs some of it.
//! `cargo xtask tidy` checks the rules that no lint can hold: which crate may use which, where unsafe code may stand,
//! what every crate must carry. It ends with the ten largest files and functions, as a hint where to cut.

mod ci;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask ci [format|tidy|lints|docs|tests]… | cargo xtask tidy";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Asked for when run, not when built: several checkouts may share one folder of build products.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&package).parent().expect("xtask lies in the workspace root");
    let passed = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ci", steps @ ..] => ci::run(root, steps),
        ["tidy"] => tidy::run(root),
        _ => Err(USAGE.to_owned()),
    };
    match passed {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

//! The steps that a change has to pass, in the order in which they fail fastest.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::tidy;

const STEPS: [&str; 5] = ["format", "tidy", "lints", "docs", "tests"];

/// Runs the named steps, or all of them, and stops at the first that fails.
pub fn run(root: &Path, steps: &[&str]) -> Result<(), String> {
    if let Some(unknown) = steps.iter().find(|step| !STEPS.contains(step)) {
        return Err(format!("unknown step `{unknown}`; the steps are {}", STEPS.join(", ")));
    }
    for step in STEPS.into_iter().filter(|step| steps.is_empty() || steps.contains(step)) {
        let start = Instant::now();
        eprintln!("── {step}");
        match step {
            "format" => cargo(root, &["fmt", "--all", "--check"], None),
            "tidy" => tidy::run(root),
            "lints" => cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], None),
            "docs" => {
                cargo(root, &["doc", "--workspace", "--no-deps"], Some(("RUSTDOCFLAGS", "-D warnings")))
            }
            _ => cargo(root, &["test", "--workspace"], None),
        }?;
        eprintln!("── {step}: passed in {:.0} s", start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn cargo(root: &Path, arguments: &[&str], variable: Option<(&str, &str)>) -> Result<(), String> {
    let status = Command::new("cargo").args(arguments).envs(variable).current_dir(root).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo {} failed: {status}", arguments.join(" "))),
        Err(error) => Err(format!("cargo {}: {error}", arguments.join(" "))),
    }
}

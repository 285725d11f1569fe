//! Links between the project's own pages.

use std::path::Path;

use super::File;

/// Every relative link of a Markdown page leads to a file, the book's table of contents lists every chapter, and what the
/// book says of the code is found in it.
pub fn check(root: &Path, files: &[File]) -> Vec<String> {
    let mut breaches = Vec::new();
    for page in files.iter().filter(|file| file.path.ends_with(".md")) {
        let path = root.join(&page.path);
        let folder = path.parent().unwrap_or(root);
        for target in targets(&page.text) {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains(':') && !folder.join(file).exists() {
                breaches.push(format!("{}: the link to {target} leads nowhere", page.path));
            }
        }
    }
    breaches.extend(unlisted_chapters(files));
    breaches.extend(
        files.iter().filter(|file| file.path.starts_with("docs/")).flat_map(|page| lost_code(page, files)),
    );
    breaches
}

/// A line of the book that names a source file in backquotes, and then names in backquotes, finds them there.
fn lost_code(page: &File, files: &[File]) -> Vec<String> {
    let mut breaches = Vec::new();
    for (number, line) in page.lines() {
        let mut source = None;
        for code in line.split('`').skip(1).step_by(2) {
            let is_path =
                ["crates/", "examples/", "benches/", "xtask/"].iter().any(|folder| code.starts_with(folder));
            if is_path {
                source = files.iter().find(|file| file.path == code);
                let is_folder = || files.iter().any(|file| file.path.starts_with(&format!("{code}/")));
                if source.is_none() && !is_folder() {
                    breaches.push(format!("{}:{number}: {code} is not there", page.path));
                }
            } else if let Some(source) = source {
                let lost = code.split("::").find(|name| !source.text.contains(name));
                breaches
                    .extend(lost.map(|name| format!("{}:{number}: no {name} in {}", page.path, source.path)));
            }
        }
    }
    breaches
}

/// What stands in the parentheses of `[text](target)`, outside code blocks.
fn targets(text: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced {
            let after_each = line.split("](").skip(1);
            targets.extend(after_each.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target));
        }
    }
    targets
}

fn unlisted_chapters(files: &[File]) -> Vec<String> {
    const BOOK: &str = "docs/src/";
    let Some(summary) = files.iter().find(|file| file.path == format!("{BOOK}SUMMARY.md")) else {
        return Vec::new();
    };
    let listed = targets(&summary.text);
    let chapters =
        files.iter().filter_map(|file| file.path.strip_prefix(BOOK)).filter(|name| name.ends_with(".md"));
    let unlisted = chapters.filter(|name| *name != "SUMMARY.md" && !listed.contains(name));
    unlisted.map(|name| format!("{BOOK}{name}: not in SUMMARY.md")).collect()
}

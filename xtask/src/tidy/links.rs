//! Links between the project's own pages.

use std::path::Path;

use super::File;

/// Every relative link of a Markdown page leads to a file, and the book's table of contents lists every chapter.
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

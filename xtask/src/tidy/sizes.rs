//! The largest files and functions: a hint where to cut, not a rule.

use super::File;

const SHOWN: usize = 10;

pub fn print(files: &[File]) {
    let sources = || files.iter().filter(|file| file.is_rust());
    show("files", sources().map(|file| (file.text.lines().count(), file.path.clone())).collect());
    show("functions", sources().flat_map(functions).collect());
}

fn show(what: &str, mut sizes: Vec<(usize, String)>) {
    sizes.sort_by(|a, b| b.cmp(a));
    println!("largest {what}, in lines");
    for (lines, name) in sizes.iter().take(SHOWN) {
        println!("{lines:6}  {name}");
    }
}

/// The length and name of each function. In formatted source a function ends at the first line that is a brace at the
/// indentation where it began.
fn functions(file: &File) -> Vec<(usize, String)> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(name) = function_name(code) else { continue };
        let closing = format!("{}}}", &line[..line.len() - code.len()]);
        if let Some(length) = lines[start..].iter().position(|line| *line == closing) {
            functions.push((length + 1, format!("{}:{} {name}", file.path, start + 1)));
        }
    }
    functions
}

/// The name in a line that begins a function, whatever qualifiers precede `fn`.
fn function_name(code: &str) -> Option<&str> {
    let (qualifiers, rest) = code.split_once("fn ")?;
    let is_qualifier =
        |word: &str| word.starts_with("pub") || ["const", "unsafe", "async", "extern"].contains(&word);
    let begins_a_body = !code.ends_with(['}', ';']);
    (qualifiers.split_whitespace().all(is_qualifier) && begins_a_body)
        .then(|| rest.split(['(', '<']).next())?
}

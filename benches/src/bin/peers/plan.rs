//! What is put beside what: a TOML file of contenders, each a command with variables, and of work, each a set of their values.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::measure::Contender;

/// Names in braces, and what stands there.
pub type Variables = BTreeMap<String, String>;

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Stands above the report and the chart.
    pub title: String,
    /// Values for all work, which `--set` overrides.
    #[serde(default)]
    variables: Variables,
    /// Who does it, tercet first.
    contender: Vec<Command>,
    /// What is done.
    pub work: Vec<Work>,
}

/// One who does the work, by a command that prints a line of JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    name: String,
    command: String,
    #[serde(default)]
    environment: Variables,
}

/// One piece of work.
#[derive(Deserialize)]
pub struct Work {
    /// What the report calls it.
    pub name: String,
    /// Contenders that do not do it.
    #[serde(default)]
    without: Vec<String>,
    /// The values of the commands' variables.
    #[serde(flatten)]
    variables: Variables,
}

impl Plan {
    /// Reads a plan.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| named(&e))?;
        toml::from_str(&text).map_err(|e| named(&e))
    }

    /// Everyone's command for one piece of work.
    pub fn contenders(&self, work: &Work, given: &Variables) -> Result<Vec<Contender>, String> {
        let mut variables = self.variables.clone();
        variables.extend(work.variables.clone());
        variables.extend(given.clone());
        let takes_part = |command: &&Command| !work.without.contains(&command.name);
        let contender = |command: &Command| {
            let words = command.command.split_whitespace();
            let words = words.map(|word| fill(word, &variables)).collect::<Result<Vec<_>, _>>()?;
            // A variable may hold several words, or none.
            let words: Vec<String> =
                words.iter().flat_map(|word| word.split_whitespace().map(str::to_owned)).collect();
            let mut environment = command.environment.clone();
            for value in environment.values_mut() {
                *value = fill(value, &variables)?;
            }
            Ok(Contender { name: command.name.clone(), words, environment })
        };
        self.contender.iter().filter(takes_part).map(contender).collect()
    }
}

/// Puts values in the place of names in braces.
fn fill(text: &str, variables: &Variables) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) =
            after.split_once('}').ok_or_else(|| format!("`{text}`: a brace is not closed"))?;
        let value =
            variables.get(name).ok_or_else(|| format!("`{{{name}}}` has no value: --set {name}=…"))?;
        filled += before;
        filled += value;
        rest = after;
    }
    Ok(filled + rest)
}

/// `NAME=VALUE`.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_unknown_ones_named() {
        let variables = Variables::from([("size".to_owned(), "mini".to_owned())]);
        assert_eq!(fill("--size={size}.", &variables).as_deref(), Ok("--size=mini."));
        assert!(fill("{sise}", &variables).is_err_and(|e| e.contains("--set sise=")));
        assert!(fill("{size", &variables).is_err_and(|e| e.contains("not closed")));
    }

    #[test]
    fn the_plans_of_the_project_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let mut plans = 0;
        for entry in std::fs::read_dir(folder).expect("benches/peers") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|ending| ending != "toml") {
                continue;
            }
            let plan = Plan::read(&path).expect("a plan");
            let given = ["python", "allocator"].map(|name| (name.to_owned(), name.to_owned())).into();
            for work in &plan.work {
                let contenders = plan.contenders(work, &given).expect("commands");
                assert!(contenders.len() > 1 && contenders[0].name == "tercet", "{}", work.name);
            }
            plans += 1;
        }
        assert!(plans > 0);
    }
}

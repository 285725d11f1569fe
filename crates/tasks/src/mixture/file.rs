use std::path::{Path, PathBuf};

use serde::Deserialize;
use tercet_objectives::denoising::Objective;
use tercet_objectives::spans::Noise;

use super::{Member, Mixing, Mixture};
use crate::{Denoising, Error, Result, Split, Task};

/// A mixture as a TOML file describes it.
///
/// ```toml
/// limit = 524288        # K
/// temperature = 1.0     # T
///
/// [[member]]
/// task = "sst2"
/// path = "glue/SST-2"   # from where this file is
///
/// [[member]]
/// task = "unsupervised"
/// path = ["wikitext/train.txt"]
/// rate = 100000.0       # instead of min(n, K)^(1/T)
/// ```
#[derive(Clone, Debug)]
pub struct MixtureFile {
    /// How often each member comes that does not say so itself.
    pub mixing: Mixing,
    /// The members.
    pub members: Vec<MemberEntry>,
}

/// A member of a mixture file.
#[derive(Clone, Debug)]
pub struct MemberEntry {
    /// The task; none is the unsupervised objective.
    pub task: Option<&'static Task>,
    /// What it reads. Nothing for a generated task; nothing for the unsupervised objective means the text of the run.
    pub paths: Vec<PathBuf>,
    /// Its own rate.
    pub rate: Option<f64>,
    /// What is hidden of the text, where it is unsupervised.
    pub objective: Objective,
}

/// The name of the unsupervised objective among the tasks.
const UNSUPERVISED: &str = "unsupervised";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    limit: Option<f64>,
    temperature: Option<f64>,
    #[serde(default)]
    member: Vec<WrittenMember>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMember {
    task: String,
    #[serde(default)]
    path: Paths,
    rate: Option<f64>,
    objective: Option<ObjectiveName>,
    density: Option<f64>,
    mean_span: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Paths {
    #[default]
    None,
    One(PathBuf),
    Several(Vec<PathBuf>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ObjectiveName {
    Spans,
    Iid,
    PrefixLm,
}

impl MixtureFile {
    /// Reads a mixture file; the paths in it begin where it is.
    ///
    /// # Errors
    /// When it cannot be read, has a field that there is not, or a member that makes no sense.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let fault = |message: String| Error::MixtureFile { path: path.to_owned(), message };
        let written: Written = toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            fault(format!("line {line}: {}", e.message().replace('\n', ", ")))
        })?;
        let default = Mixing::default();
        let mixing = Mixing {
            limit: written.limit.unwrap_or(default.limit),
            temperature: written.temperature.unwrap_or(default.temperature),
        };
        let members = (1..).zip(written.member).map(|(number, member)| {
            MemberEntry::of(member, path).map_err(|message| fault(format!("member {number}: {message}")))
        });
        let members = members.collect::<Result<Vec<_>>>()?;
        if members.is_empty() {
            return Err(fault("expected at least one [[member]], found none".to_owned()));
        }
        Ok(Self { mixing, members })
    }

    /// Opens the mixture to learn from. `text` opens an unsupervised member.
    ///
    /// # Errors
    /// When the examples of a member cannot be read, and what `text` returns.
    pub fn open<E: From<Error>>(
        &self,
        seed: u64,
        mut text: impl FnMut(&MemberEntry) -> std::result::Result<Denoising, E>,
    ) -> std::result::Result<Mixture, E> {
        let mut members = Vec::new();
        for entry in &self.members {
            let member = match entry.task {
                Some(task) => Member::of_task(task, entry.path(), Split::Train, seed)?,
                None => Member::of_text(UNSUPERVISED, text(entry)?),
            };
            members.push(match entry.rate {
                Some(rate) => member.with_rate(rate),
                None => member,
            });
        }
        Ok(Mixture::new(members, self.mixing, seed)?)
    }
}

impl MemberEntry {
    /// The file or folder of a task that reads one.
    pub fn path(&self) -> Option<&Path> {
        self.paths.first().map(PathBuf::as_path)
    }

    fn of(written: WrittenMember, file: &Path) -> std::result::Result<Self, String> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let paths: Vec<PathBuf> = match written.path {
            Paths::None => Vec::new(),
            Paths::One(path) => vec![folder.join(path)],
            Paths::Several(paths) => paths.into_iter().map(|path| folder.join(path)).collect(),
        };
        let name = written.task;
        let task = match name.as_str() {
            UNSUPERVISED => None,
            name => Some(Task::named(name).map_err(|e| format!("{e}, {UNSUPERVISED}"))?),
        };
        if let Some(task) = task {
            let (expected, found) = (usize::from(!task.is_generated()), paths.len());
            if found != expected {
                let what = if expected == 0 { "no path, its examples are generated" } else { "one path" };
                return Err(format!("task {name}: expected {what}, found {found}"));
            }
            if written.objective.is_some() || written.density.is_some() || written.mean_span.is_some() {
                return Err(format!(
                    "task {name}: objective, density and mean_span are for {UNSUPERVISED} only"
                ));
            }
        }
        let default = Noise::default();
        let noise = Noise {
            density: written.density.unwrap_or(default.density),
            mean_span: written.mean_span.unwrap_or(default.mean_span),
        };
        let objective = match written.objective.unwrap_or(ObjectiveName::Spans) {
            ObjectiveName::Spans => Objective::Spans(noise),
            ObjectiveName::Iid => Objective::Iid { density: noise.density },
            ObjectiveName::PrefixLm => Objective::PrefixLm { density: written.density.unwrap_or(0.5) },
        };
        Ok(Self { task, paths, rate: written.rate, objective })
    }
}

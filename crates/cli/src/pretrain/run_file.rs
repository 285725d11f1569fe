use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};
use toml::{Table, Value};

use super::recipe::Recipe;
use super::settings::Settings;
use super::{RUN_FILE, run_of_checkpoint};
use crate::error::Error;
use crate::file;

impl<R: Recipe> Settings<R> {
    /// The settings of a command: its flags where they are given, else the lines of `path`, else the defaults.
    ///
    /// # Errors
    /// When the file cannot be read, is of another architecture, or a line is not a setting.
    pub fn overlaid(self, flags: &ArgMatches, path: &Path) -> Result<Self, Error> {
        let fault = |reason: String| Error::RunFile { path: path.to_owned(), reason };
        let mut settings = Table::try_from(&self).expect("settings are plain data");
        let mut lines = read(path)?;
        let (arch, expected) = (arch_of(path, lines.remove("arch"))?, R::ARCH.name());
        if arch != expected {
            return Err(fault(format!("arch is {arch:?}, expected {expected:?}")));
        }
        let known = Self::augment_args(Command::new(""));
        for (key, value) in lines {
            let id = key.replace('-', "_");
            if key.contains('_') || !known.get_arguments().any(|setting| *setting.get_id() == id) {
                let help = format!("`tercet pretrain {arch} --help` lists them");
                return Err(fault(format!("unknown setting {key:?}; {help}")));
            }
            if flags.value_source(&id) != Some(ValueSource::CommandLine) {
                settings.insert(key, value);
            }
        }
        settings.try_into().map_err(|error: toml::de::Error| fault(one_line(error.message())))
    }

    /// Writes the settings as a file that `--run` takes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let head = "# Every setting of this run. To repeat it: tercet pretrain --run FILE --out FOLDER";
        let lines = toml::to_string(self).expect("settings are plain data");
        let text = format!("{head}\narch = {:?}\n{lines}", R::ARCH.name());
        file::write(path, text.as_bytes())
    }
}

/// The arguments of this program, with the architecture where it may be left out: `pretrain --run FILE …` and
/// `pretrain --resume DIR …` are of the architecture that the run file names.
///
/// # Errors
/// When there is no such file or run, or it names none.
pub fn with_architecture(mut arguments: Vec<OsString>) -> Result<Vec<OsString>, Error> {
    let begins_with_a_flag = |argument: &OsString| argument.to_string_lossy().starts_with("--");
    let [_, command, first, ..] = arguments.as_slice() else { return Ok(arguments) };
    if command != "pretrain" || !begins_with_a_flag(first) {
        return Ok(arguments);
    }
    let file = match (value_of(&arguments, "--run"), resumed(&arguments)) {
        (Some(file), _) => file,
        (None, Some(folder)) => run_of_checkpoint(&folder).unwrap_or(&folder).join(RUN_FILE),
        (None, None) => return Ok(arguments),
    };
    if !file.is_file()
        && let Some(path) = file.parent().filter(|_| file.ends_with(RUN_FILE))
        && !path.is_dir()
    {
        return Err(tercet_train::Error::NoRun { path: path.to_owned() }.into());
    }
    let arch = arch_of(&file, read(&file)?.remove("arch"))?;
    arguments.insert(2, arch.into());
    Ok(arguments)
}

/// The folder that a run is to go on in: that of `--resume`, or of `--out` where it has none.
fn resumed(arguments: &[OsString]) -> Option<PathBuf> {
    let plain = arguments.iter().any(|argument| argument == "--resume");
    value_of(arguments, "--resume").or_else(|| value_of(arguments, "--out").filter(|_| plain))
}

/// What stands after a flag, or behind its `=`.
fn value_of(arguments: &[OsString], flag: &str) -> Option<PathBuf> {
    let behind =
        |argument: &OsString| Some(argument.to_str()?.strip_prefix(flag)?.strip_prefix('=')?.to_owned());
    let after = || {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).filter(|value| !value.to_string_lossy().starts_with("--"))
    };
    arguments.iter().find_map(behind).map(PathBuf::from).or_else(|| after().map(PathBuf::from))
}

/// The architecture that a run file names.
fn arch_of(path: &Path, line: Option<Value>) -> Result<String, Error> {
    let fault = |found: String| {
        let reason = format!("arch is {found}, expected {}", super::ARCHITECTURES.join(" or "));
        Error::RunFile { path: path.to_owned(), reason }
    };
    let line = line.ok_or_else(|| fault("missing".to_owned()))?;
    let known = |arch: &&str| super::ARCHITECTURES.contains(arch);
    line.as_str().filter(known).map(str::to_owned).ok_or_else(|| fault(line.to_string()))
}

fn read(path: &Path) -> Result<Table, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    text.parse::<Table>().map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        let reason = format!("line {line}: {}", one_line(error.message()));
        Error::RunFile { path: path.to_owned(), reason }
    })
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

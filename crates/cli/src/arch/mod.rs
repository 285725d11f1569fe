mod bert;
mod gpt2;
mod t5;

use std::path::Path;

use tercet_tensor::{Params, Precision};

use crate::args::Arch;
use crate::error::Error;
use crate::model::{Writer, folder_of, model_type};
use crate::random_steps::RandomSteps;

/// A configuration of any architecture: what `inspect` tells of it and what `bench` measures.
pub trait Shape {
    /// Its architecture.
    fn arch(&self) -> Arch;

    /// What it says, in indented lines.
    fn describe(&self) -> String;

    /// Its parameters, without values.
    fn params(&self) -> Params;

    /// Makes all its dropout this much.
    ///
    /// # Errors
    /// When it is no probability.
    fn set_dropout(&mut self, p: f32) -> Result<(), Error>;

    /// The sequences of a training step; what is left open is chosen.
    ///
    /// # Errors
    /// When the model cannot read so many tokens.
    fn step_size(&self, batch: usize, seq: Option<usize>, target: Option<usize>) -> Result<StepSize, Error>;

    /// Operations of the matrix products in one forward pass.
    fn forward_flops(&self, size: StepSize) -> u64;

    /// Training steps over random tokens.
    fn random_steps(&self, size: StepSize, precision: Precision) -> RandomSteps;

    /// The same over sequences of these lengths; `None` where they are all alike.
    fn ragged_steps(&self, _lengths: &[usize], _precision: Precision) -> Option<RandomSteps> {
        None
    }

    /// Ids that there are.
    fn vocab_size(&self) -> usize;

    /// A model of random weights; `None` where the architecture writes nothing.
    fn random_writer(&self) -> Option<Writer>;
}

/// How much one training step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepSize {
    /// Sequences.
    pub batch: usize,
    /// Tokens of each.
    pub seq: usize,
    /// Tokens of each one's answer; 0 where the architecture has none.
    pub target: usize,
}

impl StepSize {
    /// Tokens that the model reads.
    pub fn tokens(self) -> usize {
        self.batch * (self.seq + self.target)
    }

    /// For a person.
    pub fn describe(self) -> String {
        let Self { batch, seq, target } = self;
        if target > 0 {
            format!("{batch} × {seq} tokens and {target} of answers")
        } else {
            format!("{batch} × {seq} tokens")
        }
    }
}

/// The configuration of a published size; `version` is T5's.
///
/// # Errors
/// When the architecture has no such size or version.
pub fn sized(arch: Arch, size: &str, version: Option<&str>) -> Result<Box<dyn Shape>, Error> {
    if let Some(version) = version.filter(|_| arch != Arch::T5) {
        return Err(Error::flag("version", "left out: T5 alone has versions", version));
    }
    match arch {
        Arch::Gpt2 => Ok(Box::new(size.parse::<tercet_gpt2::Preset>()?.config())),
        Arch::Bert => Ok(Box::new(size.parse::<tercet_bert::Preset>()?.config())),
        Arch::T5 => {
            let version = version.unwrap_or("1.0").parse()?;
            Ok(Box::new(size.parse::<tercet_t5::Preset>()?.config(version)))
        }
    }
}

/// The configuration in a run, a checkpoint, a Hugging Face folder or a `config.json`.
///
/// # Errors
/// When it cannot be read, is impossible, or is of another architecture.
pub fn read(path: &Path) -> Result<Box<dyn Shape>, Error> {
    let path = folder_of(path)?;
    Ok(match model_type(&path)?.as_str() {
        "gpt2" => Box::new(tercet_gpt2::Config::read(path)?),
        "bert" => Box::new(tercet_bert::Config::read(path)?),
        "t5" => Box::new(t5::read(&path)?),
        found => {
            let (what, expected) = (path.display().to_string(), "a model of type gpt2, bert or t5");
            return Err(Error::Input { what, expected, found: found.to_owned() });
        }
    })
}

/// Checks a number of sequences or of tokens.
fn at_least_1(flag: &'static str, found: usize) -> Result<(), Error> {
    if found == 0 {
        return Err(Error::Flag { flag, expected: "at least 1".to_owned(), found: "0".to_owned() });
    }
    Ok(())
}

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A share of the steps with sequences of one length: `128:90%`, or with batches of its own `512:10%:8`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phase {
    /// Tokens of a sequence, at most.
    pub length: usize,
    /// Share of the steps, in per cent.
    pub percent: f64,
    /// Sequences of a micro-batch, in place of `--batch`.
    pub batch: Option<usize>,
}

/// What a phase comes to in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Tokens of a sequence, at most.
    pub length: usize,
    /// Sequences of a micro-batch.
    pub batch: usize,
    /// The first step, from 0.
    pub begin: u64,
    /// The step after the last.
    pub end: u64,
}

/// Shares out the steps; phases that get none are left out.
pub fn stretches(phases: &[Phase], steps: u64, batch: usize) -> Vec<Stretch> {
    let (mut begin, mut percent) = (0, 0.0);
    let mut stretch = |phase: &Phase| {
        percent += phase.percent;
        let end = (steps as f64 * percent / 100.0).round() as u64;
        let own = Stretch { length: phase.length, batch: phase.batch.unwrap_or(batch), begin, end };
        begin = end;
        own
    };
    phases.iter().map(&mut stretch).filter(|stretch| stretch.begin < stretch.end).collect()
}

/// Checks that the phases make up a whole run.
///
/// # Errors
/// When their shares do not, or one of them holds no sentence pair.
pub fn validate(phases: &[Phase]) -> Result<(), Error> {
    let whole: f64 = phases.iter().map(|phase| phase.percent).sum();
    if (whole - 100.0).abs() > 0.01 {
        return Err(Error::flag("phase", "shares of 100% together", format!("{whole}%")));
    }
    // [CLS], a token, [SEP], a token, [SEP].
    let short = phases.iter().find(|phase| phase.length < 5);
    let empty = phases.iter().find(|phase| phase.batch == Some(0));
    match (short, empty) {
        (Some(phase), _) => Err(Error::flag("phase", "sequences of 5 tokens or more", phase)),
        (_, Some(phase)) => Err(Error::flag("phase", "batches of 1 sequence or more", phase)),
        _ => Ok(()),
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.split(':');
            let length = parts.next()?.parse().ok()?;
            let percent = parts.next()?.strip_suffix('%')?.parse().ok()?;
            let batch = parts.next().map(str::parse).transpose().ok()?;
            let whole = parts.next().is_none() && (0.0..=100.0).contains(&percent);
            whole.then_some(Self { length, percent, batch })
        };
        read().ok_or_else(|| format!("expected LENGTH:SHARE% or LENGTH:SHARE%:BATCH, found {text:?}"))
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}%", self.length, self.percent)?;
        self.batch.map_or(Ok(()), |batch| write!(f, ":{batch}"))
    }
}

impl TryFrom<String> for Phase {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Phase> for String {
    fn from(phase: Phase) -> Self {
        phase.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_read_what_they_write_and_share_out_all_steps() {
        let phases = ["128:90%", "512:7.5%:8", "64:2.5%"].map(|text| text.parse::<Phase>().unwrap());
        assert_eq!(phases.map(|phase| phase.to_string()), ["128:90%", "512:7.5%:8", "64:2.5%"]);
        assert!(validate(&phases).is_ok() && validate(&phases[..2]).is_err());
        let ends: Vec<_> =
            stretches(&phases, 10, 32).iter().map(|s| (s.begin, s.end, s.length, s.batch)).collect();
        assert_eq!(ends, [(0, 9, 128, 32), (9, 10, 512, 8)]);
        for wrong in ["128", "128:90", "128:101%", "x:5%", "128:5%:", "128:5%:8:1"] {
            assert!(wrong.parse::<Phase>().is_err(), "{wrong}");
        }
    }
}

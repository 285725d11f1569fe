//! `metrics.jsonl`: one JSON object a line for each step, evaluation and skipped step.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{error::Error, picture::LossCurve};

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A training step.
    Step {
        /// Steps done, this one included.
        step: u64,
        /// Mean loss of the step's targets.
        loss: f64,
        /// The rate of the step.
        lr: f64,
        /// Norm of the gradient before clipping.
        grad_norm: f64,
        /// Tokens that the model read in this step.
        tokens: u64,
        /// Tokens a second in this step.
        tokens_per_second: f64,
        /// Seconds of training so far.
        seconds: f64,
    },
    /// An evaluation on held-out data.
    Evaluation {
        /// Steps done.
        step: u64,
        /// The held-out loss.
        loss: f64,
        /// Whatever else was measured.
        #[serde(default)]
        metrics: BTreeMap<String, f64>,
    },
    /// A step without an update.
    Skipped {
        /// Steps done, this one included.
        step: u64,
        /// Why.
        reason: String,
    },
}

impl Record {
    /// Steps done when the record was made.
    pub fn step(&self) -> u64 {
        match self {
            Self::Step { step, .. } | Self::Evaluation { step, .. } | Self::Skipped { step, .. } => *step,
        }
    }
}

/// The open log, and the curve that its records draw.
#[derive(Debug)]
pub(crate) struct MetricsLog {
    path: PathBuf,
    file: File,
    pub curve: LossCurve,
}

impl MetricsLog {
    /// Opens the log for a run that stands at `step`: later records, and a line that a kill left unfinished, are cut.
    pub(crate) fn open(path: &Path, step: u64) -> Result<Self, Error> {
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).open(path).map_err(Error::io(path))?;
        let mut curve = LossCurve::default();
        let (mut kept, mut line) = (0, Vec::new());
        let mut lines = BufReader::new(&mut file);
        while lines.read_until(b'\n', &mut line).map_err(Error::io(path))? > 0 {
            match serde_json::from_slice::<Record>(&line) {
                Ok(record) if record.step() <= step && line.ends_with(b"\n") => draw(&mut curve, &record),
                _ => break,
            }
            kept += line.len() as u64;
            line.clear();
        }
        file.set_len(kept).map_err(Error::io(path))?;
        Ok(Self { path: path.to_owned(), file, curve })
    }

    pub(crate) fn add(&mut self, record: &Record) -> Result<(), Error> {
        let mut line = serde_json::to_vec(record).expect("a record is plain data");
        line.push(b'\n');
        draw(&mut self.curve, record);
        self.file.write_all(&line).map_err(Error::io(&self.path))
    }
}

fn draw(curve: &mut LossCurve, record: &Record) {
    match *record {
        Record::Step { step, loss, .. } => curve.train.push((step, loss)),
        Record::Evaluation { step, loss, .. } => curve.held_out.push((step, loss)),
        Record::Skipped { .. } => {}
    }
}

/// Reads a whole `metrics.jsonl`.
///
/// # Errors
/// When the file cannot be read, or with the number of the first line that is no record.
pub fn read_metrics(path: &Path) -> Result<Vec<Record>, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let record = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| Error::Format {
            path: path.to_owned(),
            reason: format!("line {}: {error}", i + 1),
        })
    };
    text.lines().enumerate().map(record).collect()
}

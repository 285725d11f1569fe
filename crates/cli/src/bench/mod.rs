mod features;
mod generate;
mod instances;
mod peak;
mod train;

use clap::Subcommand;

use crate::error::Error;

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Whole optimiser steps on random tokens
    Train(train::Args),
    /// Whole generations from random prompts
    Generate(generate::Args),
    /// A BERT's forward pass over random tokens, or over the sentences of a file from text to vectors
    Features(features::Args),
    /// BERT's pretraining instances from text, in the order and with the draws of the published pipeline
    Instances(instances::Args),
    /// The machine's multiply-add rate and memory bandwidth
    Peak(peak::Args),
}

/// Runs one measurement and prints it.
pub fn run(bench: Bench) -> Result<(), Error> {
    match bench {
        Bench::Train(args) => train::run(&args),
        Bench::Generate(args) => generate::run(&args),
        Bench::Features(args) => features::run(&args),
        Bench::Instances(args) => instances::run(&args),
        Bench::Peak(args) => peak::run(&args),
    }
}

/// `x` with so many digits after the point, so that a line of figures stays readable.
fn rounded(x: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (x * scale).round() / scale
}

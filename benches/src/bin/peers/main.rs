//! The same work done by tercet and by others, in turn: a report of medians, ratios and shares of the peak, and a chart.
//!
//! `cargo run --release -p tercet-benches --bin peers -- benches/peers/steps.toml --set python=PYTHON --out FOLDER`
//!
//! A plan says what is put beside what; `benches/peers` holds ours, and the scripts that do the work with PyTorch.

mod chart;
mod measure;
mod plan;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use self::measure::Measured;
use self::plan::{Plan, Variables};

/// Does the same work with tercet and with others in turn, and writes what it took as a report and a chart.
#[derive(Parser)]
struct Args {
    /// Plan of what is put beside what
    plan: PathBuf,
    /// Value of a variable of the plan's commands, as NAME=VALUE
    #[arg(long, value_parser = plan::assignment, value_name = "NAME=VALUE")]
    set: Vec<(String, String)>,
    /// Do only the work whose name has this in it
    #[arg(long, default_value = "")]
    only: String,
    /// Rounds; in each, everyone does the work once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Folder for report.md, chart.svg and lines.jsonl
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let plan = Plan::read(&args.plan)?;
    let given: Variables = args.set.iter().cloned().collect();
    std::fs::create_dir_all(&args.out).map_err(|e| format!("{}: {e}", args.out.display()))?;
    let works: Vec<_> = plan.work.iter().filter(|work| work.name.contains(&args.only)).collect();
    if works.is_empty() {
        return Err(format!("{}: no work with `{}` in its name", args.plan.display(), args.only));
    }
    let mut results: Vec<Measured> = Vec::new();
    for work in works {
        let contenders = plan.contenders(work, &given)?;
        let mut measured = Measured::new(work.name.clone(), &contenders);
        for round in 1..=args.rounds {
            for (contender, rounds) in contenders.iter().zip(&mut measured.rounds) {
                let run = contender.run()?;
                eprintln!("{}, round {round}: {} {:.4} s", work.name, contender.name, run.seconds);
                rounds.push(run);
            }
        }
        results.push(measured);
        // Written anew after each, so that an interruption costs no more than one.
        report::write(&args.out, &plan.title, &results)?;
        chart::write(&args.out.join("chart.svg"), &plan.title, &results)?;
    }
    println!("{}", args.out.join("report.md").display());
    Ok(())
}

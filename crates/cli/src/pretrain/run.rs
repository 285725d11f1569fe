use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use tercet_train::{End, Event, Outcome, RunFolder, Trainer};

use super::progress::{Progress, Speed};
use super::recipe::{Recipe, Task};
use super::settings::Settings;
use super::{RUN_FILE, TOKENIZER};
use crate::error::Error;
use crate::output::{self, count, span};
use crate::profile::Profile;
use crate::{args, machine};

/// The steps of a process that are profiled: after some that fill the pool of buffers and wake the cores.
const PROFILED: Range<u64> = 2..12;

/// Where a run begins.
pub enum Begin {
    New(RunFolder),
    Latest(RunFolder),
    At(RunFolder, PathBuf),
}

impl Begin {
    pub fn folder(&self) -> &RunFolder {
        match self {
            Self::New(folder) | Self::Latest(folder) | Self::At(folder, _) => folder,
        }
    }

    fn apply(self, trainer: Trainer<'_>) -> Trainer<'_> {
        match self {
            Self::New(folder) => trainer.output(folder),
            Self::Latest(folder) => trainer.resume(folder),
            Self::At(folder, checkpoint) => trainer.resume_from(folder, checkpoint),
        }
    }
}

/// Trains, and tells a person about it. The trainer, which knows no model, meets the model in the closures here.
///
/// # Errors
/// When something cannot be read or written, or the steps stay without a finite gradient.
pub fn train<R: Recipe>(
    task: &R::Task,
    settings: &Settings<R>,
    begin: Begin,
    mut profile: Option<Profile>,
) -> Result<Outcome, Error> {
    let out = settings.out();
    let (run_file, saved) = (out.join(RUN_FILE), settings.resolved());
    if let Begin::New(_) = begin {
        saved.save(&run_file)?;
        task.tokenizer().save(out.join(TOKENIZER))?;
    }
    let mut batches = task.batches()?;
    tell_start(task, settings, &out);
    let speed = speed(task, settings);
    let peak = speed.peak;
    let mut progress = Progress::new(R::Task::COLUMNS, task.floor(), speed, settings.eval_every());
    progress.head();
    let mut steps_here = 0;

    let profiler = profile.as_ref().map(|profile| profile.profiler.clone());
    let mut trainer = Trainer::new(task.params(), settings.train_config())
        .precision(settings.training.precision.into())
        .title(format!("{} {} on {}", R::NAME, settings.model.size, task.text_name()))
        .stop_on(stop_flag()?)
        .evaluate(|step| Ok(task.evaluate(step)))
        .model_files(|folder| {
            task.write_config(&folder.join("config.json"))?;
            Ok(task.tokenizer().save(folder)?)
        })
        .observe(|event| {
            if let Event::Started { step: 1.., .. } = event {
                // A resumed run has been found to fit its changed settings. Where they cannot be kept, neither can
                // a checkpoint, and that ends the run.
                let _ = saved.save(&run_file);
            }
            progress.observe(event);
            steps_here += u64::from(matches!(event, Event::Step(_)));
            let profiled = steps_here == PROFILED.end || matches!(event, Event::Ended(_));
            if profiled && let Some(profile) = profile.take() {
                let report = profile.report(peak / 1e9);
                progress.lasting(&report.unwrap_or_else(|error| format!("no profile: {error}")));
            }
        });
    if let Some(profiler) = &profiler {
        trainer = trainer.profile(profiler, PROFILED);
    }
    if task.shows_samples() {
        trainer = trainer.sample(|| Ok(task.sample()?));
    }
    if let Some(floor) = task.floor() {
        trainer = trainer.floor(floor);
    }
    let loss = |tape: &_, batch: &_, weights: &_| Ok(task.loss(tape, batch, weights));
    let outcome = begin.apply(trainer).run(&mut batches, loss)?;
    tell_end(&out, &outcome, &progress.metrics(), task.floor());
    Ok(outcome)
}

fn speed<R: Recipe>(task: &R::Task, settings: &Settings<R>) -> Speed {
    let threads = rayon::current_num_threads();
    Speed {
        flops_per_token: task.flops_per_token(),
        peak: 1e9 * machine::peak_gflops(settings.training.precision.into(), threads),
    }
}

fn tell_start<R: Recipe>(task: &R::Task, settings: &Settings<R>, out: &Path) {
    let (steps, threads) = (count(settings.training.steps), rayon::current_num_threads());
    let run = format!("{steps} steps of {} on {threads} threads, into {}", task.step(), out.display());
    for (margin, line) in task.introduction().into_iter().chain([("run", run)]) {
        output::line(&format!("{margin:7} {line}"));
    }
}

/// Raised by the first Ctrl-C, or the first request to end; the second ends the process at once.
fn stop_flag() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn tell_end(out: &Path, outcome: &Outcome, metrics: &str, floor: Option<f64>) {
    let time = span(outcome.duration);
    output::line("");
    if outcome.end == End::Interrupted {
        let step = count(outcome.step);
        output::line(&format!("stopped after step {step} and {time}; everything is saved. To go on:"));
        output::line(&format!("        {} pretrain --resume {}", args::program(), out.display()));
        return;
    }
    if let Some(loss) = outcome.held_out {
        let best = outcome.best.filter(|best| best.loss < loss);
        let best =
            best.map_or(String::new(), |best| format!(", best {:.4} at step {}", best.loss, best.step));
        output::line(&format!("result  held-out loss {loss:.4}{metrics}{best}, in {time}"));
        if let Some(floor) = floor {
            output::line(&format!(
                "floor   {floor:.4} is what a perfect model would reach: {:.4} nats a token below",
                loss - floor
            ));
        }
    }
    output::line(&format!("curve   {}", out.join("loss.svg").display()));
    if let Some(checkpoint) = &outcome.checkpoint {
        output::line(&format!("model   {}", checkpoint.display()));
    }
}

//! A run under way.

use std::{
    ops::Range,
    path::PathBuf,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tercet_tensor::{Part, Profiler, Tape, Tensor, Work};

use crate::{
    batches::{Batches, MicroBatch},
    error::{Error, Failure},
    event::{End, Event, Outcome, StepReport},
    metrics::Record,
    run_folder::RunFolder,
    run_log::RunLog,
    state::{Best, State},
    step::{Stepped, Stepper},
    trainer::Hooks,
};

pub(crate) struct Run<'a> {
    state: State,
    stepper: Stepper,
    hooks: Hooks<'a>,
    folder: Option<&'a RunFolder>,
    log: Option<RunLog<'a>>,
    pace: Pace,
    /// Steps of this process, from 0, of which the profiler is told.
    pub profiled: Option<(Profiler, Range<u64>)>,
    /// The step of the newest checkpoint, which need not be written again.
    saved: Option<u64>,
}

/// How fast this process is.
struct Pace {
    begun: Instant,
    first_step: u64,
    /// Training time before this process.
    seconds_before: f64,
    tokens: u64,
    in_steps: Duration,
}

impl Pace {
    fn seconds(&self) -> f64 {
        self.seconds_before + self.begun.elapsed().as_secs_f64()
    }

    fn eta(&self, step: u64, steps: u64) -> Duration {
        let each = self.begun.elapsed().as_secs_f64() / (step - self.first_step).max(1) as f64;
        Duration::try_from_secs_f64(each * steps.saturating_sub(step) as f64).unwrap_or(Duration::MAX)
    }
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        state: State,
        stepper: Stepper,
        hooks: Hooks<'a>,
        folder: Option<&'a RunFolder>,
        log: Option<RunLog<'a>>,
    ) -> Self {
        let pace = Pace {
            begun: Instant::now(),
            first_step: state.step,
            seconds_before: state.seconds,
            tokens: 0,
            in_steps: Duration::ZERO,
        };
        let saved = (state.step > 0).then_some(state.step);
        Self { state, stepper, hooks, folder, log, pace, profiled: None, saved }
    }

    pub(crate) fn drive<S: Batches>(
        &mut self,
        batches: &mut S,
        mut loss: impl FnMut(&Tape, &S::Batch, &[f32]) -> Result<Tensor, Failure>,
    ) -> Result<Outcome, Error> {
        let steps = self.state.config.steps;
        let parameters = self.stepper.params.len();
        self.tell(&Event::Started { step: self.state.step, steps, parameters });
        let mut end = End::Finished;
        while self.state.step < steps {
            self.step(batches, &mut loss)?;
            let last = self.state.step == steps;
            let better = if last || due(self.state.step, self.state.config.eval_every) {
                self.evaluate()?
            } else {
                false
            };
            if better || due(self.state.step, self.state.config.save_every) {
                self.save()?;
            }
            if self.hooks.stop.load(Ordering::Relaxed) && !last {
                end = End::Interrupted;
                break;
            }
            if self.state.config.patience.is_some_and(|patience| self.state.without_gain >= patience) {
                end = End::StoppedEarly;
                break;
            }
        }
        let checkpoint = self.save()?;
        if let Some(log) = &mut self.log {
            log.finish()?;
        }
        let outcome = self.outcome(end, checkpoint);
        self.tell(&Event::Ended(&outcome));
        Ok(outcome)
    }

    fn step<S: Batches>(
        &mut self,
        batches: &mut S,
        loss: impl FnMut(&Tape, &S::Batch, &[f32]) -> Result<Tensor, Failure>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        let step = self.state.step + 1;
        let done = self.state.step - self.pace.first_step;
        let profiled = self.profiled.as_ref().filter(|(_, steps)| steps.contains(&done));
        let profiler = profiled.map(|(profiler, _)| profiler.clone());
        profiler.iter().for_each(Profiler::begin);
        let drawn: Vec<S::Batch> = (0..self.state.config.accumulate)
            .map(|_| batches.next())
            .collect::<Result<_, _>>()
            .map_err(|source| Error::Task { step, doing: "reading the data", source })?;
        profiler.iter().for_each(|profiler| profiler.ended("data", Part::Step, Work::default()));
        self.stepper.profiler = profiler;
        let stepped = self.stepper.step(&self.state.config, step, &drawn, loss)?;
        let tokens: u64 = drawn.iter().map(|batch| batch.tokens() as u64).sum();
        self.state.step = step;
        self.state.cursor = batches.cursor();
        self.state.tokens += tokens;
        self.state.targets +=
            drawn.iter().flat_map(MicroBatch::targets).map(|count| count as u64).sum::<u64>();
        self.pace.tokens += tokens;
        let duration = begun.elapsed();
        self.pace.in_steps += duration;
        match stepped {
            Stepped::Taken { loss, grad_norm, clip_factor } => {
                self.taken(loss, grad_norm, clip_factor, tokens, duration)
            }
            Stepped::Skipped { what } => self.skipped(what),
        }
    }

    fn taken(
        &mut self,
        loss: f64,
        grad_norm: f64,
        clip_factor: f64,
        tokens: u64,
        duration: Duration,
    ) -> Result<(), Error> {
        self.state.optimizer_steps = self.stepper.optimizer.steps();
        self.state.skipped_in_a_row = 0;
        self.state.mean_loss.add(loss);
        let State { step, config, .. } = &self.state;
        let report = StepReport {
            step: *step,
            steps: config.steps,
            loss,
            mean_loss: self.state.mean_loss.value().unwrap_or(loss),
            held_out: self.state.held_out,
            lr: config.rate(*step),
            grad_norm,
            clip_factor,
            tokens,
            duration,
            tokens_per_second: self.pace.tokens as f64 / self.pace.in_steps.as_secs_f64(),
            eta: self.pace.eta(*step, config.steps),
        };
        self.tell(&Event::Step(report));
        let Some(log) = &mut self.log else { return Ok(()) };
        log.add(&Record::Step {
            step: report.step,
            loss,
            lr: report.lr,
            grad_norm,
            tokens,
            tokens_per_second: tokens as f64 / duration.as_secs_f64(),
            seconds: self.pace.seconds(),
        })
    }

    fn skipped(&mut self, what: String) -> Result<(), Error> {
        self.state.skipped += 1;
        self.state.skipped_in_a_row += 1;
        let (step, row) = (self.state.step, self.state.skipped_in_a_row);
        self.tell(&Event::Skipped { step, what: &what, row });
        if let Some(log) = &mut self.log {
            log.add(&Record::Skipped { step, reason: what.clone() })?;
        }
        if row > self.state.config.max_skips { Err(Error::NotFinite { step, row, what }) } else { Ok(()) }
    }

    /// Evaluates, and says whether the result is the best so far.
    fn evaluate(&mut self) -> Result<bool, Error> {
        let step = self.state.step;
        let Some(evaluate) = &mut self.hooks.evaluate else { return Ok(false) };
        let evaluation =
            evaluate(step).map_err(|source| Error::Task { step, doing: "evaluating", source })?;
        let (loss, stage) = (evaluation.loss, evaluation.stage);
        let beats = |best: Best| stage != best.stage || loss < best.loss;
        let best = loss.is_finite() && self.state.best.is_none_or(beats);
        if best {
            self.state.best = Some(Best { step, loss, stage });
        }
        self.state.without_gain = if best { 0 } else { self.state.without_gain + 1 };
        self.state.held_out = loss.is_finite().then_some(loss);
        if let Some(log) = &mut self.log {
            log.evaluated(step, &evaluation)?;
        }
        self.tell(&Event::Evaluated { step, evaluation: &evaluation, best });
        if let Some(sample) = &mut self.hooks.sample {
            let text = sample().map_err(|source| Error::Task { step, doing: "making a sample", source })?;
            if let Some(log) = &mut self.log {
                log.sampled(step, &text)?;
            }
            self.tell(&Event::Sampled { step, text: &text });
        }
        Ok(best)
    }

    /// Saves the current step unless it is saved, and returns where.
    fn save(&mut self) -> Result<Option<PathBuf>, Error> {
        let Some(folder) = self.folder else { return Ok(None) };
        let checkpoints = folder.checkpoints();
        let step = self.state.step;
        if self.saved == Some(step) {
            return Ok(Some(checkpoints.path(step)));
        }
        self.state.seconds = self.pace.seconds();
        let Stepper { params, optimizer, .. } = &self.stepper;
        let path = checkpoints.save(&self.state, params, optimizer, &mut self.hooks.model_files)?;
        self.saved = Some(step);
        let best = self.state.best.map(|best| best.step);
        checkpoints.prune(self.state.config.keep_last, best)?;
        self.tell(&Event::Saved { step, path: &path });
        Ok(Some(path))
    }

    fn outcome(&self, end: End, checkpoint: Option<PathBuf>) -> Outcome {
        let State { step, mean_loss, held_out, best, skipped, tokens, .. } = &self.state;
        Outcome {
            end,
            step: *step,
            mean_loss: mean_loss.value(),
            held_out: *held_out,
            best: *best,
            skipped: *skipped,
            tokens: *tokens,
            duration: Duration::try_from_secs_f64(self.pace.seconds()).unwrap_or_default(),
            checkpoint,
        }
    }

    fn tell(&mut self, event: &Event) {
        (self.hooks.observe)(event);
    }
}

/// Whether something that happens every `every` steps happens after step `step`; 0 is never.
fn due(step: u64, every: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

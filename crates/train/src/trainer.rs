//! The training loop, which knows no model: it meets one in a closure that turns a micro-batch into a loss.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use tercet_tensor::{Params, Pool, Precision, Profiler, Tape, Tensor};

use crate::{
    batches::Batches,
    checkpoint::Checkpoint,
    config::TrainConfig,
    error::{Error, Failure},
    event::{Evaluation, Event, Outcome},
    optimizer::Optimizer,
    run::Run,
    run_folder::RunFolder,
    run_log::RunLog,
    state::State,
    step::Stepper,
};

type Evaluate<'a> = Box<dyn FnMut(u64) -> Result<Evaluation, Failure> + 'a>;
type Sample<'a> = Box<dyn FnMut() -> Result<String, Failure> + 'a>;
type ModelFiles<'a> = Box<dyn FnMut(&Path) -> Result<(), Failure> + 'a>;
type Observe<'a> = Box<dyn FnMut(&Event) + 'a>;

/// A training run in the making: settings and what to do on the way; [`Trainer::run`] starts it.
///
/// The crate's front page has a whole run.
pub struct Trainer<'a> {
    pub(crate) params: Params,
    pub(crate) config: TrainConfig,
    pub(crate) hooks: Hooks<'a>,
    precision: Precision,
    profiled: Option<(Profiler, Range<u64>)>,
    folder: Option<RunFolder>,
    from: From,
    title: String,
    floor: Option<f64>,
}

/// What the caller does at the stations of a run.
pub(crate) struct Hooks<'a> {
    pub evaluate: Option<Evaluate<'a>>,
    pub sample: Option<Sample<'a>>,
    pub model_files: ModelFiles<'a>,
    pub observe: Observe<'a>,
    pub stop: Arc<AtomicBool>,
}

/// Where a run starts.
enum From {
    Beginning,
    Latest,
    Checkpoint(PathBuf),
}

impl<'a> Trainer<'a> {
    /// A run that trains `params` and keeps everything in memory.
    pub fn new(params: &Params, config: TrainConfig) -> Self {
        Self {
            params: params.clone(),
            config,
            hooks: Hooks {
                evaluate: None,
                sample: None,
                model_files: Box::new(|_| Ok(())),
                observe: Box::new(|_| ()),
                stop: Arc::default(),
            },
            precision: Precision::F32,
            profiled: None,
            folder: None,
            from: From::Beginning,
            title: String::new(),
            floor: None,
        }
    }

    /// Writes checkpoints, logs and pictures into a new run's folder.
    pub fn output(mut self, folder: RunFolder) -> Self {
        (self.folder, self.from) = (Some(folder), From::Beginning);
        self
    }

    /// Goes on from the latest whole checkpoint of a folder, or from the beginning where it has none yet.
    pub fn resume(mut self, folder: RunFolder) -> Self {
        (self.folder, self.from) = (Some(folder), From::Latest);
        self
    }

    /// Goes on from one checkpoint of a folder; later ones are set aside.
    pub fn resume_from(mut self, folder: RunFolder, checkpoint: impl Into<PathBuf>) -> Self {
        (self.folder, self.from) = (Some(folder), From::Checkpoint(checkpoint.into()));
        self
    }

    /// Evaluates with `evaluate`, which is given the steps done, at the times that the settings say.
    pub fn evaluate(mut self, evaluate: impl FnMut(u64) -> Result<Evaluation, Failure> + 'a) -> Self {
        self.hooks.evaluate = Some(Box::new(evaluate));
        self
    }

    /// Makes a sample after each evaluation.
    pub fn sample(mut self, sample: impl FnMut() -> Result<String, Failure> + 'a) -> Self {
        self.hooks.sample = Some(Box::new(sample));
        self
    }

    /// Writes into each checkpoint's folder what makes it a model: config.json, the tokenizer's files.
    pub fn model_files(mut self, write: impl FnMut(&Path) -> Result<(), Failure> + 'a) -> Self {
        self.hooks.model_files = Box::new(write);
        self
    }

    /// Is told of everything that happens.
    pub fn observe(mut self, observe: impl FnMut(&Event) + 'a) -> Self {
        self.hooks.observe = Box::new(observe);
        self
    }

    /// Ends the run after the current step, with a checkpoint, when the flag is raised.
    pub fn stop_on(mut self, flag: Arc<AtomicBool>) -> Self {
        self.hooks.stop = flag;
        self
    }

    /// Does the matrix products of training in `precision`.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Profiles some steps of this process, counted from 0: the first fill the pool of buffers and wake the cores.
    pub fn profile(mut self, profiler: &Profiler, steps: Range<u64>) -> Self {
        self.profiled = Some((profiler.clone(), steps));
        self
    }

    /// The words above the loss curve.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The loss of a perfect model, drawn in the loss curve.
    pub fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }

    /// Trains to the end, or until something stops it.
    ///
    /// `loss` makes the loss of a micro-batch on a tape: the sum over its targets, each term's targets weighted by
    /// the number it is given for that term (see [`MicroBatch::targets`](crate::MicroBatch::targets)).
    ///
    /// # Errors
    /// When a setting, a closure, the data or the disk does not allow to go on; every message names what failed.
    pub fn run<S: Batches>(
        mut self,
        batches: &mut S,
        loss: impl FnMut(&Tape, &S::Batch, &[f32]) -> Result<Tensor, Failure>,
    ) -> Result<Outcome, Error> {
        self.config.validate()?;
        let optimizer = Optimizer::new(self.config.optimizer, self.config.decays.clone(), &self.params);
        let mut stepper = Stepper {
            params: self.params.clone(),
            optimizer,
            pool: Pool::new(),
            precision: self.precision,
            profiler: None,
        };
        let state = self.starting_state(&mut stepper, batches)?;
        let folder = self.folder.take();
        let log = match &folder {
            Some(folder) => Some(RunLog::open(folder, state.step, &self.title, self.floor)?),
            None => None,
        };
        let mut run = Run::new(state, stepper, self.hooks, folder.as_ref(), log);
        run.profiled = self.profiled;
        run.drive(batches, loss)
    }

    /// Finds the checkpoint to start from, if any, and puts everything back to where it was.
    fn starting_state<S: Batches>(&mut self, stepper: &mut Stepper, batches: &mut S) -> Result<State, Error> {
        let Some(checkpoint) = self.starting_checkpoint()? else {
            self.set_aside_after(0)?;
            return Ok(State::start(self.config.clone(), batches.cursor()));
        };
        let mut state = checkpoint.state().clone();
        state.config.allows(&self.config)?;
        checkpoint.restore(&self.params, &mut stepper.optimizer)?;
        batches.restore(&state.cursor).map_err(|source| Error::Task {
            step: state.step,
            doing: "putting the data back to its position",
            source,
        })?;
        // From here on the run goes on, and will come by the later checkpoints again.
        self.set_aside_after(state.step)?;
        state.config = self.config.clone();
        Ok(state)
    }

    /// Renames the checkpoints of later steps.
    fn set_aside_after(&mut self, step: u64) -> Result<(), Error> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let checkpoints = folder.checkpoints();
        for later in checkpoints.steps()?.into_iter().filter(|&later| later > step) {
            let path = checkpoints.set_aside(later)?;
            (self.hooks.observe)(&Event::SetAside { path: &path });
        }
        Ok(())
    }

    fn starting_checkpoint(&mut self) -> Result<Option<Checkpoint>, Error> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let checkpoints = folder.checkpoints();
        Ok(match &self.from {
            From::Beginning => None,
            From::Checkpoint(path) => Some(Checkpoint::open(path)?),
            From::Latest => {
                let latest = checkpoints.latest()?;
                for (step, error) in &latest.damaged {
                    (self.hooks.observe)(&Event::Damaged { step: *step, error });
                }
                latest.checkpoint
            }
        })
    }
}

mod held_out;
mod progress;
mod recipe;
mod run_file;
mod source;
mod stream;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::ArgMatches;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use tercet_data::Windows;
use tercet_gpt2::{Config, Gpt2LmHead};
use tercet_objectives::causal::Documents;
use tercet_tensor::Params;
use tercet_tokenizer::Tokenizer;
use tercet_train::{End, Event, Outcome, RunFolder, Trainer};

use run_file::Attend;
pub use run_file::{Level, RunFile, document_split};

use crate::args;
use crate::error::Error;
use crate::model::folder_of;
use crate::output::{self, count, span};
use crate::{machine, sample};
use progress::{Progress, Speed};
use source::Source;
use stream::Stream;

/// Flags of `pretrain`.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// Take the settings from this run file; flags override it
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
    /// Go on with the run in this folder [without a folder: that of --out]
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    resume: Option<Option<PathBuf>>,
    #[command(flatten)]
    settings: RunFile,
}

/// The file in a run's folder that repeats it.
const RUN_FILE: &str = "run.toml";
/// The folder in a run's folder with its tokenizer.
const TOKENIZER: &str = "tokenizer";

/// Where a run begins.
enum Begin {
    New(RunFolder),
    Latest(RunFolder),
    At(RunFolder, PathBuf),
}

/// Runs the command; `flags` tell which settings were given.
///
/// # Errors
/// When a setting, the text or the disk does not allow to train.
pub fn run(args: Args, flags: &ArgMatches) -> Result<End, Error> {
    let Args { run, resume, mut settings } = args;
    if let Some(path) = &run {
        settings = settings.overlaid(flags, path)?;
    }
    let Some(folder) = resume else {
        if settings.arch.is_none() {
            let how = "`tercet pretrain gpt2`, or with a run file `tercet pretrain --run FILE`";
            args::usage(&format!("which architecture? {how}"));
        }
        machine::start_threads(settings.threads)?;
        return Ok(start(&settings)?.end);
    };
    let begin = resumed(folder.unwrap_or_else(|| settings.out()))?;
    let path = begin.folder().path().to_owned();
    if run.is_none() {
        settings = settings.overlaid(flags, &path.join(RUN_FILE))?;
    }
    settings.out = Some(path.clone());
    machine::start_threads(settings.threads)?;
    let tokenizer = path.join(TOKENIZER);
    let tokenizer = tokenizer.is_dir().then(|| Tokenizer::open(tokenizer)).transpose()?;
    Ok(Run::prepare(&settings, tokenizer)?.train(&settings, begin)?.end)
}

/// Begins a run in a folder that holds none.
///
/// # Errors
/// When a setting, the text or the disk does not allow it; a folder made for it is taken away if nothing is in it yet.
pub fn start(settings: &RunFile) -> Result<Outcome, Error> {
    settings.validate()?;
    let out = settings.out();
    let was_there = out.exists();
    let folder = RunFolder::create(&out)?;
    let run = Run::prepare(settings, None).inspect_err(|_| {
        if !was_there {
            // Nothing but the lock is in it; a folder with more stays.
            let _ = fs::remove_file(out.join(".lock")).and_then(|()| fs::remove_dir(&out));
        }
    })?;
    run.train(settings, Begin::New(folder))
}

/// A run's folder, or one of its checkpoints, to go on from.
fn resumed(path: PathBuf) -> Result<Begin, Error> {
    let run = path.parent().and_then(Path::parent).filter(|_| path.join("manifest.json").is_file());
    Ok(match run {
        Some(run) => Begin::At(RunFolder::open(run)?, path),
        None => Begin::Latest(RunFolder::open(path)?),
    })
}

impl Begin {
    fn folder(&self) -> &RunFolder {
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

/// Text and model, ready to meet.
struct Run {
    source: Source,
    config: Config,
    params: Params,
    model: Gpt2LmHead,
}

impl Run {
    fn prepare(settings: &RunFile, tokenizer: Option<Tokenizer>) -> Result<Self, Error> {
        settings.validate()?;
        let source = Source::prepare(settings, tokenizer)?;
        let config = settings.model_config(&source.tokenizer)?;
        let params = Params::new();
        let model = Gpt2LmHead::new(&params, &config, settings.init.into());
        let model = model.recompute(settings.recompute.into());
        params.init(settings.seed);
        if let Some(path) = &settings.from {
            config.load_weights(folder_of(path)?, &params, settings.seed)?;
        }
        Ok(Self { source, config, params, model })
    }

    /// Trains, and tells a person about it. The trainer, which knows no model, meets the model in the closures here.
    fn train(self, settings: &RunFile, begin: Begin) -> Result<Outcome, Error> {
        let (out, floor) = (settings.out(), self.source.held_out.floor);
        let (run_file, saved) = (out.join(RUN_FILE), settings.resolved());
        if let Begin::New(_) = begin {
            saved.save(&run_file)?;
            self.source.tokenizer.save(out.join(TOKENIZER))?;
        }
        self.tell_start(settings, &out);
        let mut progress = Progress::new(floor, self.speed(settings), settings.eval_every());
        progress.head();

        let Self { source, config, params, model, .. } = &self;
        let mut trainer = Trainer::new(params, settings.train_config())
            .precision(settings.precision.into())
            .title(format!("GPT-2 {} on {}", settings.size, source.name))
            .stop_on(stop_flag()?)
            .evaluate(|| Ok(source.held_out.evaluate(model)))
            .model_files(|folder| {
                config.write(folder.join("config.json"), "GPT2LMHeadModel")?;
                Ok(source.tokenizer.save(folder)?)
            })
            .observe(|event| {
                if let Event::Started { step: 1.., .. } = event {
                    // A resumed run has been found to fit its changed settings. Where they cannot be kept, neither can
                    // a checkpoint, and that ends the run.
                    let _ = saved.save(&run_file);
                }
                progress.observe(event);
            });
        if settings.sample_tokens > 0 {
            let prompt = settings.prompt.as_deref().unwrap_or_default();
            let tokens = settings.sample_tokens;
            trainer =
                trainer.sample(move || Ok(sample::text(model, config, &source.tokenizer, prompt, tokens)?));
        }
        if let Some(floor) = floor {
            trainer = trainer.floor(floor);
        }
        let mut batches = self.stream(settings)?;
        let outcome = begin.apply(trainer).run(&mut batches, |tape, batch, weights| {
            Ok(model.loss(tape, &batch.batch, &batch.weighted(weights[0])).total)
        })?;
        tell_end(&out, &outcome, floor);
        Ok(outcome)
    }

    fn stream(&self, settings: &RunFile) -> Result<Stream, Error> {
        let order = settings.order.into();
        let windows = Windows::new(self.source.train.clone(), order, settings.seq, settings.batch)?;
        let documents = match (settings.attend, self.source.tokenizer.end_of_text()) {
            (Attend::Document, Some(separator)) => Documents::Split { separator },
            _ => Documents::Cross,
        };
        Ok(Stream::new(windows, documents, settings.seed)?)
    }

    fn speed(&self, settings: &RunFile) -> Speed {
        let cost = self.config.cost(settings.batch as u64, settings.seq as u64);
        Speed {
            flops_per_token: 3.0 * cost.forward_flops as f64 / (settings.batch * settings.seq) as f64,
            peak: 1e9 * machine::peak_gflops(settings.precision.into(), rayon::current_num_threads()),
        }
    }

    fn tell_start(&self, settings: &RunFile, out: &Path) {
        let Config { n_layer, n_embd, n_head, vocab_size, .. } = &self.config;
        let (source, tokens) = (&self.source, settings.batch * settings.seq * settings.accumulate);
        output::line(&format!(
            "model   GPT-2, {} parameters: {n_layer} layers, {n_embd} wide, {n_head} heads, vocabulary {}",
            count(self.params.len() as u64),
            count(*vocab_size as u64)
        ));
        output::line(&format!(
            "data    {}: {} tokens to train on, {} held out",
            source.name,
            count(source.train.tokens()),
            count(source.held_out.targets as u64)
        ));
        output::line(&format!(
            "run     {} steps of {} tokens on {} threads, into {}",
            count(settings.steps),
            count(tokens as u64),
            rayon::current_num_threads(),
            out.display()
        ));
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

fn tell_end(out: &Path, outcome: &Outcome, floor: Option<f64>) {
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
        output::line(&format!(
            "result  held-out loss {loss:.4}, perplexity {:.2}{best}, in {time}",
            loss.exp()
        ));
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

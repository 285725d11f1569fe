use tercet_data::Corpus;
use tercet_objectives::denoising::{self, Objective};
use tercet_objectives::{Random, spans};
use tercet_tasks::{Denoising, Encoder, MemberEntry, Mixing, Mixture, MixtureFile, Split, Task};
use tercet_tokenizer::{Special, Tokenizer};

use super::T5;
use super::held_out::{HeldOut, Questions};
use super::stream::Batching;
use crate::error::Error;
use crate::output::Waiting;
use crate::pretrain::settings::Settings;
use crate::pretrain::source::{HeldOutText, Source, store_of, tokenizer};

/// Seed of what is generated or hidden to measure a model, the same for every run so that they compare.
const HELD_OUT_SEED: u64 = 0;
/// Examples of a task that a tokenizer is trained on.
const EXAMPLES_FOR_TOKENIZER: u64 = 20_000;
/// How often the stories themselves come, where nothing says what to learn of them.
const STORIES_RATE: f64 = 2.0;

/// What a run learns from, and what it is measured on.
pub struct Data {
    pub tokenizer: Tokenizer,
    pub mixture: Mixture,
    pub batching: Batching,
    pub held_out: HeldOut,
    /// What it is, for a person.
    pub name: String,
}

impl Data {
    /// Prepares text, tasks and tokenizer as the settings say. `saved` is the tokenizer of a run that goes on.
    ///
    /// # Errors
    /// When something cannot be read or written, or does not fit.
    pub fn prepare(settings: &Settings<T5>, saved: Option<Tokenizer>) -> Result<Self, Error> {
        let file = members(settings)?;
        let reads_text = file.members.iter().any(|member| member.task.is_none() && member.paths.is_empty());
        let source = if reads_text { Some(Source::prepare(settings, saved.clone())?) } else { None };
        let tokenizer = match &source {
            Some(source) => source.tokenizer.clone(),
            None => tokenizer_of_examples(settings, saved, &file)?,
        };
        let Some(end) = tokenizer.end_of_text() else {
            return Err(Error::flag("tokenizer", "a tokenizer with an end of text", "one without"));
        };
        let encoder = Encoder::new(tokenizer.clone(), settings.own.lengths())?;
        // T5 begins an answer with its padding.
        let start = tokenizer.token_to_id("<pad>").unwrap_or(0);
        let batching = Batching { encoder, batch: settings.training.batch, start, end };

        let (length, seed) = (settings.own.seq, settings.training.seed);
        let mixture = file.open::<Error>(seed, |member| {
            let view = match &source {
                Some(source) if member.paths.is_empty() => source.train.clone(),
                _ => {
                    let corpus = Corpus::open(&member.paths, settings.data.document_split())?;
                    store_of(settings, &corpus, &tokenizer)?.view()
                }
            };
            Ok(Denoising::new(view, &tokenizer, member.objective, length, seed)?)
        })?;
        let text = match &source {
            Some(source) => corrupted(settings, source)?,
            None => Vec::new(),
        };
        let questions = questions(settings, &file, &batching.encoder)?;
        let held_out = HeldOut::new(&text, questions, &batching);
        if held_out.targets == 0 {
            let expected = "text, or a task with a validation split, to measure the model on";
            return Err(Error::flag("mixture", expected, "neither"));
        }
        let name = match (&settings.own.mixture, source) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(source)) if settings.data.text.is_empty() => format!("{}, and tasks", source.name),
            (None, source) => source.map_or(String::new(), |source| source.name),
        };
        Ok(Self { tokenizer, mixture, batching, held_out, name })
    }
}

/// What is learnt: what the mixture file says; else the text; else stories and the tasks about them.
fn members(settings: &Settings<T5>) -> Result<MixtureFile, Error> {
    if let Some(path) = &settings.own.mixture {
        return Ok(MixtureFile::read(path)?);
    }
    let member = |task: Option<&'static Task>, rate: f64| MemberEntry {
        task,
        paths: Vec::new(),
        rate: Some(rate),
        objective: settings.own.objective(),
    };
    let mut members = vec![member(None, STORIES_RATE)];
    if settings.data.text.is_empty() {
        let generated = Task::all().iter().filter(|task| task.is_generated());
        members.extend(generated.map(|task| member(Some(task), rate_of(task))));
    }
    Ok(MixtureFile { mixing: Mixing::default(), members })
}

/// How often a generated task comes: short questions that take many examples to learn cost the least.
fn rate_of(task: &Task) -> f64 {
    match task.name {
        "reverse" | "count" => 4.0,
        "topic" => 2.0,
        _ => 1.0,
    }
}

/// A tokenizer for a mixture without a text of the run: given, or trained on what the mixture reads.
fn tokenizer_of_examples(
    settings: &Settings<T5>,
    saved: Option<Tokenizer>,
    file: &MixtureFile,
) -> Result<Tokenizer, Error> {
    let mut texts = Vec::new();
    for member in &file.members {
        if let Some(task) = member.task {
            let examples = task.open(member.path(), Split::Train, HELD_OUT_SEED)?;
            let examples = examples.first(EXAMPLES_FOR_TOKENIZER);
            texts.extend(examples.into_iter().flat_map(|example| [example.inputs, example.targets]));
        } else {
            for document in Corpus::open(&member.paths, settings.data.document_split())?.documents() {
                texts.push(document?);
            }
        }
    }
    let text = tercet_tokenizer::Fingerprint::of(texts.join("\n").as_bytes());
    tokenizer(settings, saved, &format!("{:?}", text.0), |training| {
        let _waiting = Waiting::new("training the tokenizer");
        Ok(training.run(texts.iter())?)
    })
}

/// Held-out text, corrupted once and for all, until `eval_tokens` ids are read.
fn corrupted(settings: &Settings<T5>, source: &Source) -> Result<Vec<spans::Example>, Error> {
    let (objective, length) = (settings.own.objective(), settings.own.seq);
    let most = if settings.data.eval_tokens == 0 { usize::MAX } else { settings.data.eval_tokens };
    match &source.held_out {
        HeldOutText::Documents(view) => {
            let mut text = Denoising::new(view.clone(), &source.tokenizer, objective, length, HELD_OUT_SEED)?;
            let count = text.number().min(most.div_ceil(text.length()) as u64);
            (0..count).map(|_| Ok(text.next_example()?)).collect()
        }
        HeldOutText::Stories { stories, first, .. } => {
            let (mut documents, mut ids) = (Vec::new(), 0);
            for index in *first.. {
                if ids >= most.min(1 << 22) {
                    break;
                }
                documents.push(source.tokenizer.encode(&stories.story(index).text, Special::Without)?);
                ids += documents[documents.len() - 1].len();
            }
            of_documents(&documents, objective, length, &source.tokenizer)
        }
    }
}

fn of_documents(
    documents: &[Vec<u32>],
    objective: Objective,
    length: usize,
    tokenizer: &Tokenizer,
) -> Result<Vec<spans::Example>, Error> {
    let vocabulary = tokenizer.sentinels().first().map_or(0, |first| first + 1);
    let mut random = Random::new(HELD_OUT_SEED);
    let pieces = denoising::pieces(documents, objective.piece(length)?, &[], &mut random);
    let pieces = pieces.iter().filter(|piece| piece.len() > 1);
    pieces.map(|piece| Ok(objective.corrupt(piece, vocabulary, &mut random)?)).collect()
}

/// The held-out examples of every task that has some.
fn questions(
    settings: &Settings<T5>,
    file: &MixtureFile,
    encoder: &Encoder,
) -> Result<Vec<Questions>, Error> {
    let mut all = Vec::new();
    for member in &file.members {
        let Some(task) = member.task else { continue };
        // A file, and not the folder of a task, has no other split.
        if settings.own.eval_examples == 0 || member.path().is_some_and(|path| path.is_file()) {
            continue;
        }
        let examples = match task.open(member.path(), Split::Validation, HELD_OUT_SEED) {
            Err(tercet_tasks::Error::NoFile { .. }) => continue,
            examples => examples?.first(settings.own.eval_examples),
        };
        if !examples.is_empty() {
            all.push(Questions::new(task, examples, encoder)?);
        }
    }
    Ok(all)
}

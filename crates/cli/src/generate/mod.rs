mod texts;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;
use tercet_generate::{EarlyStopping, Generation, GenerationConfig, generate};
use tercet_tokenizer::Special;

use crate::error::Error;
use crate::model::TextModel;
use crate::tokenizer::read_input;
use crate::{file, machine};
use texts::Texts;

/// Flags of `generate`.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A run, a checkpoint or a Hugging Face folder, of a GPT-2 or a T5
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Text to continue, or for T5 to answer; may be given several times. Without it, standard input is taken
    #[arg(long, value_name = "TEXT")]
    prompt: Vec<String>,
    /// File of prompts, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    prompts: Option<PathBuf>,
    /// Prompts that go through the model together
    #[arg(long, default_value_t = 16, value_name = "N")]
    batch: usize,
    /// Tokenizer, where the model's folder has none
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,
    /// Texts to write for each prompt; more than one where they are drawn, or beams
    #[arg(long, default_value_t = 1, value_name = "N")]
    num_return_sequences: usize,
    /// Most tokens to add
    #[arg(long, default_value_t = 100, value_name = "N")]
    max_new_tokens: usize,
    /// Fewest tokens before an end
    #[arg(long, default_value_t = 0, value_name = "N")]
    min_new_tokens: usize,
    /// Make the last of the most tokens an end
    #[arg(long)]
    forced_eos: bool,
    /// Text to end before; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Above 1: less of the tokens that have occurred
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    repetition_penalty: f32,
    /// No run of so many tokens occurs twice; 0 allows all
    #[arg(long, default_value_t = 0, value_name = "N")]
    no_repeat_ngram_size: usize,
    /// Text that does not occur; may be given several times
    #[arg(long, value_name = "TEXT")]
    bad_words: Vec<String>,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,

    /// Draw at random from the whole distribution, rather than take the most probable token; implied by the next four
    #[arg(long, help_heading = "Sampling")]
    sample: bool,
    /// Flatter above 1, more of the probable below
    #[arg(long, value_name = "T", help_heading = "Sampling")]
    temperature: Option<f32>,
    /// Only the K most probable tokens
    #[arg(long, value_name = "K", help_heading = "Sampling")]
    top_k: Option<usize>,
    /// Only the most probable tokens that together reach P
    #[arg(long, value_name = "P", help_heading = "Sampling")]
    top_p: Option<f32>,
    /// Only tokens with at least this share of the most probable one's probability
    #[arg(long, value_name = "P", help_heading = "Sampling")]
    min_p: Option<f32>,
    /// Seed of the draws
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Sampling")]
    seed: u64,

    /// Beams to follow; 1 is no beam search
    #[arg(long, default_value_t = 1, value_name = "N", help_heading = "Beam search")]
    num_beams: usize,
    /// A beam's score is its log-probability over length^X: above 0 for longer texts, below for shorter
    #[arg(long, default_value_t = 1.0, value_name = "X", help_heading = "Beam search")]
    length_penalty: f32,
    /// Stop once there are as many ended texts as beams: true; or when none is likely to become better: false; or when
    /// none can: never
    #[arg(long, default_value = "false", value_name = "WHEN", value_parser = early_stopping, help_heading = "Beam search")]
    early_stopping: EarlyStopping,
}

/// Runs the command.
///
/// # Errors
/// When the model cannot be read, or a prompt or setting does not fit it.
pub fn run(args: &Args) -> Result<(), Error> {
    if args.batch == 0 {
        return Err(Error::Flag { flag: "batch", expected: "at least 1".to_owned(), found: "0".to_owned() });
    }
    machine::start_threads(args.threads)?;
    let model = TextModel::open(&args.model, args.tokenizer.as_deref())?;
    let prompts = match &args.prompts {
        Some(path) => file::lines(path)?,
        None if args.prompt.is_empty() => vec![read_input()?.trim_end_matches('\n').to_owned()],
        None => args.prompt.clone(),
    };
    let settings = args.settings(&model)?;
    let (begun, mut tokens) = (Instant::now(), 0);
    for (number, batch) in prompts.chunks(args.batch).enumerate() {
        let settings = GenerationConfig { seed: args.seed.wrapping_add(number as u64), ..settings.clone() };
        let mut texts = Texts::new(batch, &model, &settings, &args.stop, number)?;
        tokens += write(&model, batch, &settings, &mut texts)?;
        texts.finish()?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("{tokens} tokens in {seconds:.2} s, {:.0} a second", tokens as f64 / seconds);
    Ok(())
}

/// Writes what follows each prompt, and gives the number of ids.
fn write(
    model: &TextModel,
    prompts: &[String],
    settings: &GenerationConfig,
    texts: &mut Texts<'_>,
) -> Result<usize, Error> {
    let begun = model.begin(prompts, settings)?;
    let mut tokens = 0;
    if begun.settings.num_beams > 1 {
        let outputs = generate(begun.model, &begun.prompts, &begun.settings)?;
        for (text, output) in outputs.into_iter().flatten().enumerate() {
            tokens += output.ids.len();
            for id in output.ids {
                texts.push(text, id)?;
            }
        }
        return Ok(tokens);
    }
    let mut generation = Generation::new(begun.model, &begun.prompts, &begun.settings)?;
    while let Some(token) = generation.next() {
        let token = token?;
        tokens += 1;
        if texts.push(token.sequence, token.id)? {
            generation.stop(token.sequence);
        }
    }
    Ok(tokens)
}

impl Args {
    fn settings(&self, model: &TextModel) -> Result<GenerationConfig, Error> {
        let sampling = [self.temperature, self.top_p, self.min_p].iter().any(Option::is_some);
        let end: Vec<u32> = model.end().into_iter().collect();
        Ok(GenerationConfig {
            max_new_tokens: Some(self.max_new_tokens),
            min_new_tokens: self.min_new_tokens,
            forced_eos_token_id: if self.forced_eos { end.clone() } else { Vec::new() },
            eos_token_id: end,
            do_sample: self.sample || sampling || self.top_k.is_some(),
            seed: self.seed,
            temperature: self.temperature.unwrap_or(1.0),
            top_k: self.top_k.unwrap_or(0),
            top_p: self.top_p.unwrap_or(1.0),
            min_p: self.min_p.unwrap_or(0.0),
            repetition_penalty: self.repetition_penalty,
            no_repeat_ngram_size: self.no_repeat_ngram_size,
            bad_words_ids: self.bad_words(model)?,
            suppress_tokens: model.wordless(),
            num_beams: self.num_beams,
            num_return_sequences: self.num_return_sequences,
            length_penalty: self.length_penalty,
            early_stopping: self.early_stopping,
            ..GenerationConfig::default()
        })
    }

    /// The ids of the bad words, each at the beginning of a text and after a space.
    fn bad_words(&self, model: &TextModel) -> Result<Vec<Vec<u32>>, Error> {
        let mut ids = Vec::new();
        for word in &self.bad_words {
            for word in [word.clone(), format!(" {word}")] {
                ids.push(model.tokenizer.encode(&word, Special::Without)?);
            }
        }
        ids.retain(|ids| !ids.is_empty());
        Ok(ids)
    }
}

fn early_stopping(when: &str) -> Result<EarlyStopping, String> {
    let value = match when {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        word => word.into(),
    };
    EarlyStopping::try_from(value)
}

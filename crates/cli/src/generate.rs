use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use tercet_generate::{GenerationConfig, StopStrings};
use tercet_tokenizer::{Special, StreamDecoder, Tokenizer};

use crate::error::Error;
use crate::model::LanguageModel;
use crate::tokenizer::read_input;
use crate::{machine, output, sample};

/// Flags of `generate`.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A run, a checkpoint or a Hugging Face folder
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Text to continue; may be given several times. Without it, standard input is continued
    #[arg(long, value_name = "TEXT")]
    prompt: Vec<String>,
    /// Tokenizer, where the model's folder has none
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,
    /// Most tokens to add
    #[arg(long, default_value_t = 100, value_name = "N")]
    max_new_tokens: usize,
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
    /// Above 1: less of the tokens that have occurred
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    repetition_penalty: f32,
    /// Text to end before; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
}

/// Runs the command.
///
/// # Errors
/// When the model cannot be read, or a prompt or setting does not fit it.
pub fn run(args: &Args) -> Result<(), Error> {
    machine::start_threads(args.threads)?;
    let LanguageModel { config, model, tokenizer, .. } =
        LanguageModel::open(&args.model, args.tokenizer.as_deref())?;
    let texts = if args.prompt.is_empty() {
        vec![read_input()?.trim_end_matches('\n').to_owned()]
    } else {
        args.prompt.clone()
    };
    let prompts =
        texts.iter().map(|text| sample::prompt_ids(text, &tokenizer)).collect::<Result<Vec<_>, _>>()?;
    let settings = args.settings(config.eos_token_id.or(tokenizer.end_of_text()));
    let mut generation = sample::generation(&model, &config, &prompts, &settings)?;
    let mut texts = Texts::new(&texts, &tokenizer, &args.stop)?;
    let (begun, mut tokens) = (Instant::now(), 0u64);
    while let Some(token) = generation.next() {
        let token = token?;
        tokens += 1;
        if texts.push(token.sequence, token.id)? {
            generation.stop(token.sequence);
        }
    }
    texts.finish()?;
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("{tokens} tokens in {seconds:.2} s, {:.0} a second", tokens as f64 / seconds);
    Ok(())
}

impl Args {
    fn settings(&self, end: Option<u32>) -> GenerationConfig {
        let sampling = [self.temperature, self.top_p, self.min_p].iter().any(Option::is_some);
        GenerationConfig {
            max_new_tokens: Some(self.max_new_tokens),
            eos_token_id: end.into_iter().collect(),
            do_sample: self.sample || sampling || self.top_k.is_some(),
            seed: self.seed,
            temperature: self.temperature.unwrap_or(1.0),
            top_k: self.top_k.unwrap_or(0),
            top_p: self.top_p.unwrap_or(1.0),
            min_p: self.min_p.unwrap_or(0.0),
            repetition_penalty: self.repetition_penalty,
            ..GenerationConfig::default()
        }
    }
}

/// What has been written after each prompt. The first text is shown as it grows; those after it wait for their turn.
struct Texts<'a>(Vec<Text<'a>>);

struct Text<'a> {
    decoder: StreamDecoder<'a>,
    stops: StopStrings,
    /// What is certain and has not been shown.
    waiting: String,
}

impl<'a> Texts<'a> {
    fn new(prompts: &[String], tokenizer: &'a Tokenizer, stops: &[String]) -> Result<Self, Error> {
        let text = |prompt: &String| Text {
            decoder: tokenizer.stream(Special::Without),
            stops: StopStrings::new(stops),
            waiting: prompt.clone(),
        };
        let mut texts = Self(prompts.iter().map(text).collect());
        texts.0[0].show()?;
        Ok(texts)
    }

    /// Adds an id to a text; whether it has come to a stop string.
    fn push(&mut self, text: usize, id: u32) -> Result<bool, Error> {
        let grown = &mut self.0[text];
        let piece = grown.decoder.push(id)?;
        grown.waiting += &grown.stops.push(&piece);
        if text == 0 {
            grown.show()?;
        }
        Ok(grown.stops.found())
    }

    /// Prints the rest of all texts, in order.
    fn finish(self) -> Result<(), Error> {
        for (number, mut text) in self.0.into_iter().enumerate() {
            if number > 0 {
                output::say("")?;
            }
            let last = text.decoder.clone().finish()?;
            text.waiting += &text.stops.push(&last);
            text.waiting += &text.stops.clone().finish();
            text.show()?;
            output::say("")?;
        }
        Ok(())
    }
}

impl Text<'_> {
    fn show(&mut self) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        out.write_all(self.waiting.as_bytes())?;
        self.waiting.clear();
        Ok(out.flush()?)
    }
}

use tercet_generate::{GenerationConfig, Step, generate};
use tercet_gpt2::{Config, Gpt2LmHead};
use tercet_tokenizer::{Special, Tokenizer};

use crate::error::Error;

/// The ids of a prompt; without one, or with an empty one, what a document begins with.
///
/// # Errors
/// When the prompt cannot be encoded.
pub fn prompt_ids(prompt: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>, Error> {
    let ids = tokenizer.encode(prompt, Special::Without)?;
    // A vocabulary of characters has no mark of a document's beginning: a line's beginning is the next best.
    let line = || tokenizer.token_to_id("\n").unwrap_or(0);
    Ok(if ids.is_empty() { vec![tokenizer.end_of_text().unwrap_or_else(line)] } else { ids })
}

/// Prompts in the hands of a model: what decoding starts from, whom it asks, and when it must end.
pub struct Begun<'a> {
    /// The ids that each sequence begins with.
    pub prompts: Vec<Vec<u32>>,
    /// What was asked for, within the limits of the model.
    pub settings: GenerationConfig,
    /// The model, with what it keeps of the sequences.
    pub model: Box<dyn FnMut(Step<'_>) -> Vec<f32> + 'a>,
}

/// Begins to continue prompts with a model that keeps keys and values, as `settings` say.
pub fn begin<'a>(
    model: &'a Gpt2LmHead,
    config: &Config,
    prompts: Vec<Vec<u32>>,
    settings: &GenerationConfig,
) -> Begun<'a> {
    let positions = config.n_positions;
    let settings = GenerationConfig { max_length: Some(positions), ..settings.clone() };
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let room = settings.max_new_tokens.unwrap_or(positions);
    let capacity = positions.min(longest.saturating_add(room));
    let mut session = model.session(config, prompts.len(), capacity);
    Begun { prompts, settings, model: Box::new(move |step| session.step(step.parents, step.ids)) }
}

/// The sample that a training run shows: a prompt and its continuation, the same draw each time.
///
/// # Errors
/// When the prompt does not fit the model or its vocabulary.
pub fn text(
    model: &Gpt2LmHead,
    config: &Config,
    tokenizer: &Tokenizer,
    prompt: &str,
    tokens: usize,
) -> Result<String, Error> {
    let settings = GenerationConfig {
        do_sample: true,
        temperature: 0.8,
        top_k: 50,
        max_new_tokens: Some(tokens),
        eos_token_id: tokenizer.end_of_text().into_iter().collect(),
        ..GenerationConfig::default()
    };
    let begun = begin(model, config, vec![prompt_ids(prompt, tokenizer)?], &settings);
    let written = generate(begun.model, &begun.prompts, &begun.settings)?;
    let ids = [&begun.prompts[0][..], &written[0][0].ids].concat();
    Ok(tokenizer.decode(&ids, Special::Without)?)
}

use tercet_generate::{Generation, GenerationConfig, Step};
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

/// Continues prompts with a model that keeps keys and values, as `settings` say.
///
/// # Errors
/// When the settings have no meaning, or a prompt does not fit.
pub fn generation<'a, P: AsRef<[u32]>>(
    model: &'a Gpt2LmHead,
    config: &Config,
    prompts: &[P],
    settings: &GenerationConfig,
) -> Result<Generation<impl FnMut(Step<'_>) -> Vec<f32> + 'a>, Error> {
    let positions = config.n_positions;
    let settings = GenerationConfig { max_length: Some(positions), ..settings.clone() };
    let longest = prompts.iter().map(|prompt| prompt.as_ref().len()).max().unwrap_or(0);
    let capacity = positions.min(longest + settings.max_new_tokens.unwrap_or(positions));
    let mut session = model.session(config, prompts.len(), capacity);
    Ok(Generation::new(move |step: Step| session.step(step.parents, step.ids), prompts, &settings)?)
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
    let prompt = prompt_ids(prompt, tokenizer)?;
    let new: Vec<u32> = generation(model, config, &[&prompt], &settings)?
        .map(|token| token.map(|token| token.id))
        .collect::<Result<_, _>>()?;
    Ok(tokenizer.decode(&[prompt, new].concat(), Special::Without)?)
}

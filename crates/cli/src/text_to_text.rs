use tercet_attention::Batch;
use tercet_generate::GenerationConfig;
use tercet_t5::{Config, T5ForConditionalGeneration};
use tercet_tokenizer::{Special, Tokenizer};

use crate::error::Error;
use crate::sample::Begun;

/// The longest answer where nothing else is asked for: T5 has no last position, but was trained on so many.
const LONGEST: usize = 512;

/// The ids that the encoder reads of a text, with the end id that every text has.
///
/// # Errors
/// When it cannot be encoded.
pub fn input_ids(text: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>, Error> {
    let mut ids = tokenizer.encode(text, Special::With)?;
    let end = tokenizer.end_of_text();
    ids.extend(end.filter(|end| ids.last() != Some(end)));
    if ids.is_empty() {
        let expected = "a text with at least one token";
        return Err(Error::Input { what: "prompt".to_owned(), expected, found: format!("{text:?}") });
    }
    Ok(ids)
}

/// Encodes texts of any lengths together, and begins an answer to each.
pub fn begin<'a>(
    model: &'a T5ForConditionalGeneration,
    config: &Config,
    texts: &[Vec<u32>],
    settings: &GenerationConfig,
) -> Begun<'a> {
    let most = settings.max_new_tokens.unwrap_or(LONGEST);
    // The decoder reads its start id and all that follows but the last.
    let mut session = model.session(config, &Batch::new(texts), most.max(1));
    Begun {
        prompts: vec![vec![config.decoder_start()]; texts.len()],
        settings: GenerationConfig { max_new_tokens: Some(most), ..settings.clone() },
        model: Box::new(move |step| session.step(step.parents, step.ids)),
    }
}

//! What can go wrong while generating.

/// A prompt or a configuration that nothing can be generated from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the configuration has a value without meaning.
    #[error("generation config: {field} is {found}, expected {expected}")]
    Config {
        /// The field, by its Hugging Face name.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// The configuration is not JSON of the right form.
    #[error("generation config: {0}")]
    Json(#[from] serde_json::Error),
    /// A prompt without ids: there is no position to take logits from.
    #[error("prompt {prompt} is empty, expected at least one id")]
    EmptyPrompt {
        /// Its number, from 0.
        prompt: usize,
    },
    /// A prompt leaves no room for an id.
    #[error("prompt {prompt} has {found} ids, expected fewer than the maximum length of {max_length}")]
    LongPrompt {
        /// Its number, from 0.
        prompt: usize,
        /// How many ids it has.
        found: usize,
        /// The most ids that a sequence may have, prompt included.
        max_length: usize,
    },
    /// No id can follow: each is ruled out, or its logit is not a number.
    #[error("sequence {sequence}: at position {position} every id is ruled out or its logit is not a number")]
    NoChoice {
        /// Its number, from 0.
        sequence: usize,
        /// The position of the id that was to be chosen.
        position: usize,
    },
}

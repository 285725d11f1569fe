//! How to generate, with the names of Hugging Face's `generation_config.json`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Processor};

/// How to generate: the mirror of `generation_config.json`, with Hugging Face's names.
///
/// The defaults change nothing: greedy search until `eos_token_id` or a maximum length.
/// Differs from Hugging Face: `top_k` is off unless it is given (there it is 50 when sampling), and `max_length` is
/// no limit unless it is given (there it is 20). `seed` and its stream are tercet's own.
///
/// ```
/// use tercet_generate::GenerationConfig;
///
/// let config = GenerationConfig::from_json(r#"{"do_sample": true, "top_k": 50, "eos_token_id": 50256}"#)?;
/// assert_eq!((config.top_k, config.eos_token_id), (50, vec![50256]));
/// # Ok::<(), tercet_generate::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerationConfig {
    /// The most ids of a sequence, prompt included. A model's number of positions belongs here.
    pub max_length: Option<usize>,
    /// The most ids to generate.
    pub max_new_tokens: Option<usize>,
    /// No end before a sequence has so many ids, prompt included.
    pub min_length: usize,
    /// No end before so many ids are generated.
    pub min_new_tokens: usize,
    /// Ids that end a sequence; they are part of it.
    #[serde(deserialize_with = "one_or_many")]
    pub eos_token_id: Vec<u32>,
    /// Ids of which the last one is made one, when a sequence reaches its maximum length.
    #[serde(deserialize_with = "one_or_many")]
    pub forced_eos_token_id: Vec<u32>,

    /// Sample, instead of taking the most probable id.
    pub do_sample: bool,
    /// Where the random numbers of sampling start.
    pub seed: u64,
    /// Divides the logits. Below 1: more of the probable; above: flatter.
    pub temperature: f32,
    /// Keeps the k most probable ids; 0 keeps all.
    pub top_k: usize,
    /// Keeps the most probable ids that together reach this probability; 1 keeps all.
    pub top_p: f32,
    /// Keeps ids at least so probable, as a share of the most probable one; 0 keeps all.
    pub min_p: f32,
    /// Keeps the ids whose surprise is nearest to the expected one, up to this probability; 1 keeps all.
    pub typical_p: f32,
    /// Keeps ids at least so probable; 0 keeps all.
    pub epsilon_cutoff: f32,
    /// Keeps ids at least so probable, or less in a distribution of high entropy; 0 keeps all.
    pub eta_cutoff: f32,

    /// Divides the positive, multiplies the negative logits of ids that occurred. 1 changes nothing.
    pub repetition_penalty: f32,
    /// No run of so many ids occurs twice; 0 allows all.
    pub no_repeat_ngram_size: usize,
    /// Runs of ids that do not occur.
    pub bad_words_ids: Vec<Vec<u32>>,
    /// Ids that do not occur.
    pub suppress_tokens: Vec<u32>,

    /// How many beams to follow; 1 is no beam search.
    pub num_beams: usize,
    /// How many sequences to return for a prompt: any number when sampling, else at most `num_beams`.
    pub num_return_sequences: usize,
    /// A beam's score is the sum of its log-probabilities over length^`length_penalty`.
    pub length_penalty: f32,
    /// When beam search gives up looking for a better sequence.
    pub early_stopping: EarlyStopping,

    /// Fields that change nothing here, kept so that they can be written back.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// When beam search gives up looking for a better sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Value", try_from = "Value")]
pub enum EarlyStopping {
    /// `true`: as soon as there are as many finished sequences as beams.
    AtEnoughFinished,
    /// `false`: when the best running beam, scored at its present length, is worse than the worst finished sequence.
    #[default]
    Heuristic,
    /// `"never"`: when no running beam can become better than the worst finished sequence at any length.
    Never,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        GenerationConfig {
            max_length: None,
            max_new_tokens: None,
            min_length: 0,
            min_new_tokens: 0,
            eos_token_id: Vec::new(),
            forced_eos_token_id: Vec::new(),
            do_sample: false,
            seed: 0,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            epsilon_cutoff: 0.0,
            eta_cutoff: 0.0,
            repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
            bad_words_ids: Vec::new(),
            suppress_tokens: Vec::new(),
            num_beams: 1,
            num_return_sequences: 1,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::default(),
            other: Map::new(),
        }
    }
}

impl GenerationConfig {
    /// Reads the text of a `generation_config.json`, in which `null` means the default.
    ///
    /// # Errors
    /// It is not JSON, a field has another type, or [`validate`](Self::validate) finds a value without meaning.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let mut fields: Map<String, Value> = serde_json::from_str(text)?;
        fields.retain(|_, value| !value.is_null());
        let config: GenerationConfig = serde_json::from_value(Value::Object(fields))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that each field has a meaning, and that something ends the generation.
    ///
    /// # Errors
    /// Names the first field that has none.
    pub fn validate(&self) -> Result<(), Error> {
        fn check<T: ToString>(
            fine: bool,
            field: &'static str,
            expected: &'static str,
            found: T,
        ) -> Result<(), Error> {
            if fine { Ok(()) } else { Err(Error::Config { field, expected, found: found.to_string() }) }
        }
        let positive = |x: f32| x > 0.0 && x.is_finite();
        let share = |x: f32| (0.0..=1.0).contains(&x);
        check(positive(self.temperature), "temperature", "a number above 0", self.temperature)?;
        check(share(self.top_p), "top_p", "a number from 0 to 1", self.top_p)?;
        check(share(self.min_p), "min_p", "a number from 0 to 1", self.min_p)?;
        check(share(self.typical_p), "typical_p", "a number from 0 to 1", self.typical_p)?;
        check(share(self.epsilon_cutoff), "epsilon_cutoff", "a number from 0 to 1", self.epsilon_cutoff)?;
        check(share(self.eta_cutoff), "eta_cutoff", "a number from 0 to 1", self.eta_cutoff)?;
        check(
            positive(self.repetition_penalty),
            "repetition_penalty",
            "a number above 0",
            self.repetition_penalty,
        )?;
        check(self.length_penalty.is_finite(), "length_penalty", "a finite number", self.length_penalty)?;
        let empty_words = self.bad_words_ids.iter().filter(|word| word.is_empty()).count();
        check(empty_words == 0, "bad_words_ids", "no empty list", format!("{empty_words} empty lists"))?;
        check(self.num_beams > 0, "num_beams", "at least 1", self.num_beams)?;
        let returned = self.num_return_sequences;
        check(
            returned > 0 && (self.do_sample || returned <= self.num_beams),
            "num_return_sequences",
            "from 1 to num_beams, or any number when do_sample is true",
            returned,
        )?;
        check(
            !(self.do_sample && self.num_beams > 1),
            "num_beams",
            "1 when do_sample is true",
            self.num_beams,
        )?;
        let ends = self.max_length.or(self.max_new_tokens).is_some();
        let beams_end = self.num_beams == 1 || ends;
        check(
            ends || !self.eos_token_id.is_empty(),
            "max_new_tokens",
            "a limit where eos_token_id is missing",
            "none",
        )?;
        check(beams_end, "max_new_tokens", "a limit for beam search", "none")
    }

    /// The processors that this configuration asks for, in Hugging Face's order: those that rule ids out, and when
    /// sampling those that reshape the distribution.
    pub fn processors(&self) -> Vec<Processor> {
        let stop = || self.eos_token_id.clone();
        let ends = !self.eos_token_id.is_empty();
        let rules = [
            (self.repetition_penalty != 1.0).then_some(Processor::RepetitionPenalty(self.repetition_penalty)),
            (self.no_repeat_ngram_size > 0).then_some(Processor::NoRepeatNgram(self.no_repeat_ngram_size)),
            (!self.bad_words_ids.is_empty()).then(|| Processor::BadWords(self.bad_words())),
            (ends && self.min_length > 0)
                .then(|| Processor::MinLength { length: self.min_length, stop: stop() }),
            (ends && self.min_new_tokens > 0)
                .then(|| Processor::MinNewTokens { length: self.min_new_tokens, stop: stop() }),
            (!self.forced_eos_token_id.is_empty())
                .then(|| Processor::ForcedLast(self.forced_eos_token_id.clone())),
            (!self.suppress_tokens.is_empty()).then(|| Processor::Suppress(self.suppress_tokens.clone())),
        ];
        let keep = 1;
        let filters = [
            (self.temperature != 1.0).then_some(Processor::Temperature(self.temperature)),
            (self.top_k > 0).then_some(Processor::TopK { k: self.top_k, keep }),
            (self.top_p < 1.0).then_some(Processor::TopP { p: self.top_p, keep }),
            (self.min_p > 0.0).then_some(Processor::MinP { p: self.min_p, keep }),
            (self.typical_p < 1.0).then_some(Processor::Typical { p: self.typical_p, keep }),
            (self.epsilon_cutoff > 0.0).then_some(Processor::Epsilon { epsilon: self.epsilon_cutoff, keep }),
            (self.eta_cutoff > 0.0).then_some(Processor::Eta { epsilon: self.eta_cutoff, keep }),
        ];
        let filters = filters.into_iter().filter(|_| self.do_sample);
        rules.into_iter().chain(filters).flatten().collect()
    }

    /// The most ids that may follow a prompt of so many.
    pub(crate) fn room_after(&self, prompt: usize) -> usize {
        let by_length = self.max_length.map_or(usize::MAX, |most| most.saturating_sub(prompt));
        by_length.min(self.max_new_tokens.unwrap_or(usize::MAX))
    }

    /// The bad words, without those that are just an end: an end is ruled by the lengths alone.
    fn bad_words(&self) -> Vec<Vec<u32>> {
        let is_end = |word: &[u32]| matches!(word, [id] if self.eos_token_id.contains(id));
        self.bad_words_ids.iter().filter(|word| !is_end(word)).cloned().collect()
    }
}

impl From<EarlyStopping> for Value {
    fn from(early_stopping: EarlyStopping) -> Value {
        match early_stopping {
            EarlyStopping::AtEnoughFinished => Value::Bool(true),
            EarlyStopping::Heuristic => Value::Bool(false),
            EarlyStopping::Never => Value::String("never".to_owned()),
        }
    }
}

impl TryFrom<Value> for EarlyStopping {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match &value {
            Value::Bool(true) => Ok(EarlyStopping::AtEnoughFinished),
            Value::Bool(false) => Ok(EarlyStopping::Heuristic),
            Value::String(word) if word == "never" => Ok(EarlyStopping::Never),
            _ => Err(format!("early_stopping is {value}, expected true, false or \"never\"")),
        }
    }
}

/// Hugging Face writes a single id, or a list of them.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ids {
        One(u32),
        Many(Vec<u32>),
        Null,
    }
    Ok(match Ids::deserialize(deserializer)? {
        Ids::One(id) => vec![id],
        Ids::Many(ids) => ids,
        Ids::Null => Vec::new(),
    })
}

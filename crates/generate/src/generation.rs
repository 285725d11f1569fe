//! Greedy search and sampling, one id at a time.

use std::collections::VecDeque;
use std::iter::repeat_n;

use crate::{Error, GenerationConfig, History, Processor, beam, choice};

/// What a model is asked: the logits of the next id of each live sequence.
///
/// Sequence `i` is sequence `parents[i]` of the step before, and `ids[i]` after it. On the first step there is none
/// before: `parents` is empty and `ids` are the prompts. The model answers with (`ids.len()`, V) logits, row by row.
/// A sequence that no parent names has ended, and what a model has cached for it can go.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Where each sequence comes from.
    pub parents: &'a [usize],
    /// What each has grown by.
    pub ids: &'a [&'a [u32]],
}

/// One generated id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The number of its sequence, from 0: those of the first prompt first.
    pub sequence: usize,
    /// The id.
    pub id: u32,
    /// Why it is the last of its sequence, if it is.
    pub finish: Option<Finish>,
}

/// Why a sequence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Its last id is one of `eos_token_id`.
    Stop,
    /// It has as many ids as it may.
    Length,
}

/// One finished sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The generated ids, without the prompt.
    pub ids: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// In beam search Σ log p / length^`length_penalty`.
    pub score: Option<f32>,
}

/// Greedy search or sampling, as an iterator over the ids in the order in which they are made.
///
/// All prompts go through the model together; a sequence that ends leaves the batch.
pub struct Generation<M> {
    model: M,
    config: GenerationConfig,
    processors: Vec<Processor>,
    sequences: Vec<Sequence>,
    made: VecDeque<Result<Token, Error>>,
}

#[derive(Clone)]
struct Sequence {
    ids: Vec<u32>,
    prompt: usize,
    /// How many of the ids the model has seen.
    seen: usize,
    /// Its row in the model's last answer.
    row: Option<usize>,
    live: bool,
}

impl<M: FnMut(Step<'_>) -> Vec<f32>> Generation<M> {
    /// Prepares to continue each prompt, in `num_return_sequences` ways where they are drawn at random. The model reads
    /// a prompt once, whatever their number.
    ///
    /// # Errors
    /// The configuration has no meaning or asks for beams (use [`generate`]), or a prompt is empty or too long.
    pub fn new<P: AsRef<[u32]>>(model: M, prompts: &[P], config: &GenerationConfig) -> Result<Self, Error> {
        check(prompts, config)?;
        if config.num_beams > 1 {
            let found = config.num_beams.to_string();
            return Err(Error::Config { field: "num_beams", expected: "1 where ids are streamed", found });
        }
        let begin = |prompt: &P| {
            let ids = prompt.as_ref().to_vec();
            Sequence { prompt: ids.len(), seen: 0, row: None, live: config.room_after(ids.len()) > 0, ids }
        };
        let ways = config.num_return_sequences;
        let sequences = prompts.iter().flat_map(|prompt| repeat_n(begin(prompt), ways)).collect();
        let (processors, made) = (config.processors(), VecDeque::new());
        Ok(Generation { model, config: config.clone(), processors, sequences, made })
    }

    /// Ends a sequence from outside, for example at a stop string.
    pub fn stop(&mut self, sequence: usize) {
        self.sequences[sequence].live = false;
        self.made.retain(|token| !matches!(token, Ok(token) if token.sequence == sequence));
    }

    /// Asks the model once, and chooses an id for each live sequence.
    fn step(&mut self) {
        let live: Vec<usize> = (0..self.sequences.len()).filter(|&i| self.sequences[i].live).collect();
        if live.is_empty() {
            return;
        }
        // Sequences that still begin alike are one to the model.
        let mut asked = live.clone();
        asked.dedup_by_key(|i| match self.sequences[*i].row {
            None => *i / self.config.num_return_sequences,
            Some(_) => *i,
        });
        let parents: Vec<usize> = asked.iter().filter_map(|&i| self.sequences[i].row).collect();
        let ids: Vec<&[u32]> =
            asked.iter().map(|&i| &self.sequences[i].ids[self.sequences[i].seen..]).collect();
        let logits = (self.model)(Step { parents: &parents, ids: &ids });
        assert!(
            !logits.is_empty() && logits.len().is_multiple_of(asked.len()),
            "{} logits for {} sequences: expected one row of the vocabulary for each",
            logits.len(),
            asked.len()
        );
        let rows: Vec<&[f32]> = logits.chunks(logits.len() / asked.len()).collect();
        for i in live {
            let row = asked.partition_point(|&first| first <= i) - 1;
            self.sequences[i].row = Some(row);
            let token = self.choose(i, &mut rows[row].to_vec());
            self.made.push_back(token);
        }
    }

    fn choose(&mut self, i: usize, logits: &mut [f32]) -> Result<Token, Error> {
        let sequence = &mut self.sequences[i];
        let position = sequence.ids.len();
        let room = self.config.room_after(sequence.prompt) - (position - sequence.prompt);
        let history = History { ids: &sequence.ids, prompt: sequence.prompt, room };
        self.processors.iter().for_each(|processor| processor.apply(&history, logits));
        let chosen = match self.config.do_sample {
            true => choice::sample(choice::uniform(self.config.seed, i as u64, position as u64), logits),
            false => choice::most_probable(logits),
        };
        sequence.seen = position;
        let Some(id) = chosen else {
            sequence.live = false;
            return Err(Error::NoChoice { sequence: i, position });
        };
        sequence.ids.push(id);
        let finish = match (self.config.eos_token_id.contains(&id), room == 1) {
            (true, _) => Some(Finish::Stop),
            (false, true) => Some(Finish::Length),
            (false, false) => None,
        };
        sequence.live = finish.is_none();
        Ok(Token { sequence: i, id, finish })
    }
}

impl<M: FnMut(Step<'_>) -> Vec<f32>> Iterator for Generation<M> {
    type Item = Result<Token, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.made.is_empty() {
            self.step();
        }
        self.made.pop_front()
    }
}

/// Generates to the end, by greedy search, sampling or beam search: `num_return_sequences` outputs for each prompt.
///
/// # Errors
/// The configuration has no meaning, a prompt is empty or too long, or no id can follow.
pub fn generate<P: AsRef<[u32]>>(
    model: impl FnMut(Step<'_>) -> Vec<f32>,
    prompts: &[P],
    config: &GenerationConfig,
) -> Result<Vec<Vec<Output>>, Error> {
    if config.num_beams > 1 {
        check(prompts, config)?;
        return beam::search(model, prompts, config);
    }
    let (empty, ways) =
        (Output { ids: Vec::new(), finish: Finish::Length, score: None }, config.num_return_sequences);
    let mut outputs = vec![vec![empty; ways]; prompts.len()];
    for token in Generation::new(model, prompts, config)? {
        let token = token?;
        let output = &mut outputs[token.sequence / ways][token.sequence % ways];
        output.ids.push(token.id);
        output.finish = token.finish.unwrap_or(Finish::Length);
    }
    Ok(outputs)
}

fn check<P: AsRef<[u32]>>(prompts: &[P], config: &GenerationConfig) -> Result<(), Error> {
    config.validate()?;
    for (prompt, ids) in prompts.iter().enumerate() {
        let found = ids.as_ref().len();
        if found == 0 {
            return Err(Error::EmptyPrompt { prompt });
        }
        if let Some(max_length) = config.max_length.filter(|&most| found >= most) {
            return Err(Error::LongPrompt { prompt, found, max_length });
        }
    }
    Ok(())
}

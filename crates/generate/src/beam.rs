//! Beam search: the sequences of the greatest total probability, as far as a few beams can find them.

use crate::{EarlyStopping, History};
use crate::{Error, Finish, GenerationConfig, Output, Processor, Step};

/// The running and the finished sequences of one prompt.
struct Search<'a> {
    config: &'a GenerationConfig,
    prompt: usize,
    running: Vec<Beam>,
    /// Best first, with their scores.
    finished: Vec<(f32, Output)>,
}

/// One running sequence.
#[derive(Clone)]
struct Beam {
    ids: Vec<u32>,
    /// Σ log p of its generated ids.
    log_p: f32,
}

/// A beam grown by one id.
struct Candidate {
    parent: usize,
    id: u32,
    log_p: f32,
}

/// Follows `num_beams` beams for each prompt; gives the best `num_return_sequences` of each, best first.
pub fn search<P: AsRef<[u32]>>(
    mut model: impl FnMut(Step<'_>) -> Vec<f32>,
    prompts: &[P],
    config: &GenerationConfig,
) -> Result<Vec<Vec<Output>>, Error> {
    let processors = config.processors();
    let mut searches: Vec<Search> =
        prompts.iter().map(|prompt| Search::new(prompt.as_ref(), config)).collect();
    let mut parents: Vec<usize> = Vec::new();
    while searches.iter().any(|search| !search.running.is_empty()) {
        let beams: Vec<&Beam> = searches.iter().flat_map(|search| &search.running).collect();
        let last = |beam: &&Beam| if parents.is_empty() { 0 } else { beam.ids.len() - 1 };
        let ids: Vec<&[u32]> = beams.iter().map(|beam| &beam.ids[last(beam)..]).collect();
        let mut logits = model(Step { parents: &parents, ids: &ids });
        assert!(
            !logits.is_empty() && logits.len().is_multiple_of(ids.len()),
            "{} logits for {} beams: expected one row of the vocabulary for each",
            logits.len(),
            ids.len()
        );
        let vocabulary = logits.len() / ids.len();
        parents.clear();
        let (mut rows, mut first) = (logits.chunks_mut(vocabulary), 0);
        for (number, search) in searches.iter_mut().enumerate() {
            let beams = search.running.len();
            let rows: Vec<&mut [f32]> = rows.by_ref().take(beams).collect();
            let survivors = search.step(number, rows, &processors)?;
            parents.extend(survivors.into_iter().map(|parent| first + parent));
            first += beams;
        }
    }
    Ok(searches.into_iter().map(Search::outputs).collect())
}

impl<'a> Search<'a> {
    fn new(prompt: &[u32], config: &'a GenerationConfig) -> Self {
        let begin = Beam { ids: prompt.to_vec(), log_p: 0.0 };
        let running = if config.room_after(prompt.len()) > 0 { vec![begin] } else { Vec::new() };
        Search { config, prompt: prompt.len(), running, finished: Vec::new() }
    }

    /// Grows every beam by one id, given its logits; tells which beam each running one came from.
    fn step(
        &mut self,
        number: usize,
        logits: Vec<&mut [f32]>,
        processors: &[Processor],
    ) -> Result<Vec<usize>, Error> {
        let Some(length) = self.running.first().map(|beam| beam.ids.len() + 1) else { return Ok(Vec::new()) };
        let candidates = self.candidates(logits, processors);
        if candidates.is_empty() {
            return Err(Error::NoChoice { sequence: number, position: length - 1 });
        }
        let full = self.config.room_after(self.prompt) == length - self.prompt;
        let (mut running, mut parents) = (Vec::new(), Vec::new());
        for (rank, candidate) in candidates.into_iter().enumerate() {
            let stops = self.config.eos_token_id.contains(&candidate.id);
            let mut ids = self.running[candidate.parent].ids.clone();
            ids.push(candidate.id);
            if !stops && !full {
                if running.len() < self.config.num_beams {
                    running.push(Beam { ids, log_p: candidate.log_p });
                    parents.push(candidate.parent);
                }
            } else if rank < self.config.num_beams {
                // An end counts only where it would have stayed a beam.
                let finish = if stops { Finish::Stop } else { Finish::Length };
                self.finish(ids, candidate.log_p, finish);
            }
        }
        self.keep_best();
        self.running = running;
        if !self.goes_on(length - self.prompt) {
            self.running.clear();
            parents.clear();
        }
        Ok(parents)
    }

    /// The best ways to grow a beam by one id, best first: so many that `num_beams` remain when each stop id ends one.
    fn candidates(&self, logits: Vec<&mut [f32]>, processors: &[Processor]) -> Vec<Candidate> {
        let wanted = self.config.num_beams * (1 + self.config.eos_token_id.len()).max(2);
        let mut candidates = Vec::new();
        for (parent, (beam, logits)) in self.running.iter().zip(logits).enumerate() {
            log_softmax(logits);
            let room = self.config.room_after(self.prompt) - (beam.ids.len() - self.prompt);
            let history = History { ids: &beam.ids, prompt: self.prompt, room };
            processors.iter().for_each(|processor| processor.apply(&history, logits));
            let grown = |(id, &log_p): (u32, &f32)| Candidate { parent, id, log_p: beam.log_p + log_p };
            let possible =
                (0..).zip(logits.iter()).map(grown).filter(|grown| grown.log_p > f32::NEG_INFINITY);
            candidates.extend(possible);
        }
        let better = |a: &Candidate, b: &Candidate| {
            b.log_p.total_cmp(&a.log_p).then((a.parent, a.id).cmp(&(b.parent, b.id)))
        };
        if candidates.len() > wanted {
            candidates.select_nth_unstable_by(wanted, better);
            candidates.truncate(wanted);
        }
        candidates.sort_by(better);
        candidates
    }

    fn finish(&mut self, mut ids: Vec<u32>, log_p: f32, finish: Finish) {
        let generated = ids.split_off(self.prompt);
        let score = self.score(log_p, generated.len());
        self.finished.push((score, Output { ids: generated, finish, score: Some(score) }));
    }

    fn score(&self, log_p: f32, length: usize) -> f32 {
        log_p / (length as f32).powf(self.config.length_penalty)
    }

    fn is_full(&self) -> bool {
        self.finished.len() == self.config.num_beams
    }

    fn keep_best(&mut self) {
        self.finished.sort_by(|a, b| b.0.total_cmp(&a.0)); // stable: the older of equals first
        self.finished.truncate(self.config.num_beams);
    }

    /// Whether the running beams, now of `length` generated ids, are worth following.
    fn goes_on(&self, length: usize) -> bool {
        let Some(best) = self.running.first() else { return false };
        let Some((worst, _)) = self.finished.last().filter(|_| self.is_full()) else { return true };
        let longest = self.config.room_after(self.prompt);
        let attainable = match self.config.early_stopping {
            EarlyStopping::AtEnoughFinished => return false,
            EarlyStopping::Never if self.config.length_penalty > 0.0 => self.score(best.log_p, longest),
            EarlyStopping::Never | EarlyStopping::Heuristic => self.score(best.log_p, length),
        };
        attainable > *worst
    }

    fn outputs(self) -> Vec<Output> {
        self.finished.into_iter().take(self.config.num_return_sequences).map(|(_, output)| output).collect()
    }
}

/// x − log Σ exp(x).
fn log_softmax(logits: &mut [f32]) {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - max).exp()).sum();
    let log_sum = sum.ln() as f32;
    logits.iter_mut().for_each(|logit| *logit = *logit - max - log_sum);
}

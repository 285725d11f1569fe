//! What is done to the logits before an id is chosen.

use crate::filter;

/// One change to the logits of the next id. An id that is ruled out gets −∞.
///
/// Each variant is the class of the same name in Hugging Face's `logits_process.py`; `keep` is its
/// `min_tokens_to_keep`, the number of ids that stay whatever the filter says.
///
/// ```
/// use tercet_generate::{History, Processor};
///
/// let mut logits = [1.0, 4.0, 3.0, 2.0];
/// let history = History { ids: &[1], prompt: 1, room: 10 };
/// Processor::RepetitionPenalty(2.0).apply(&history, &mut logits);
/// Processor::TopK { k: 2, keep: 1 }.apply(&history, &mut logits);
/// assert_eq!(logits, [f32::NEG_INFINITY, 2.0, 3.0, 2.0]); // ties with the second stay
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Processor {
    /// Divides the positive, multiplies the negative logits of ids that occurred (Keskar et al. 2019, section 4.1).
    RepetitionPenalty(f32),
    /// Rules out ids that would complete a run of n ids for the second time.
    NoRepeatNgram(usize),
    /// Rules out ids that would complete one of these runs.
    BadWords(Vec<Vec<u32>>),
    /// Rules out `stop` while a sequence is shorter than `length`, prompt included.
    MinLength {
        /// The shortest length.
        length: usize,
        /// The ids that end a sequence.
        stop: Vec<u32>,
    },
    /// Rules out `stop` while fewer than `length` ids are generated.
    MinNewTokens {
        /// The fewest generated ids.
        length: usize,
        /// The ids that end a sequence.
        stop: Vec<u32>,
    },
    /// Rules out all but these ids when there is room for one more.
    ForcedLast(Vec<u32>),
    /// Rules out these ids.
    Suppress(Vec<u32>),
    /// Divides the logits.
    Temperature(f32),
    /// Keeps the `k` greatest logits, and those equal to the k-th (Fan et al. 2018).
    TopK {
        /// How many.
        k: usize,
        /// At least so many.
        keep: usize,
    },
    /// Keeps the smallest set of the most probable ids that reaches probability `p` (Holtzman et al. 2020).
    TopP {
        /// The probability to reach.
        p: f32,
        /// At least so many ids.
        keep: usize,
    },
    /// Keeps ids at least `p` times as probable as the most probable one (Nguyen et al. 2024).
    MinP {
        /// The share.
        p: f32,
        /// At least so many ids.
        keep: usize,
    },
    /// Keeps the ids whose −log p is nearest to the entropy, up to probability `p` (Meister et al. 2023).
    Typical {
        /// The probability to reach.
        p: f32,
        /// At least so many ids.
        keep: usize,
    },
    /// Keeps ids of probability `epsilon` or more (Hewitt et al. 2022).
    Epsilon {
        /// The least probability.
        epsilon: f32,
        /// At least so many ids.
        keep: usize,
    },
    /// Keeps ids of probability min(ε, √ε·exp(−entropy)) or more (Hewitt et al. 2022).
    Eta {
        /// ε.
        epsilon: f32,
        /// At least so many ids.
        keep: usize,
    },
}

/// What a sequence holds when its next id is chosen.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// All ids so far, prompt included.
    pub ids: &'a [u32],
    /// How many of them are the prompt.
    pub prompt: usize,
    /// How many ids may follow.
    pub room: usize,
}

impl Processor {
    /// Changes the logits of the id that follows `history`.
    pub fn apply(&self, history: &History, logits: &mut [f32]) {
        let ids = history.ids;
        match self {
            Processor::RepetitionPenalty(penalty) => penalise(*penalty, ids, logits),
            Processor::NoRepeatNgram(n) => rule_out_repeats(*n, ids, logits),
            Processor::BadWords(words) => rule_out_completions(words, ids, logits),
            Processor::MinLength { length, stop } if ids.len() < *length => rule_out(stop, logits),
            Processor::MinNewTokens { length, stop }
                if ids.len().saturating_sub(history.prompt) < *length =>
            {
                rule_out(stop, logits)
            }
            Processor::MinLength { .. } | Processor::MinNewTokens { .. } => {}
            Processor::ForcedLast(forced) if history.room == 1 => force(forced, logits),
            Processor::ForcedLast(_) => {}
            Processor::Suppress(suppressed) => rule_out(suppressed, logits),
            Processor::Temperature(temperature) => logits.iter_mut().for_each(|logit| *logit /= temperature),
            Processor::TopK { k, keep } => filter::top_k(*(k.max(keep)), logits),
            Processor::TopP { p, keep } => filter::top_p(*p, *keep, logits),
            Processor::MinP { p, keep } => filter::min_p(*p, *keep, logits),
            Processor::Typical { p, keep } => filter::typical(*p, *keep, logits),
            Processor::Epsilon { epsilon, keep } => filter::epsilon(*epsilon, *keep, logits),
            Processor::Eta { epsilon, keep } => filter::eta(*epsilon, *keep, logits),
        }
    }
}

fn penalise(penalty: f32, ids: &[u32], logits: &mut [f32]) {
    let mut seen = ids.to_vec(); // an id that occurred twice is penalised once
    seen.sort_unstable();
    seen.dedup();
    for id in seen {
        if let Some(logit) = logits.get_mut(id as usize) {
            *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
        }
    }
}

fn rule_out_repeats(n: usize, ids: &[u32], logits: &mut [f32]) {
    if n == 0 || ids.len() < n {
        return;
    }
    let begun = &ids[ids.len() + 1 - n..];
    for run in ids.windows(n) {
        if let Some((last, prefix)) = run.split_last()
            && prefix == begun
        {
            rule_out(&[*last], logits);
        }
    }
}

fn rule_out_completions(words: &[Vec<u32>], ids: &[u32], logits: &mut [f32]) {
    for word in words {
        if let Some((last, prefix)) = word.split_last()
            && ids.ends_with(prefix)
        {
            rule_out(&[*last], logits);
        }
    }
}

fn rule_out(ids: &[u32], logits: &mut [f32]) {
    for &id in ids {
        if let Some(logit) = logits.get_mut(id as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

fn force(ids: &[u32], logits: &mut [f32]) {
    logits.fill(f32::NEG_INFINITY);
    for &id in ids {
        if let Some(logit) = logits.get_mut(id as usize) {
            *logit = 0.0;
        }
    }
}

//! The optimiser: an update rule, its moments, and which parameters decay.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tercet_tensor::{Entry, Params, elementwise};

use crate::{
    adafactor::Kept,
    rule::{Rule, Update},
};

/// Which parameters shrink under weight decay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decays {
    /// Those of two or more dimensions: products and embeddings, as in nanoGPT.
    #[default]
    Matrices,
    /// All but biases and the weights of norms, told by their names, as in Hugging Face's trainer and Google's BERT.
    NotBiasOrNorm,
    /// Every parameter.
    All,
    /// All but those whose name contains one of these.
    Except(Vec<String>),
}

impl Decays {
    /// Whether the parameter `name` with `dims` dimensions decays.
    pub fn includes(&self, name: &str, dims: usize) -> bool {
        match self {
            Self::Matrices => dims >= 2,
            Self::NotBiasOrNorm => {
                let lower = name.to_lowercase();
                let norm = |part: &str| part.contains("norm") || part == "ln" || part.starts_with("ln_");
                lower.rsplit('.').next() != Some("bias") && !lower.split('.').any(norm)
            }
            Self::All => true,
            Self::Except(parts) => !parts.iter().any(|part| name.contains(part.as_str())),
        }
    }
}

/// Changes parameters by their gradients, and keeps the moments that the rule needs.
///
/// ```
/// use tercet_tensor::{Init, Params, Tape, ops};
/// use tercet_train::{Decays, Optimizer, Rule};
///
/// let params = Params::new();
/// let w = params.root().param("w", &[3], Init::Ones);
/// params.init(0);
/// let mut optimizer = Optimizer::new(Rule::adam_w(0.0), Decays::Matrices, &params);
///
/// let tape = Tape::train(0);
/// let loss = ops::sum(&w.on(&tape));
/// tape.backward(&loss);
/// drop((loss, tape));
/// optimizer.step(&params, 0.1, 1.0);
/// assert!((w.value()[0] - 0.9).abs() < 1e-6);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    rule: Rule,
    /// The trained parameters.
    entries: Vec<Entry>,
    pieces: Vec<Piece>,
    /// Flat buffers, one for each of the rule's moments.
    moments: Vec<Vec<f32>>,
    /// What Adafactor keeps of each parameter; empty for the other rules.
    kept: Vec<Kept>,
    steps: u64,
}

/// What an optimiser keeps of one parameter between steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment<'a> {
    /// The moment, a dot, and the parameter: `exp_avg.transformer.wte.weight`.
    pub name: String,
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: &'a [f32],
}

/// A stretch of the flat buffers that is treated alike and is one task of the parallel step.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    range: Range<usize>,
    decays: bool,
    /// Number of the parameter, or of the first one in it.
    entry: usize,
}

/// Floats in a piece at most: with its moments it stays in a core's own cache.
const PIECE: usize = 1 << 16;

impl Optimizer {
    /// An optimiser at its first step, for the parameters of `params` that are not frozen now.
    pub fn new(rule: Rule, decays: Decays, params: &Params) -> Self {
        let mut entries = params.entries();
        entries.retain(|entry| !entry.frozen);
        let moments = vec![vec![0.0; params.len()]; rule.moments().len()];
        let kept = match &rule {
            Rule::Adafactor(rule) => {
                let kept = |e: &Entry| Kept::new(rule, e, decays.includes(&e.name, e.shape.len()));
                entries.iter().map(kept).collect()
            }
            _ => Vec::new(),
        };
        Self { rule, pieces: pieces(&entries, &decays, &rule), entries, moments, kept, steps: 0 }
    }

    /// Takes one step at rate `lr`, with every gradient multiplied by `grad_scale`.
    ///
    /// # Panics
    /// When a tape or tensor that reads the parameters is still alive.
    pub fn step(&mut self, params: &Params, lr: f64, grad_scale: f64) {
        params.update(|values, grads| self.step_slices(values, grads, lr, grad_scale));
    }

    /// The L2 norm of all gradients that are trained, as the sum over one long vector.
    ///
    /// # Panics
    /// When a tape or tensor that reads the parameters is still alive.
    pub fn grad_norm(&self, params: &Params) -> f64 {
        params.update(|_, grads| self.norm_of(grads))
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Bytes that a step reads and writes at least: gradients, and parameters and moments both ways.
    pub fn step_bytes(&self) -> u64 {
        let trained: usize = self.entries.iter().map(|entry| entry.range.len()).sum();
        (size_of::<f32>() * (3 + 2 * self.moments.len()) * trained) as u64
    }

    /// The rule and its constants.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// What is kept of each trained parameter, in a fixed order.
    pub fn moments(&self) -> Vec<Moment<'_>> {
        let named = self.rule.moments().iter().zip(&self.moments);
        let flat = named.flat_map(|(moment, values)| {
            self.entries.iter().map(move |entry| Moment {
                name: format!("{moment}.{}", entry.name),
                shape: entry.shape.clone(),
                values: &values[entry.range.clone()],
            })
        });
        let kept = self.kept.iter().zip(&self.entries).flat_map(|(kept, entry)| kept.moments(entry));
        flat.chain(kept).collect()
    }

    /// Puts back the values of [`Optimizer::moments`], in their order, and [`Optimizer::steps`].
    ///
    /// # Panics
    /// When they are not as many and as long as the rule and the parameters need.
    pub fn restore(&mut self, moments: Vec<Vec<f32>>, steps: u64) {
        let ranges: Vec<_> = self.entries.iter().map(|entry| entry.range.clone()).collect();
        let flat = self.moments.iter_mut().flat_map(|flat| cut(flat, &ranges));
        let kept = self.kept.iter_mut().flat_map(Kept::buffers).map(Vec::as_mut_slice);
        let buffers: Vec<&mut [f32]> = flat.chain(kept).collect();
        assert_eq!(buffers.len(), moments.len(), "another number of moments");
        buffers.into_iter().zip(&moments).for_each(|(buffer, values)| buffer.copy_from_slice(values));
        self.steps = steps;
    }

    pub(crate) fn norm_of(&self, grads: &[f32]) -> f64 {
        trained(&self.pieces)
            .into_iter()
            .map(|range| elementwise::sum_squares(&grads[range]))
            .sum::<f64>()
            .sqrt()
    }

    pub(crate) fn step_slices(&mut self, values: &mut [f32], grads: &[f32], lr: f64, grad_scale: f64) {
        self.steps += 1;
        if let Rule::Adafactor(rule) = self.rule {
            let ranges: Vec<_> = self.entries.iter().map(|entry| entry.range.clone()).collect();
            let step = self.steps;
            let tasks: Vec<_> = cut(values, &ranges).into_iter().zip(&mut self.kept).zip(&ranges).collect();
            return tasks.into_par_iter().for_each(|((values, kept), range)| {
                let update = Update { step, lr, grad_scale, decays: kept.decays, rms: 0.0 };
                kept.step(&rule, update, values, &grads[range.clone()]);
            });
        }
        let rms = |entry: &Entry| {
            let values = &values[entry.range.clone()];
            (elementwise::sum_squares(values) / values.len() as f64).sqrt()
        };
        let asked = if self.rule.asks_for_rms() { self.entries.as_slice() } else { &[] };
        let rms: Vec<f64> = asked.iter().map(rms).collect();
        let ranges: Vec<_> = self.pieces.iter().map(|piece| piece.range.clone()).collect();
        let mut tasks: Vec<_> = cut(values, &ranges)
            .into_iter()
            .zip(&self.pieces)
            .map(|(values, piece)| (piece, values, Vec::with_capacity(self.moments.len())))
            .collect();
        for moment in &mut self.moments {
            let parts = cut(moment, &ranges);
            tasks.iter_mut().zip(parts).for_each(|((.., moments), part)| moments.push(part));
        }
        let (rule, step) = (self.rule, self.steps);
        tasks.into_par_iter().for_each(|(piece, values, mut moments)| {
            let rms = rms.get(piece.entry).copied().unwrap_or_default();
            let update = Update { step, lr, grad_scale, decays: piece.decays, rms };
            rule.apply(update, values, &grads[piece.range.clone()], &mut moments);
        });
    }
}

/// The factor that brings gradients of norm `norm` to `max_norm`, in the form of `torch.nn.utils.clip_grad_norm_`:
/// min(1, max_norm/(norm + 1e-6)).
pub fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    (max_norm / (norm + 1e-6)).min(1.0)
}

/// Cuts the trained parameters into pieces; neighbours that are treated alike are one stretch first, unless the rule
/// wants each parameter by itself.
fn pieces(entries: &[Entry], decays: &Decays, rule: &Rule) -> Vec<Piece> {
    let mut stretches: Vec<Piece> = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        let decays = decays.includes(&entry.name, entry.shape.len());
        let joins = |last: &Piece| last.decays == decays && last.range.end == entry.range.start;
        match stretches.last_mut() {
            Some(last) if joins(last) && !rule.asks_for_rms() => last.range.end = entry.range.end,
            _ => stretches.push(Piece { range: entry.range.clone(), decays, entry: i }),
        }
    }
    let cut = |Piece { range, decays, entry }: Piece| {
        let starts = range.clone().step_by(PIECE);
        starts.map(move |start| Piece { range: start..(start + PIECE).min(range.end), decays, entry })
    };
    stretches.into_iter().flat_map(cut).collect()
}

/// The pieces joined to as few ranges as possible.
fn trained(pieces: &[Piece]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for piece in pieces {
        match ranges.last_mut() {
            Some(last) if last.end == piece.range.start => last.end = piece.range.end,
            _ => ranges.push(piece.range.clone()),
        }
    }
    ranges
}

/// The parts of `whole` that the ranges cover, which are disjoint and in order.
fn cut<'a>(mut whole: &'a mut [f32], ranges: &[Range<usize>]) -> Vec<&'a mut [f32]> {
    let mut at = 0;
    let mut part = |range: &Range<usize>| {
        let (_, rest) = std::mem::take(&mut whole).split_at_mut(range.start - at);
        let (own, rest) = rest.split_at_mut(range.len());
        (whole, at) = (rest, range.end);
        own
    };
    ranges.iter().map(&mut part).collect()
}

//! Adafactor: the second moment of a matrix as an outer product of the means of its rows and columns.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tercet_tensor::{Entry, elementwise};

use crate::{
    optimizer::Moment,
    rule::{Mean, Update},
};

/// Adafactor (Shazeer and Stern 2018), which T5 is trained with: a matrix of n·m weights keeps n + m numbers.
///
/// With G the gradient and t steps taken, this one included: β₂ = 1 − t^−`decay_exponent`; the row means R and column
/// means C of G² + ε₁ are averaged with β₂; V = R·Cᵀ/mean(R); U = G/√V, shortened to a root mean square of at most
/// `clipping_threshold`; the rate is multiplied by max(RMS(P), ε₂).
///
/// The default is that of the authors' t5x; [`Adafactor::hugging_face`] is the one of transformers. The schedule gives
/// the rate: transformers' `relative_step` is [`Decay::ReciprocalSqrt`](crate::Decay::ReciprocalSqrt).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adafactor {
    /// How fast the averaging of squares slows down.
    pub decay_exponent: f64,
    /// Added to every squared gradient.
    pub epsilon1: f64,
    /// The least that the rate is multiplied by.
    pub epsilon2: f64,
    /// The largest root mean square of an update at rate 1; `None` never shortens.
    pub clipping_threshold: Option<f64>,
    /// Multiplies the rate by the root mean square of the parameter.
    pub multiply_by_parameter_scale: bool,
    /// Decay of a first moment, the mean of the updates; `None` keeps none.
    pub beta1: Option<f64>,
    /// Decay of the weights that decay at all.
    pub weight_decay: f64,
    /// What that is a share of.
    pub decay_unit: DecayUnit,
    /// A matrix is factored when neither side is shorter.
    pub min_dim_size_to_factor: usize,
}

/// What Adafactor's weight decay multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecayUnit {
    /// p ← (1 − wd)·p, whatever the rate: t5x.
    Weight,
    /// p ← (1 − wd·rate)·p, with the rate multiplied by the parameter's scale: transformers.
    Rate,
}

impl Default for Adafactor {
    fn default() -> Self {
        Self {
            decay_exponent: 0.8,
            epsilon1: 1e-30,
            epsilon2: 1e-3,
            clipping_threshold: Some(1.0),
            multiply_by_parameter_scale: true,
            beta1: None,
            weight_decay: 0.0,
            decay_unit: DecayUnit::Weight,
            min_dim_size_to_factor: 128,
        }
    }
}

impl Adafactor {
    /// That of Hugging Face transformers: every matrix is factored, and the decay goes with the rate.
    pub fn hugging_face() -> Self {
        Self { decay_unit: DecayUnit::Rate, min_dim_size_to_factor: 0, ..Self::default() }
    }
}

/// Floats of one task, about.
const TASK: usize = 1 << 14;

/// What is kept of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    /// Whether it decays.
    pub decays: bool,
    second: Second,
    /// The mean of the updates, or nothing.
    first: Vec<f32>,
}

/// The averaged squares of the gradient.
#[derive(Clone, Debug, PartialEq)]
enum Second {
    /// Their means over each row and over each column.
    Factored { rows: Vec<f32>, cols: Vec<f32> },
    /// Each one.
    Whole(Vec<f32>),
}

impl Kept {
    pub fn new(rule: &Adafactor, entry: &Entry, decays: bool) -> Self {
        let second = match entry.shape[..] {
            [n, m] if n.min(m) >= rule.min_dim_size_to_factor => {
                Second::Factored { rows: vec![0.0; n], cols: vec![0.0; m] }
            }
            _ => Second::Whole(vec![0.0; entry.range.len()]),
        };
        let first = if rule.beta1.is_some() { vec![0.0; entry.range.len()] } else { Vec::new() };
        Self { decays, second, first }
    }

    /// What of `entry` a checkpoint holds.
    pub fn moments<'a>(&'a self, entry: &Entry) -> Vec<Moment<'a>> {
        let moment = |moment: &str, shape: &[usize], values: &'a Vec<f32>| Moment {
            name: format!("{moment}.{}", entry.name),
            shape: shape.to_vec(),
            values,
        };
        let mut moments = match &self.second {
            Second::Factored { rows, cols } => vec![
                moment("exp_avg_sq_row", &[rows.len()], rows),
                moment("exp_avg_sq_col", &[cols.len()], cols),
            ],
            Second::Whole(squares) => vec![moment("exp_avg_sq", &entry.shape, squares)],
        };
        if !self.first.is_empty() {
            moments.push(moment("exp_avg", &entry.shape, &self.first));
        }
        moments
    }

    /// The buffers of [`Kept::moments`], to be filled.
    pub fn buffers(&mut self) -> Vec<&mut Vec<f32>> {
        let mut buffers = match &mut self.second {
            Second::Factored { rows, cols } => vec![rows, cols],
            Second::Whole(squares) => vec![squares],
        };
        if !self.first.is_empty() {
            buffers.push(&mut self.first);
        }
        buffers
    }

    /// Updates the parameter `p` from its gradient `g`.
    pub fn step(&mut self, rule: &Adafactor, update: Update, p: &mut [f32], g: &[f32]) {
        let Update { step, lr, grad_scale, decays, .. } = update;
        if p.is_empty() {
            return;
        }
        let mean = Mean::new(1.0 - (step as f64).powf(-rule.decay_exponent));
        self.second.average(g, mean, grad_scale, rule.epsilon1);
        let directions = self.second.directions();
        let count = p.len() as f64;
        let rms = grad_scale * (directions.sum_squares(g) / count).sqrt();
        let shortened = rule.clipping_threshold.map_or(1.0, |most| (rms / most).max(1.0));
        let scale = match rule.multiply_by_parameter_scale {
            true => (elementwise::sum_squares(p) / count).sqrt().max(rule.epsilon2),
            false => 1.0,
        };
        let rate = lr * scale;
        let decay = if decays { rule.weight_decay } else { 0.0 };
        let keep = match rule.decay_unit {
            DecayUnit::Weight => 1.0 - decay,
            DecayUnit::Rate => 1.0 - decay * rate,
        };
        let descent = Descent {
            keep: keep as f32,
            factor: (grad_scale * rate / shortened) as f32,
            first: rule.beta1.map(Mean::new),
        };
        directions.descend(descent, p, g, &mut self.first);
    }
}

impl Second {
    /// Averages the squares of `scale·g` in.
    fn average(&mut self, g: &[f32], mean: Mean, scale: f64, epsilon: f64) {
        let square = scale * scale;
        match self {
            Self::Whole(squares) => {
                let (square, epsilon) = (square as f32, epsilon as f32);
                squares.par_chunks_mut(TASK).zip(g.par_chunks(TASK)).for_each(|(squares, g)| {
                    squares.iter_mut().zip(g).for_each(|(s, g)| *s = mean.of(*s, square * g * g + epsilon));
                });
            }
            Self::Factored { rows, cols } => {
                let (width, height) = (cols.len(), rows.len());
                let rows_of_task = (TASK / width).max(1);
                let tasks = g.par_chunks(rows_of_task * width).zip(rows.par_chunks_mut(rows_of_task));
                let sums: Vec<Vec<f32>> =
                    tasks.map(|(g, rows)| average_rows(g, rows, width, mean, [square, epsilon])).collect();
                for (c, col) in cols.iter_mut().enumerate() {
                    let sum: f64 = sums.iter().map(|sums| f64::from(sums[c])).sum();
                    *col = mean.of(*col, (square * sum / height as f64 + epsilon) as f32);
                }
            }
        }
    }

    /// What a gradient is multiplied by, 1/√V.
    fn directions(&self) -> Directions<'_> {
        match self {
            Self::Whole(squares) => Directions::Whole(squares),
            Self::Factored { rows, cols } => {
                let mean = rows.iter().map(|row| f64::from(*row)).sum::<f64>() / rows.len() as f64;
                Directions::Factored {
                    rows: rows.iter().map(|row| (mean / f64::from(*row)).sqrt() as f32).collect(),
                    cols: cols.iter().map(|col| f64::from(*col).sqrt().recip() as f32).collect(),
                }
            }
        }
    }
}

/// Averages the mean squares of some rows in, and returns the sums of squares of their columns.
fn average_rows(
    g: &[f32],
    rows: &mut [f32],
    width: usize,
    mean: Mean,
    [square, epsilon]: [f64; 2],
) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for (g, row) in g.chunks_exact(width).zip(rows) {
        let sum = elementwise::sum_squares(g);
        *row = mean.of(*row, (square * sum / width as f64 + epsilon) as f32);
        sums.iter_mut().zip(g).for_each(|(sum, g)| *sum += g * g);
    }
    sums
}

/// 1/√V: how far each weight moves for its gradient.
enum Directions<'a> {
    /// The product of a row's number and a column's.
    Factored { rows: Vec<f32>, cols: Vec<f32> },
    /// The V themselves.
    Whole(&'a [f32]),
}

/// p ← keep·p − factor·u for the update u, or for the mean of the updates.
#[derive(Clone, Copy)]
struct Descent {
    keep: f32,
    factor: f32,
    first: Option<Mean>,
}

impl Directions<'_> {
    /// Floats of a task: whole rows.
    fn task(&self) -> usize {
        match self {
            Self::Factored { cols, .. } => (TASK / cols.len()).max(1) * cols.len(),
            Self::Whole(_) => TASK,
        }
    }

    /// u = g/√V for the gradients `g` of a task, which begins at weight `start`.
    fn update(&self, start: usize, g: &[f32]) -> Vec<f32> {
        match self {
            Self::Whole(squares) => g.iter().zip(&squares[start..]).map(|(g, s)| g / s.sqrt()).collect(),
            Self::Factored { rows, cols } => {
                let rows = &rows[start / cols.len()..];
                let mut u = g.to_vec();
                for (u, row) in u.chunks_exact_mut(cols.len()).zip(rows) {
                    u.iter_mut().zip(cols).for_each(|(u, col)| *u = *u * row * col);
                }
                u
            }
        }
    }

    /// Σ u², task by task in their order.
    fn sum_squares(&self, g: &[f32]) -> f64 {
        let size = self.task();
        let tasks = g.par_chunks(size).enumerate();
        let sums: Vec<f64> =
            tasks.map(|(task, g)| elementwise::sum_squares(&self.update(task * size, g))).collect();
        sums.iter().sum()
    }

    /// Moves `p`; `first` holds the mean of the updates where there is one.
    fn descend(&self, descent: Descent, p: &mut [f32], g: &[f32], first: &mut [f32]) {
        let (size, Descent { keep, factor, .. }) = (self.task(), descent);
        let tasks = p.par_chunks_mut(size).zip(g.par_chunks(size)).enumerate();
        match descent.first {
            None => tasks.for_each(|(task, (p, g))| {
                let u = self.update(task * size, g);
                p.iter_mut().zip(u).for_each(|(p, u)| *p = keep * *p - factor * u);
            }),
            Some(mean) => tasks.zip(first.par_chunks_mut(size)).for_each(|((task, (p, g)), first)| {
                let u = self.update(task * size, g);
                for ((p, m), u) in p.iter_mut().zip(first).zip(u) {
                    *m = mean.of(*m, factor * u);
                    *p = keep * *p - *m;
                }
            }),
        }
    }
}

//! Scaled dot-product attention over ragged batches: `softmax(scale·QKᵀ + bias + mask)·V` for each head of each
//! sequence (Vaswani et al. 2017, eq. 1), forward and backward.
//!
//! Queries, keys and values are rows of packed buffers; a [`Span`] says which rows form one sequence, so there is no
//! padding and no padding mask. A [`Rows`] has a stride and an offset, so that the three can share one fused (N, 3C)
//! buffer. No (heads, T, T) tensor is ever held: the forward keeps the log-sum-exp of each score row, and the
//! backward recomputes the probabilities, and the dropout mask, from it.
//!
//! A query that sees no key (an empty key span, or the first `Tq − Tk` queries of a causal span with more queries
//! than keys) gets an output of zeros and a log-sum-exp of −∞, and takes no part in any gradient. Rows that belong to
//! no span get zeros.

mod checks;
pub mod naive;
mod rows;
mod shape;
#[cfg(test)]
mod tests;

pub use rows::{Grads, Output, Qkv, Rows, RowsMut};
pub use shape::{Bias, Dropout, Mask, Shape, Span};

use crate::{Accum, Out};

/// Attends: fills `y` (N_q, heads·head_dim) and the log-sum-exp `lse` (heads, N_q) that [`backward`] needs.
///
/// # Panics
/// When a span reaches outside the buffers, two spans share a query row, or a buffer has another size than `shape` says.
pub fn forward(shape: &Shape, spans: &[Span], qkv: Qkv, y: &mut [f32], lse: &mut [f32]) {
    naive::forward(shape, spans, qkv, y, lse);
}

/// Overwrites `grads` with the gradients of queries, keys and values, given the gradient `dy` of the output, and gives
/// `dbias` the gradient of the bias table.
///
/// # Panics
/// As [`forward`]; also when two spans share a key row, when the columns of fused gradients overlap, and when `dbias`
/// is asked for and `shape` has no bias.
pub fn backward(
    shape: &Shape,
    spans: &[Span],
    qkv: Qkv,
    output: Output,
    dy: &[f32],
    mut grads: Grads,
    dbias: Option<Out>,
) {
    let dbias = dbias.map(|out| {
        if out.accum == Accum::Set {
            out.data.fill(0.0);
        }
        out.data
    });
    naive::backward(shape, spans, qkv, output, dy, &mut grads, dbias);
}

/// The probabilities (heads, Tq, Tk) of one sequence, before dropout; for inspection, since nothing else holds them.
///
/// # Panics
/// When `span` reaches outside the buffers.
pub fn probabilities(shape: &Shape, span: &Span, q: Rows, k: Rows) -> Vec<f32> {
    naive::probabilities(shape, span, q, k)
}

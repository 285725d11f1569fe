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

mod ahead;
mod backward;
mod block;
mod checks;
mod decode;
mod forward;
mod lanes;
pub mod naive;
mod product;
mod rows;
mod scratch;
mod shape;
#[cfg(test)]
mod tests;

pub use rows::{Grads, Output, Qkv, Rows, RowsMut};
pub use shape::{Bias, Dropout, Mask, Shape, Span};

use crate::cpu::{self, Isa};
use crate::gemm::Precision;
use crate::{Accum, Out};
use backward::Backward;
use block::Head;
use decode::Decode;
use forward::Forward;
use rayon::prelude::*;
use scratch::Shared;

/// Queries of one forward task; fixed, so that neither tasks nor results depend on the number of threads.
const TASK_QUERIES: usize = 256;

/// Attends: fills `y` (N_q, heads·head_dim) and the log-sum-exp `lse` (heads, N_q) that [`backward`] needs.
///
/// # Panics
/// When a span reaches outside the buffers, two spans share a query row, or a buffer has another size than `shape` says.
pub fn forward(shape: &Shape, spans: &[Span], qkv: Qkv, y: &mut [f32], lse: &mut [f32]) {
    forward_with(cpu::isa(), shape, spans, qkv, y, lse);
}

/// [`forward`] with the instructions of `isa`.
fn forward_with(isa: Isa, shape: &Shape, spans: &[Span], qkv: Qkv, y: &mut [f32], lse: &mut [f32]) {
    checks::check_forward(shape, spans, &qkv, y.len(), lse.len());
    let n_q = lse.len() / shape.heads;
    if covered(spans, Side::Q) < n_q {
        y.fill(0.0);
        lse.fill(f32::NEG_INFINITY);
    }
    let y = Shared::new(RowsMut::contiguous(y, shape.width()));
    let lse = Shared::new(RowsMut::contiguous(lse, n_q));
    let tasks: Vec<Forward> = spans
        .iter()
        .flat_map(|span| {
            (0..shape.heads).flat_map(move |head| {
                let head = Head { shape, span, head };
                let starts = (0..span.q.len()).step_by(TASK_QUERIES);
                starts.map(move |first| {
                    let queries = first..span.q.len().min(first + TASK_QUERIES);
                    Forward { head, queries, qkv, y, lse }
                })
            })
        })
        .collect();
    // What rounds its operands goes one way, however few queries there are, so that the backward finds the same scores.
    let run = |task: Forward| match (task.queries.len(), shape.precision) {
        (..=decode::FEW, Precision::F32) => Decode(task).run(isa),
        _ => task.run(isa),
    };
    each(tasks, work(shape, spans), run);
}

/// The two ranges of a [`Span`].
#[derive(Clone, Copy)]
enum Side {
    Q,
    Kv,
}

/// Rows that are in a span, when no row is in two.
fn covered(spans: &[Span], side: Side) -> usize {
    let len = |span: &Span| match side {
        Side::Q => span.q.len(),
        Side::Kv => span.kv.len(),
    };
    spans.iter().map(len).sum()
}

/// Scores times columns of a whole batch.
fn work(shape: &Shape, spans: &[Span]) -> usize {
    spans.iter().map(|span| span.q.len() * span.kv.len()).sum::<usize>() * shape.width()
}

/// Runs `tasks`, in parallel where their `work` is worth waking threads.
fn each<T: Send>(tasks: Vec<T>, work: usize, run: impl Fn(T) + Send + Sync) {
    if work < 1 << 16 {
        tasks.into_iter().for_each(run);
    } else {
        tasks.into_par_iter().with_max_len(1).for_each(run);
    }
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
    grads: Grads,
    dbias: Option<Out>,
) {
    backward_with(cpu::isa(), shape, spans, qkv, output, dy, grads, dbias);
}

/// [`backward`] with the instructions of `isa`.
#[expect(clippy::too_many_arguments)]
fn backward_with<'a>(
    isa: Isa,
    shape: &'a Shape<'a>,
    spans: &'a [Span],
    qkv: Qkv<'a>,
    output: Output<'a>,
    dy: &'a [f32],
    mut grads: Grads<'a>,
    dbias: Option<Out>,
) {
    checks::check_backward(shape, spans, &qkv, &output, dy, &grads, dbias.as_ref().map(|out| &*out.data));
    let table = shape.bias.map_or(0, |bias| bias.table.len());
    let mut partial = vec![0.0f64; if dbias.is_some() { spans.len() * table } else { 0 }];
    for (part, side) in [(0, Side::Q), (1, Side::Kv), (2, Side::Kv)] {
        let mut rows = grads.part(part);
        if covered(spans, side) < rows.iter_mut(shape.width()).count() {
            rows.iter_mut(shape.width()).for_each(|row| row.fill(0.0));
        }
    }
    let grads = Shared::parts(grads);
    let parts = Shared::new(RowsMut::contiguous(&mut partial, table));
    let wants_dbias = dbias.is_some();
    let tasks: Vec<Backward> = spans
        .iter()
        .enumerate()
        .flat_map(|(i, span)| {
            (0..shape.heads).map(move |head| {
                let head = Head { shape, span, head };
                let dbias = wants_dbias.then_some((i, parts));
                Backward { head, qkv, output, dy, grads, dbias }
            })
        })
        .collect();
    each(tasks, work(shape, spans), |task| task.run(isa));
    if let Some(Out { data, accum }) = dbias {
        for (column, to) in data.iter_mut().enumerate() {
            let sum: f64 = partial.iter().skip(column).step_by(table).sum();
            *to = sum as f32 + if accum == Accum::Add { *to } else { 0.0 };
        }
    }
}

/// The probabilities (heads, Tq, Tk) of one sequence, before dropout; for inspection, since nothing else holds them.
///
/// # Panics
/// When `span` reaches outside the buffers.
pub fn probabilities(shape: &Shape, span: &Span, q: Rows, k: Rows) -> Vec<f32> {
    naive::probabilities(shape, span, q, k)
}

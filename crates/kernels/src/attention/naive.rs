//! The equations as plain loops, one score row at a time, for f32 and f64: what the fast kernels are held against, and
//! what finite differences run on.

use super::checks::{check_backward, check_forward, check_reads, check_shape};
use super::rows::{Grads, Output, Qkv, Rows};
use super::shape::{Shape, Span};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// The two floating-point types.
pub trait Real:
    Copy
    + PartialOrd
    + Sum
    + AddAssign
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + From<f32>
{
    /// eˣ.
    fn exp(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
}

impl Real for f32 {
    fn exp(self) -> Self {
        f32::exp(self)
    }
    fn ln(self) -> Self {
        f32::ln(self)
    }
}

impl Real for f64 {
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
}

/// The twin of [`forward`](super::forward).
///
/// # Panics
/// As its twin.
pub fn forward<T: Real>(shape: &Shape<T>, spans: &[Span], qkv: Qkv<T>, y: &mut [T], lse: &mut [T]) {
    check_forward(shape, spans, &qkv, y.len(), lse.len());
    let (width, dim) = (shape.width(), shape.head_dim);
    let n_q = lse.len() / shape.heads;
    y.fill(T::from(0.0));
    lse.fill(T::from(f32::NEG_INFINITY));
    for (span, head, i) in score_rows(shape, spans) {
        let row = span.q.start + i;
        let (mut p, log_sum) = softmax(scores(shape, span, qkv.q, qkv.k, head, i));
        drop_out(shape, span, head, i, &mut p);
        let y = &mut y[row * width + head * dim..][..dim];
        for (j, &p) in p.iter().enumerate() {
            add_scaled(y, p, qkv.v.head(span.kv.start + j, head, dim));
        }
        lse[head * n_q + row] = log_sum;
    }
}

/// The twin of [`backward`](super::backward); adds to `dbias`.
///
/// # Panics
/// As its twin.
pub fn backward<T: Real>(
    shape: &Shape<T>,
    spans: &[Span],
    qkv: Qkv<T>,
    output: Output<T>,
    dy: &[T],
    grads: &mut Grads<T>,
    mut dbias: Option<&mut [T]>,
) {
    check_backward(shape, spans, &qkv, &output, dy, grads, dbias.as_deref());
    let (width, dim) = (shape.width(), shape.head_dim);
    let n_q = output.lse.len() / shape.heads;
    for part in 0..3 {
        grads.part(part).iter_mut(width).for_each(|row| row.fill(T::from(0.0)));
    }
    for (span, head, i) in score_rows(shape, spans) {
        let row = span.q.start + i;
        let q = qkv.q.head(row, head, dim);
        let dy = &dy[row * width + head * dim..][..dim];
        let log_sum = output.lse[head * n_q + row];
        // Dᵢ = dyᵢ·yᵢ, the sum over j of Pᵢⱼ·dPᵢⱼ, dropped probabilities included.
        let d = dot(dy, &output.y[row * width + head * dim..][..dim]);
        let s = scores(shape, span, qkv.q, qkv.k, head, i);
        let p: Vec<T> = s.into_iter().map(|s| (s - log_sum).exp()).collect();
        let mut kept = vec![T::from(1.0); p.len()];
        drop_out(shape, span, head, i, &mut kept);
        let position = shape.mask.position(i, span.q.len(), span.kv.len());
        for (j, (&p, &kept)) in p.iter().zip(&kept).enumerate() {
            let key_row = span.kv.start + j;
            let k = qkv.k.head(key_row, head, dim);
            add_scaled(grads.part(2).head(key_row, head, dim), p * kept, dy);
            let ds = p * (kept * dot(dy, qkv.v.head(key_row, head, dim)) - d);
            add_scaled(grads.part(0).head(row, head, dim), shape.scale * ds, k);
            add_scaled(grads.part(1).head(key_row, head, dim), shape.scale * ds, q);
            if let (Some(bias), Some(dbias)) = (&shape.bias, dbias.as_deref_mut()) {
                dbias[head * bias.width() + bias.column(j as isize - position)] += ds;
            }
        }
    }
}

/// The twin of [`probabilities`](super::probabilities).
///
/// # Panics
/// As its twin.
pub fn probabilities<T: Real>(shape: &Shape<T>, span: &Span, q: Rows<T>, k: Rows<T>) -> Vec<T> {
    check_shape(shape);
    check_reads(std::slice::from_ref(span), &Qkv { q, k, v: k }, shape.width());
    let mut all = Vec::with_capacity(shape.heads * span.q.len() * span.kv.len());
    for head in 0..shape.heads {
        for i in 0..span.q.len() {
            let (p, _) = softmax(scores(shape, span, q, k, head, i));
            all.extend_from_slice(&p);
            all.resize(all.len() + span.kv.len() - p.len(), T::from(0.0));
        }
    }
    all
}

/// Every score row of the batch that sees a key.
fn score_rows<'a, T>(
    shape: &Shape<T>,
    spans: &'a [Span],
) -> impl Iterator<Item = (&'a Span, usize, usize)> + use<'a, T> {
    let (heads, mask) = (shape.heads, shape.mask);
    spans.iter().flat_map(move |span| {
        (0..heads).flat_map(move |head| {
            (0..span.q.len())
                .filter(move |&i| mask.visible(i, span.q.len(), span.kv.len()) > 0)
                .map(move |i| (span, head, i))
        })
    })
}

/// Scores of query `i` with the keys that it sees.
fn scores<T: Real>(shape: &Shape<T>, span: &Span, q: Rows<T>, k: Rows<T>, head: usize, i: usize) -> Vec<T> {
    let (tq, tk, dim) = (span.q.len(), span.kv.len(), shape.head_dim);
    let q = q.head(span.q.start + i, head, dim);
    let position = shape.mask.position(i, tq, tk);
    let score = |j: usize| {
        let s = shape.scale * dot(q, k.head(span.kv.start + j, head, dim));
        match &shape.bias {
            Some(bias) => s + bias.table[head * bias.width() + bias.column(j as isize - position)],
            None => s,
        }
    };
    (0..shape.mask.visible(i, tq, tk)).map(score).collect()
}

/// Probabilities of one row of scores, and their log-sum-exp.
fn softmax<T: Real>(mut s: Vec<T>) -> (Vec<T>, T) {
    let max = s.iter().copied().fold(T::from(f32::NEG_INFINITY), |a, b| if b > a { b } else { a });
    s.iter_mut().for_each(|s| *s = (*s - max).exp());
    let sum: T = s.iter().copied().sum();
    s.iter_mut().for_each(|s| *s = *s / sum);
    (s, max + sum.ln())
}

/// Zeroes the dropped numbers of one row and scales the others.
fn drop_out<T: Real>(shape: &Shape<T>, span: &Span, head: usize, i: usize, row: &mut [T]) {
    let Some(dropout) = shape.dropout else { return };
    for (j, p) in row.iter_mut().enumerate() {
        let kept = dropout.keep(head, span.q.start + i, span.kv.start + j);
        *p = *p * T::from(if kept { dropout.scale() } else { 0.0 });
    }
}

fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).map(|(&a, &b)| a * b).sum()
}

fn add_scaled<T: Real>(y: &mut [T], a: T, x: &[T]) {
    y.iter_mut().zip(x).for_each(|(y, &x)| *y += a * x);
}

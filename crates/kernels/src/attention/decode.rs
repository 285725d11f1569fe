//! The forward for a few queries with many keys, as when text is generated with a cache: lanes run along the columns of
//! a head, so that each key and value is read once and in place.

use super::block::{Distances, vector, vector_mut, write_scaled};
use super::forward::Forward;
use super::lanes::{Job, LANES, Lanes, dispatch};
use super::rows::Rows;
use super::scratch::{take, with_scratch};
use crate::cpu::Isa;
use crate::gemm::Precision;

/// Up to so many queries a task of the forward goes this way; more fill enough lanes of the tiled kernel.
pub(super) const FEW: usize = 4;

/// A task of the forward with few queries.
pub(super) struct Decode<'a>(pub Forward<'a>);

impl Decode<'_> {
    /// Numbers that the task works in: a query, the output, a score row and the bias.
    fn lens(&self) -> [usize; 4] {
        let head = &self.0.head;
        let bias = if head.shape.bias.is_some() { Distances::new(head).len } else { 0 };
        [head.padded_dim(), head.padded_dim(), head.span.kv.len().next_multiple_of(LANES), bias]
    }

    /// Computes the task's rows.
    pub(super) fn run(self, isa: Isa) {
        with_scratch(self.lens(), |scratch| dispatch(isa, Precision::F32, (self, scratch)));
    }
}

impl Job for (Decode<'_>, &mut [f32]) {
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let (task, mut scratch) = self;
        let [q, y, scores, bias] = task.lens().map(|len| take(&mut scratch, len));
        let Forward { head, queries, qkv, y: to_y, lse } = task.0;
        let distances = Distances::new(&head);
        distances.unroll(&head, bias);
        let (dim, kv) = (head.shape.head_dim, head.span.kv.start);
        for i in queries {
            let (row, seen) = (head.span.q.start + i, head.visible(i));
            // SAFETY: spans share no query row and tasks no query, so this task alone has this row and head.
            let (to, lse) = unsafe { (to_y.slice(row, head.head * dim, dim), lse.slice(head.head, row, 1)) };
            if seen == 0 {
                to.fill(0.0);
                lse[0] = f32::NEG_INFINITY;
                continue;
            }
            q.fill(0.0);
            write_scaled(l, &mut q[..dim], qkv.q.head(row, head.head, dim), head.shape.scale);
            dots(l, &q[..dim], &qkv.k, (kv, head.head), &mut scores[..seen.next_multiple_of(LANES)], seen);
            for (j, score) in
                scores[..seen].iter_mut().enumerate().take(if bias.is_empty() { 0 } else { seen })
            {
                *score += bias[distances.place(i, j)];
            }
            let (max, sum) = exponentials(l, &mut scores[..seen.next_multiple_of(LANES)]);
            lse[0] = max + sum.ln();
            let mut factor = 1.0 / sum;
            if let Some(dropout) = head.shape.dropout {
                factor *= dropout.scale();
                for (j, p) in scores[..seen].iter_mut().enumerate() {
                    *p = if dropout.keep(head.head, row, kv + j) { *p } else { 0.0 };
                }
            }
            weighted_sum(l, &scores[..seen], &qkv.v, (kv, head.head), dim, y);
            write_scaled(l, to, y, factor);
        }
    }
}

/// The products of `q` with the keys of a head from row `first` on, sixteen at a time; −∞ after the first `seen`.
#[inline(always)]
fn dots<L: Lanes>(l: L, q: &[f32], k: &Rows, (first, head): (usize, usize), scores: &mut [f32], seen: usize) {
    let (q_vectors, q_rest) = q.as_chunks::<LANES>();
    for start in (0..seen).step_by(LANES) {
        let mut sums = [l.splat(0.0); LANES];
        let mut rest = [0.0; LANES];
        for (i, (sum, rest)) in sums.iter_mut().zip(&mut rest).enumerate() {
            let key = k.head(first + (start + i).min(seen - 1), head, q.len());
            let (vectors, key_rest) = key.as_chunks::<LANES>();
            for (q, key) in q_vectors.iter().zip(vectors) {
                *sum = l.fma(l.load(q), l.load(key), *sum);
            }
            for (q, key) in q_rest.iter().zip(key_rest) {
                *rest += q * key;
            }
        }
        let columns = l.transpose(sums);
        let mut total = l.load(&rest);
        for &column in &columns {
            total = l.add(total, column);
        }
        l.store(total, vector_mut(scores, start));
    }
    scores[seen..].fill(f32::NEG_INFINITY);
}

/// Turns scores into exponentials below their maximum; returns the maximum and the sum.
#[inline(always)]
fn exponentials<L: Lanes>(l: L, scores: &mut [f32]) -> (f32, f32) {
    let max = scores.iter().copied().fold(f32::MIN, |max, s| if s > max { s } else { max });
    let (top, mut sum) = (l.splat(max), l.splat(0.0));
    for s in scores.as_chunks_mut::<LANES>().0 {
        let p = l.exp(l.sub(l.load(s), top));
        sum = l.add(sum, p);
        l.store(p, s);
    }
    (max, l.sum(sum))
}

/// The values of a head from row `first` on, each times its probability, summed.
#[inline(always)]
fn weighted_sum<L: Lanes>(
    l: L,
    p: &[f32],
    v: &Rows,
    (first, head): (usize, usize),
    dim: usize,
    y: &mut [f32],
) {
    let (whole, mut start) = (dim / LANES, 0);
    while start < whole {
        let columns = (head * dim + start * LANES, &mut y[start * LANES..]);
        start += match whole - start {
            4.. => column_sums::<L, 4>(l, p, v, first, columns),
            2.. => column_sums::<L, 2>(l, p, v, first, columns),
            _ => column_sums::<L, 1>(l, p, v, first, columns),
        };
    }
    for (d, y) in y.iter_mut().enumerate().take(dim).skip(whole * LANES) {
        *y = p.iter().enumerate().map(|(j, p)| p * v.head(first + j, head, dim)[d]).sum();
    }
}

/// `N` vectors of the sum, from a column of the row on; returns `N`.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "indices keep the sums in registers")]
fn column_sums<L: Lanes, const N: usize>(
    l: L,
    p: &[f32],
    v: &Rows,
    first: usize,
    (column, y): (usize, &mut [f32]),
) -> usize {
    // Even and odd keys apart: twice as many independent sums.
    let (mut even, mut odd) = ([l.splat(0.0); N], [l.splat(0.0); N]);
    let row = |j: usize| &v.data[(first + j) * v.stride + v.offset + column..][..N * LANES];
    let (pairs, last) = p.as_chunks::<2>();
    for (j, p) in pairs.iter().enumerate() {
        let (a, b) = (row(2 * j), row(2 * j + 1));
        for c in 0..N {
            even[c] = l.fma(l.splat(p[0]), l.load(vector(a, c * LANES)), even[c]);
            odd[c] = l.fma(l.splat(p[1]), l.load(vector(b, c * LANES)), odd[c]);
        }
    }
    if let [p] = last {
        let a = row(2 * pairs.len());
        for c in 0..N {
            even[c] = l.fma(l.splat(*p), l.load(vector(a, c * LANES)), even[c]);
        }
    }
    for c in 0..N {
        l.store(l.add(even[c], odd[c]), vector_mut(y, c * LANES));
    }
    N
}

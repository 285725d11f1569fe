//! The forward: scores of a block of queries with a tile of keys, an online softmax, and the product with the values
//! (Dao et al. 2022, algorithm 1). Scores are held transposed, one vector lane a query, so that maxima and sums are
//! taken down columns.

use super::ahead::Ahead;
use super::block::{Distances, Drops, Head, QUERIES, vector, vector_mut, write_scaled};
use super::lanes::{Job, LANES, Lanes, dispatch};
use super::product::{Scalars, Vectors, across, product};
use super::rows::Qkv;
use super::scratch::{Shared, take, with_scratch};
use crate::Accum;
use crate::cpu::Isa;
use std::ops::Range;

/// Keys of one tile of scores.
const KEYS: usize = 128;

/// Some queries of one head, a task for one thread.
pub(super) struct Forward<'a> {
    pub head: Head<'a>,
    /// Counted in the sequence.
    pub queries: Range<usize>,
    pub qkv: Qkv<'a>,
    pub y: Shared<'a>,
    /// One row a head.
    pub lse: Shared<'a>,
}

/// The parts of the scratch.
struct Buffers<'a> {
    /// The queries transposed and scaled (head_dim, 32).
    q: &'a mut [f32],
    /// Scores, then probabilities (128, 32): a row a key.
    s: &'a mut [f32],
    /// The output before it is divided (32, head_dim padded).
    y: &'a mut [f32],
    /// The bias by distance.
    bias: &'a [f32],
    distances: Distances,
    /// All visible keys, and their values.
    k: Scalars<'a>,
    v: Vectors<'a>,
    /// Room for the rounded elements of queries and probabilities.
    q_rounded: &'a mut [f32],
    p_rounded: &'a mut [f32],
    ahead: Ahead<4>,
}

impl Forward<'_> {
    /// Numbers that the task works in: queries, scores, outputs, bias and values; and rounded keys, values, queries and probabilities.
    fn lens(&self) -> [usize; 9] {
        let (head, padded) = (&self.head, self.head.padded_dim());
        let bias = if head.shape.bias.is_some() { Distances::new(head).len } else { 0 };
        let values = head.pack_len(self.seen(), self.queries.len());
        let [keys, queries, probs] = [(self.seen(), padded), (padded, QUERIES), (KEYS, QUERIES)]
            .map(|(rows, depth)| head.rounded_len(rows, depth));
        let columns = head.shape.head_dim * QUERIES;
        [columns, KEYS * QUERIES, QUERIES * padded, bias, values, keys, keys, queries, probs]
    }

    /// Keys that any of the queries sees.
    fn seen(&self) -> usize {
        self.queries.clone().next_back().map_or(0, |i| self.head.visible(i))
    }

    /// Computes the task's rows.
    pub(super) fn run(self, isa: Isa) {
        with_scratch(self.lens(), |scratch| dispatch(isa, self.head.shape.precision, (self, scratch)));
    }
}

impl Job for (Forward<'_>, &mut [f32]) {
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let (task, mut scratch) = self;
        let head = &task.head;
        let [q, s, y, bias, pack, k_rounded, v_rounded, q_rounded, p_rounded] =
            task.lens().map(|len| take(&mut scratch, len));
        let distances = Distances::new(head);
        distances.unroll(head, bias);
        let (first, seen) = (head.span.kv.start, task.seen());
        let k = head.scalars(l, &task.qkv.k, (first, seen), k_rounded);
        let v = head.vectors(&task.qkv.v, first, seen, pack);
        let v = across(l, (seen, head.padded_dim()), v, v_rounded);
        let ahead = task.ahead();
        let mut buffers = Buffers { q, s, y, bias, distances, k, v, q_rounded, p_rounded, ahead };
        for first in task.queries.clone().step_by(QUERIES) {
            match task.queries.end - first {
                count @ ..=LANES => task.block::<L, 1>(l, first, count, &mut buffers),
                count => task.block::<L, 2>(l, first, count.min(QUERIES), &mut buffers),
            }
        }
    }
}

impl Forward<'_> {
    /// What the same queries of the next head need.
    fn ahead(&self) -> Ahead<4> {
        let (head, Qkv { q, k, v }) = (&self.head, &self.qkv);
        let rows = head.span.q.start + self.queries.start..head.span.q.start + self.queries.end;
        let kv = &head.span.kv;
        let regions = [
            head.next(q.place(), &rows),
            head.next(k.place(), kv),
            head.next(v.place(), kv),
            head.next(self.y.place(), &rows),
        ];
        Ahead::new(regions, head.steps(self.queries.clone()))
    }

    /// Up to 16·C queries from `first` on.
    #[inline(always)]
    fn block<L: Lanes, const C: usize>(&self, l: L, first: usize, count: usize, to: &mut Buffers) {
        let (head, dim, padded) = (&self.head, self.head.shape.head_dim, self.head.padded_dim());
        let width = C * LANES;
        let seen = head.visible(first + count - 1);
        head.transpose::<L, C>(l, &self.qkv.q, (head.span.q.start + first, count), head.shape.scale, to.q);
        let drops = Drops::new(head, first);
        let mut columns = Columns { max: [l.splat(f32::MIN); C], sum: [l.splat(0.0); C] };
        for tile in (0..seen).step_by(KEYS) {
            let keys = tile..seen.min(tile + KEYS);
            let k = to.k.from(tile);
            let q = across(l, (dim, width), Vectors { data: to.q, row: width }, to.q_rounded);
            product(l, (keys.len(), dim, width), k, q, (to.s, width, Accum::Set), &mut to.ahead);
            let shrink = columns.softmax(l, head, first, keys.clone(), to, drops.as_ref());
            if tile > 0 {
                scale_rows(l, to.y, padded, &shrink.as_flattened()[..count]);
            }
            let p = across(l, (keys.len(), width), Vectors { data: to.s, row: width }, to.p_rounded);
            let accum = if tile == 0 { Accum::Set } else { Accum::Add };
            let shape = (count, keys.len(), padded);
            product(l, shape, p.t(), to.v.from::<L>(tile), (to.y, padded, accum), &mut to.ahead);
        }
        let kept_scale = drops.map_or(1.0, |drops| drops.scale);
        let (mut max, mut sum) = ([[0.0; LANES]; C], [[0.0; LANES]; C]);
        for c in 0..C {
            l.store(columns.max[c], &mut max[c]);
            l.store(columns.sum[c], &mut sum[c]);
        }
        for (i, (&max, &sum)) in max.as_flattened().iter().zip(sum.as_flattened()).enumerate().take(count) {
            let row = head.span.q.start + first + i;
            // SAFETY: spans share no query row and tasks no query, so this task alone has this row and head.
            let (y, lse) =
                unsafe { (self.y.slice(row, head.head * dim, dim), self.lse.slice(head.head, row, 1)) };
            if head.visible(first + i) == 0 {
                y.fill(0.0);
                lse[0] = f32::NEG_INFINITY;
            } else {
                write_scaled(l, y, &to.y[i * padded..], kept_scale / sum);
                lse[0] = max + sum.ln();
            }
        }
    }
}

/// The running maximum and the running sum of exponentials of each query's scores.
struct Columns<V, const C: usize> {
    max: [V; C],
    sum: [V; C],
}

impl<V: Copy, const C: usize> Columns<V, C> {
    /// Turns a tile of scores into exponentials below the running maximum, and returns by how much what was summed with
    /// the earlier maximum shrinks. Dropped probabilities count in the sum, and are zeroed in the tile.
    #[inline(always)]
    fn softmax<L: Lanes<V = V>>(
        &mut self,
        l: L,
        head: &Head,
        first: usize,
        keys: Range<usize>,
        to: &mut Buffers,
        drops: Option<&Drops>,
    ) -> [[f32; LANES]; C] {
        let width = C * LANES;
        let before = self.max;
        let seen_by_all = head.last_seen(first);
        for (j, row) in keys.clone().zip(to.s.chunks_exact_mut(width)) {
            for c in 0..C {
                let s = vector_mut(row, c * LANES);
                let mut score = l.load(s);
                if head.shape.bias.is_some() {
                    let place = to.distances.place(first + c * LANES, j);
                    score = l.add(score, l.load(vector(to.bias, place)));
                }
                if j as isize > seen_by_all {
                    let hidden = ((j as isize - seen_by_all) as usize).saturating_sub(c * LANES);
                    score = l.select_from(hidden, score, l.splat(f32::NEG_INFINITY));
                }
                l.store(score, s);
                self.max[c] = l.max(self.max[c], score);
            }
        }
        let mut factors = [[0.0; LANES]; C];
        for (c, factor) in factors.iter_mut().enumerate() {
            let shrink = l.exp(l.sub(before[c], self.max[c]));
            self.sum[c] = l.mul(self.sum[c], shrink);
            l.store(shrink, factor);
        }
        let mut sum = self.sum;
        for (j, row) in keys.zip(to.s.chunks_exact_mut(width)) {
            for (c, sum) in sum.iter_mut().enumerate() {
                let s = vector_mut(row, c * LANES);
                let mut p = l.exp(l.sub(l.load(s), self.max[c]));
                *sum = l.add(*sum, p);
                if let Some(drops) = drops {
                    p = l.only(drops.keep(l, c, j), p);
                }
                l.store(p, s);
            }
        }
        self.sum = sum;
        factors
    }
}

/// Multiplies each row of `y` by its factor.
#[inline(always)]
fn scale_rows<L: Lanes>(l: L, y: &mut [f32], width: usize, factors: &[f32]) {
    for (row, &factor) in y.chunks_exact_mut(width).zip(factors) {
        let factor = l.splat(factor);
        for y in row.as_chunks_mut::<LANES>().0 {
            l.store(l.mul(factor, l.load(y)), y);
        }
    }
}

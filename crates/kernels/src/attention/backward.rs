//! The backward: probabilities are made again from the scores and the saved log-sum-exp, tile by tile, and feed the
//! three gradients at once (Dao et al. 2022, algorithm 4). One task is one head of one sequence, so that nothing is
//! summed across tasks but the bias.

use super::ahead::Ahead;
use super::block::{Distances, Drops, Head, QUERIES, vector, vector_mut, write_scaled};
use super::lanes::{Job, LANES, Lanes, dispatch};
use super::product::{Scalars, Vectors, across, along, product};
use super::rows::{Output, Qkv, Rows};
use super::scratch::{Shared, take, with_scratch};
use super::shape::Span;
use crate::Accum;
use crate::cpu::Isa;
use std::ops::Range;

/// Keys of one tile of scores.
const KEYS: usize = 64;

/// One head of one sequence, a task for one thread.
#[derive(Clone, Copy)]
pub(super) struct Backward<'a> {
    pub head: Head<'a>,
    pub qkv: Qkv<'a>,
    pub output: Output<'a>,
    pub dy: &'a [f32],
    /// Gradients of queries, keys and values.
    pub grads: [Shared<'a>; 3],
    /// The task's own part of the gradient of the bias: a row of the buffer, in the columns of the head.
    pub dbias: Option<(usize, Shared<'a, f64>)>,
}

/// The parts of the scratch.
struct Buffers<'a> {
    /// Transposed queries, scaled, and output gradients, divided by the share kept (head_dim, 32).
    q: &'a mut [f32],
    dy: &'a mut [f32],
    /// Copies of query and output gradient rows, where a head is not whole vectors.
    q_pack: &'a mut [f32],
    dy_pack: &'a mut [f32],
    scores: Scores<'a>,
    /// Sums of the gradients before they are scaled: (32, head_dim padded), and twice (Tk, head_dim padded).
    dq: &'a mut [f32],
    dk: &'a mut [f32],
    dv: &'a mut [f32],
    /// The keys for reading by the vector.
    k: Vectors<'a>,
    /// Keys and values for reading by the element.
    k_scalars: Scalars<'a>,
    v_scalars: Scalars<'a>,
    /// Room for the rounded elements of queries and output gradients, as columns and as rows, and of a tile of scores.
    rounded: [&'a mut [f32]; 4],
    tile_rounded: &'a mut [f32],
    ahead: Ahead<8>,
}

/// A tile of scores.
struct Scores<'a> {
    /// Scores, then probabilities (64, 32): a row a key.
    p: &'a mut [f32],
    /// Gradients of the probabilities, then of the scores.
    ds: &'a mut [f32],
    /// The bias by distance, and its gradient if wanted.
    bias: &'a [f32],
    dbias: &'a mut [f32],
    distances: Distances,
}

impl Backward<'_> {
    /// Numbers that the task works in: those of [`Buffers`], and the keys.
    fn lens(&self) -> [usize; 12] {
        let (head, dim, padded) = (&self.head, self.head.shape.head_dim, self.head.padded_dim());
        let tk = head.span.kv.len();
        let bias = if head.shape.bias.is_some() { Distances::new(head).len } else { 0 };
        let dbias = if self.dbias.is_some() { bias } else { 0 };
        let (pack, tile, sums) = (head.pack_len(QUERIES, tk), KEYS * QUERIES, tk * padded);
        let columns = dim * QUERIES;
        let k = head.pack_len(tk, head.span.q.len());
        [columns, columns, pack, pack, tile, tile, QUERIES * padded, sums, sums, bias, dbias, k]
    }

    /// Numbers of the rounded elements: of keys as vectors, keys and values as scalars; of queries and output gradients as columns, and
    /// as rows; and of a tile of scores.
    fn rounded_lens(&self) -> [usize; 8] {
        let (head, padded) = (&self.head, self.head.padded_dim());
        let [keys, queries, scores] = [(head.span.kv.len(), padded), (padded, QUERIES), (KEYS, QUERIES)]
            .map(|(rows, depth)| head.rounded_len(rows, depth));
        [keys, keys, keys, queries, queries, queries, queries, scores]
    }

    /// Computes the task's gradients.
    pub(super) fn run(self, isa: Isa) {
        let lens = self.lens().into_iter().chain(self.rounded_lens());
        with_scratch(lens, |scratch| dispatch(isa, self.head.shape.precision, (self, scratch)));
    }
}

impl Job for (Backward<'_>, &mut [f32]) {
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let (task, mut scratch) = self;
        let head = &task.head;
        let [q, dy, q_pack, dy_pack, p, ds, dq, dk, dv, bias, dbias, k_pack] =
            task.lens().map(|len| take(&mut scratch, len));
        let [k_vectors, k_scalars, v_scalars, q_columns, dy_columns, q_rows, dy_rows, tile_rounded] =
            task.rounded_lens().map(|len| take(&mut scratch, len));
        let distances = Distances::new(head);
        distances.unroll(head, bias);
        for sums in [&mut *dk, &mut *dv, &mut *dbias] {
            sums.fill(0.0);
        }
        let (tq, tk) = head.lengths();
        let kv = head.span.kv.start;
        let k = head.vectors(&task.qkv.k, kv, tk, k_pack);
        let k = across(l, (tk, head.padded_dim()), k, k_vectors);
        let k_scalars = head.scalars(l, &task.qkv.k, (kv, tk), k_scalars);
        let v_scalars = head.scalars(l, &task.qkv.v, (kv, tk), v_scalars);
        let scores = Scores { p, ds, bias, dbias, distances };
        let (rounded, ahead) = ([q_columns, dy_columns, q_rows, dy_rows], task.ahead());
        let mut buffers = Buffers {
            q,
            dy,
            q_pack,
            dy_pack,
            scores,
            dq,
            dk,
            dv,
            k,
            k_scalars,
            v_scalars,
            rounded,
            tile_rounded,
            ahead,
        };
        for first in (0..tq).step_by(QUERIES) {
            match tq - first {
                count @ ..=LANES => task.block::<L, 1>(l, first, count, &mut buffers),
                count => task.block::<L, 2>(l, first, count.min(QUERIES), &mut buffers),
            }
        }
        let kept = head.shape.dropout.map_or(1.0, |dropout| dropout.scale());
        task.write(l, 1, head.span.kv.clone(), head.shape.scale, buffers.dk);
        task.write(l, 2, head.span.kv.clone(), kept, buffers.dv);
        if let Some((row, shared)) = task.dbias {
            let width = shared_width(head);
            // SAFETY: the rows of the buffer are the sequences, its columns the heads; this task has this pair alone.
            let table = unsafe { shared.slice(row, head.head * width, width) };
            buffers.scores.distances.roll_up(head, buffers.scores.dbias, table);
        }
    }
}

/// Columns of one head in the bias table.
fn shared_width(head: &Head) -> usize {
    head.shape.bias.as_ref().map_or(0, |bias| bias.width())
}

impl Backward<'_> {
    /// Writes the sums of some rows of gradient `part`, times `scale`.
    #[inline(always)]
    fn write<L: Lanes>(&self, l: L, part: usize, rows: Range<usize>, scale: f32, sums: &[f32]) {
        let (dim, padded) = (self.head.shape.head_dim, self.head.padded_dim());
        for (row, sums) in rows.zip(sums.chunks_exact(padded)) {
            // SAFETY: spans share no row and the parts no column, so this task alone has this row, part and head.
            let to = unsafe { self.grads[part].slice(row, self.head.head * dim, dim) };
            write_scaled(l, to, sums, scale);
        }
    }

    /// What the next head needs.
    fn ahead(&self) -> Ahead<8> {
        let (head, Qkv { q, k, v }) = (&self.head, &self.qkv);
        let Span { q: rows, kv } = head.span;
        let like_y = |data| Rows::contiguous(data, head.shape.width()).place();
        let [dq, dk, dv] = &self.grads;
        let regions = [
            head.next(q.place(), rows),
            head.next(like_y(self.dy), rows),
            head.next(like_y(self.output.y), rows),
            head.next(k.place(), kv),
            head.next(v.place(), kv),
            head.next(dq.place(), rows),
            head.next(dk.place(), kv),
            head.next(dv.place(), kv),
        ];
        Ahead::new(regions, 3 * head.steps(0..rows.len()))
    }

    /// Up to 16·C queries from `first` on, with all keys that they see.
    #[inline(always)]
    fn block<L: Lanes, const C: usize>(&self, l: L, first: usize, count: usize, to: &mut Buffers) {
        let (head, qkv) = (&self.head, &self.qkv);
        let (dim, padded, width) = (head.shape.head_dim, head.padded_dim(), C * LANES);
        let row = head.span.q.start + first;
        let dy = Rows::contiguous(self.dy, head.shape.width());
        let drops = Drops::new(head, first);
        let kept = drops.as_ref().map_or(1.0, |drops| drops.scale);
        head.transpose::<L, C>(l, &qkv.q, (row, count), head.shape.scale, to.q);
        head.transpose::<L, C>(l, &dy, (row, count), kept, to.dy);
        let q_rows = head.vectors(&qkv.q, row, count, to.q_pack);
        let dy_rows = head.vectors(&dy, row, count, to.dy_pack);
        let [q_rounded, dy_rounded, q_rows_rounded, dy_rows_rounded] = &mut to.rounded;
        let q = across(l, (dim, width), Vectors { data: to.q, row: width }, q_rounded);
        let dy = across(l, (dim, width), Vectors { data: to.dy, row: width }, dy_rounded);
        let q_rows = across(l, (count, padded), q_rows, q_rows_rounded);
        let dy_rows = across(l, (count, padded), dy_rows, dy_rows_rounded);
        let queries = self.queries::<L, C>(l, first, count);
        let seen = head.visible(first + count - 1);
        if seen == 0 {
            to.dq.fill(0.0);
        }
        for tile in (0..seen).step_by(KEYS) {
            let keys = seen.min(tile + KEYS) - tile;
            let (k, v) = (to.k_scalars.from(tile), to.v_scalars.from(tile));
            let Scores { p, ds, .. } = &mut to.scores;
            product(l, (keys, dim, width), k, q, (p, width, Accum::Set), &mut to.ahead);
            product(l, (keys, dim, width), v, dy, (ds, width, Accum::Set), &mut to.ahead);
            to.scores.gradients::<L, C>(l, head, first, tile..tile + keys, &queries, drops.as_ref());
            let Scores { p, ds, .. } = &to.scores;
            let (dk, dv) = (&mut to.dk[tile * padded..], &mut to.dv[tile * padded..]);
            let by_key = |data| Scalars { data, row: width, col: 1 };
            let (shape, rounded) = ((keys, count, padded), &mut *to.tile_rounded);
            let p = along(l, (keys, count), by_key(p), rounded);
            product(l, shape, p, dy_rows, (dv, padded, Accum::Add), &mut to.ahead);
            let by_key = along(l, (keys, count), by_key(ds), rounded);
            product(l, shape, by_key, q_rows, (dk, padded, Accum::Add), &mut to.ahead);
            let by_query = across(l, (keys, width), Vectors { data: ds, row: width }, rounded).t();
            let (k, accum) = (to.k.from::<L>(tile), if tile == 0 { Accum::Set } else { Accum::Add });
            product(l, (count, keys, padded), by_query, k, (to.dq, padded, accum), &mut to.ahead);
        }
        self.write(l, 0, row..row + count, head.shape.scale, to.dq);
    }

    /// What the queries of a block bring along.
    #[inline(always)]
    fn queries<L: Lanes, const C: usize>(&self, l: L, first: usize, count: usize) -> Queries<L, C> {
        let (head, Output { y, lse }) = (&self.head, self.output);
        let (width, dim, n_q) = (head.shape.width(), head.shape.head_dim, lse.len() / head.shape.heads);
        // With +∞ the lanes without a query get probabilities of zero.
        let (mut log_sum, mut d) = ([[f32::INFINITY; LANES]; C], [[0.0; LANES]; C]);
        for i in 0..count {
            let row = head.span.q.start + first + i;
            let start = row * width + head.head * dim;
            log_sum[i / LANES][i % LANES] = lse[head.head * n_q + row];
            d[i / LANES][i % LANES] = dot(l, &y[start..start + dim], &self.dy[start..start + dim]);
        }
        let mut queries = Queries { log_sum: [l.splat(0.0); C], d: [l.splat(0.0); C] };
        for c in 0..C {
            (queries.log_sum[c], queries.d[c]) = (l.load(&log_sum[c]), l.load(&d[c]));
        }
        queries
    }
}

/// The saved log-sum-exp of each query, and Dᵢ = dyᵢ·yᵢ, which is the sum over the keys of Pᵢⱼ·dPᵢⱼ.
struct Queries<L: Lanes, const C: usize> {
    log_sum: [L::V; C],
    d: [L::V; C],
}

impl Scores<'_> {
    /// From scores S and gradients dP to the kept probabilities and dS = P∘(dP − D).
    #[inline(always)]
    fn gradients<L: Lanes, const C: usize>(
        &mut self,
        l: L,
        head: &Head,
        first: usize,
        keys: Range<usize>,
        queries: &Queries<L, C>,
        drops: Option<&Drops>,
    ) {
        let width = C * LANES;
        let seen_by_all = head.last_seen(first);
        let rows = self.p.chunks_exact_mut(width).zip(self.ds.chunks_exact_mut(width));
        for (j, (p_row, ds_row)) in keys.zip(rows) {
            for c in 0..C {
                let (p, ds) = (vector_mut(p_row, c * LANES), vector_mut(ds_row, c * LANES));
                let mut score = l.load(p);
                let place = || self.distances.place(first + c * LANES, j);
                if head.shape.bias.is_some() {
                    score = l.add(score, l.load(vector(self.bias, place())));
                }
                let mut prob = l.exp(l.sub(score, queries.log_sum[c]));
                if j as isize > seen_by_all {
                    let hidden = ((j as isize - seen_by_all) as usize).saturating_sub(c * LANES);
                    prob = l.select_from(hidden, prob, l.splat(0.0));
                }
                let (mut kept, mut dp) = (prob, l.load(ds));
                if let Some(drops) = drops {
                    let mask = drops.keep(l, c, j);
                    (kept, dp) = (l.only(mask, prob), l.only(mask, dp));
                }
                let gradient = l.mul(prob, l.sub(dp, queries.d[c]));
                l.store(kept, p);
                l.store(gradient, ds);
                if !self.dbias.is_empty() {
                    let sum = vector_mut(self.dbias, place());
                    l.store(l.add(l.load(sum), gradient), sum);
                }
            }
        }
    }
}

/// The dot product of two rows.
#[inline(always)]
fn dot<L: Lanes>(l: L, a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sum = l.splat(0.0);
    for (a, b) in a.iter().zip(b) {
        sum = l.fma(l.load(a), l.load(b), sum);
    }
    a_rest.iter().zip(b_rest).fold(l.sum(sum), |sum, (a, b)| sum + a * b)
}

//! The cross-entropy of hidden rows against a whole vocabulary with all its gradients, a block of the vocabulary at a
//! time.
//!
//! `logits = h·Eᵀ + bias` has as many columns as there are tokens, so passes over it in memory cost as much as the
//! products. Here each block of columns is made, turned into exponentials against the largest logits so far, and
//! multiplied into `dh` while it lies in the cache of the core that works on it, as attention treats its keys (Dao et
//! al. 2022). Once the sums are known, a second visit makes `dE` of the same exponentials, whose rows are scaled while
//! they are packed for the product.

use std::ops::Range;

use rayon::prelude::*;

use crate::cpu;
use crate::elementwise;
use crate::gemm::{Matrix, Packed, Precision, column_sums, gemm_serial, gemm_serial_packed};
use crate::softmax::{exp_in_place, row_max};
use crate::{Accum, Out, per_isa};

/// Tokens of a block: its logits, gradients and embeddings together fit a second-level cache.
const BLOCK: usize = 256;
/// Parts of the vocabulary whose shares of `dh` are summed apart and folded in order: as many tasks as there are at most.
const PARTS: usize = 32;
/// Floats of all shares together, 48 MiB, for which there are fewer parts where rows are many and wide.
const SHARES: usize = 3 << 22;
/// Rows that are summed before they join the total, which keeps rounding small over many rows.
const SUM_ROWS: usize = 64;

/// What the loss is a function of.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// The hidden rows `h` (rows, width).
    pub hidden: &'a [f32],
    /// The embedding `E` (tokens, width) of every token.
    pub table: &'a [f32],
    /// One value a token, or none.
    pub bias: Option<&'a [f32]>,
    /// Columns of `hidden` and `table`.
    pub width: usize,
    /// The token each row should predict.
    pub targets: &'a [u32],
    /// The factor of each row's gradient.
    pub weights: &'a [f32],
    /// Share of the target distribution spread over all tokens.
    pub smoothing: f32,
    /// Factor of log²Z.
    pub z_loss: f32,
    /// How the products treat their operands.
    pub precision: Precision,
}

/// What the second visit to the exponentials needs from the first.
#[derive(Debug)]
pub struct Normalised {
    /// What each row's exponentials were taken against in each block (block, rows).
    maxima: Vec<f32>,
    rows: Vec<Normaliser>,
}

impl Vocabulary<'_> {
    fn rows(&self) -> usize {
        self.targets.len()
    }

    fn tokens(&self) -> usize {
        self.table.len() / self.width
    }

    fn blocks(&self) -> usize {
        self.tokens().div_ceil(BLOCK)
    }

    /// An even number, so that two cores do the same.
    fn parts(&self) -> usize {
        let parts = SHARES / (self.rows() * self.width).max(1) / 2 * 2;
        parts.clamp(2, PARTS).min(self.blocks())
    }

    /// The blocks of one part, as many as of any other or one more.
    fn blocks_of(&self, part: usize) -> Range<usize> {
        let at = |part| part * self.blocks() / self.parts();
        at(part)..at(part + 1)
    }

    /// Floats of `e^(x − max)` that [`loss`](Self::loss) makes.
    pub fn exponentials(&self) -> usize {
        self.rows() * self.tokens()
    }

    /// Floats of working memory that [`loss`](Self::loss) wants.
    pub fn scratch(&self) -> usize {
        self.parts() * self.rows() * self.width
    }

    /// Floats of working memory that [`gradients_of_tokens`](Self::gradients_of_tokens) wants.
    pub fn packed(&self) -> usize {
        Packed::floats(self.precision, self.rows(), self.width)
    }

    /// Writes the unweighted loss of each row to `nll`, the gradient of `Σ weight·nll` to `dhidden`, and to `exponentials`
    /// what the gradients of the tokens are made of.
    ///
    /// The equations are those of [`cross_entropy_rows`](crate::loss::cross_entropy_rows).
    ///
    /// # Panics
    /// If the shapes do not fit, or a target is not a token.
    pub fn loss(
        &self,
        exponentials: &mut [f32],
        scratch: &mut [f32],
        nll: &mut [f32],
        dhidden: &mut [f32],
    ) -> Normalised {
        self.check(nll, dhidden);
        assert_eq!(exponentials.len(), self.exponentials(), "room for another number of exponentials");
        let shares = &mut scratch[..self.scratch()];
        let mut maxima = vec![0.0; self.blocks() * self.rows()];
        let stats = self.exponentiate(exponentials, shares, &mut maxima);
        let rows = self.losses(&stats, nll);
        self.gradient_of_hidden(dhidden, shares, &stats, &rows);
        Normalised { maxima, rows }
    }

    fn check(&self, nll: &[f32], dhidden: &[f32]) {
        let (rows, width, tokens) = (self.rows(), self.width, self.tokens());
        let shapes = [
            ("hidden", self.hidden.len(), rows * width),
            ("table", self.table.len(), tokens * width),
            ("bias", self.bias.map_or(tokens, <[f32]>::len), tokens),
            ("weights", self.weights.len(), rows),
            ("losses", nll.len(), rows),
            ("gradient of hidden", dhidden.len(), rows * width),
        ];
        for (name, found, expected) in shapes {
            assert!(
                found == expected,
                "{name} of {found} floats for {rows} rows, {tokens} tokens, width {width}"
            );
        }
        assert!(
            self.targets.iter().all(|&target| (target as usize) < tokens),
            "a target is not below {tokens}"
        );
    }

    /// Turns every block of logits (block, rows, tokens of the block) into `e^(x − max)`, each row against its largest
    /// logit so far in this part of the vocabulary, which goes to `maxima` (block, rows); and sums up its share of `Σ
    /// e^(x − max)·E` (part, rows, width). Gives what each part knows of each row (part, rows).
    fn exponentiate(&self, x: &mut [f32], shares: &mut [f32], maxima: &mut [f32]) -> Vec<Stats> {
        let (rows, width, isa) = (self.rows(), self.width, cpu::isa());
        let h = Matrix::new(self.hidden, rows, width);
        let mut stats = vec![Stats::default(); self.parts() * rows];
        let of_blocks: Vec<Range<usize>> = (0..self.parts()).map(|part| self.blocks_of(part)).collect();
        let x = split(x, of_blocks.iter().map(|blocks| blocks.len() * BLOCK * rows));
        let maxima = split(maxima, of_blocks.iter().map(|blocks| blocks.len() * rows));
        let parts = of_blocks.into_par_iter().zip(x).zip(maxima);
        let parts = parts.zip(shares.par_chunks_mut(rows * width)).zip(stats.par_chunks_mut(rows));
        parts.with_max_len(1).for_each(|((((blocks, x), maxima), share), stats)| {
            let of_block = x.chunks_mut(BLOCK * rows).zip(maxima.chunks_mut(rows));
            for (i, (b, (x, maxima))) in blocks.zip(of_block).enumerate() {
                let tokens = x.len() / rows;
                let e = self.embeddings(b, tokens);
                gemm_serial(self.precision, h, e.t(), Out::set(x), self.bias_of(b, tokens));
                for (r, (x, stats)) in x.chunks_exact_mut(tokens).zip(&mut *stats).enumerate() {
                    let own = self.own_token(r, b, tokens);
                    stats.expected += expected_logit(x, own, self.smoothing, self.tokens());
                    let shrink = stats.raise(largest(isa, x));
                    if let Some(shrink) = shrink.filter(|_| i > 0) {
                        scale(isa, &mut share[r * width..][..width], shrink);
                    }
                    maxima[r] = stats.max;
                    stats.sum += exponentiate_row(isa, x, stats.max);
                }
                let share = if i == 0 { Out::set(share) } else { Out::add(share) };
                gemm_serial(self.precision, Matrix::new(x, rows, tokens), e, share, None);
            }
        });
        stats
    }

    /// The loss of each row from the shares of all parts, and what turns its exponentials into gradients.
    fn losses(&self, stats: &[Stats], nll: &mut [f32]) -> Vec<Normaliser> {
        let rows = self.rows();
        let of_row = |r| stats.iter().skip(r).step_by(rows);
        let normaliser = |(r, nll): (usize, &mut f32)| {
            let max = of_row(r).map(|s| s.max).fold(f32::NEG_INFINITY, f32::max);
            let total: f64 = of_row(r).map(|s| s.sum * f64::from(s.max - max).exp()).sum();
            let expected: f64 = of_row(r).map(|s| s.expected).sum();
            let log_sum = f64::from(max) + total.ln();
            *nll = (log_sum - expected + f64::from(self.z_loss) * log_sum * log_sum) as f32;
            let weight = f64::from(self.weights[r]) * (1.0 + 2.0 * f64::from(self.z_loss) * log_sum);
            Normaliser { log_sum, weight }
        };
        nll.iter_mut().enumerate().map(normaliser).collect()
    }

    /// What label smoothing adds to `∂/∂logit` of every token alike, for a row of weight 1.
    fn even_share(&self) -> Option<f32> {
        (self.smoothing > 0.0).then(|| -self.smoothing / self.tokens() as f32)
    }

    /// `∂/∂h`: the shares of all parts in order, less what the targets ask for.
    fn gradient_of_hidden(&self, dhidden: &mut [f32], shares: &[f32], stats: &[Stats], rows: &[Normaliser]) {
        let (count, width) = (self.rows(), self.width);
        let even = self.even_share().map(|even| {
            let mut sum = vec![0.0; width];
            column_sums(self.table, width, Out::set(&mut sum));
            (even, sum)
        });
        dhidden.par_chunks_mut(width).enumerate().for_each(|(r, dh)| {
            dh.fill(0.0);
            for (share, stats) in shares.chunks(count * width).zip(stats.chunks(count)) {
                add_scaled(dh, &share[r * width..][..width], rows[r].factor(stats[r].max));
            }
            let target = &self.table[self.targets[r] as usize * width..][..width];
            add_scaled(dh, target, self.of_target(r));
            if let Some((even, sum)) = &even {
                add_scaled(dh, sum, even * self.weights[r]);
            }
        });
    }

    /// `∂/∂E` and `∂/∂bias` of `factor·Σ weight·nll`, from what [`loss`](Self::loss) has left.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn gradients_of_tokens(
        &self,
        (exponentials, normalised): (&[f32], &Normalised),
        packed: &mut [f32],
        factor: f32,
        table: Out,
        bias: Option<Out>,
    ) {
        let (rows, width) = (self.rows(), self.width);
        assert_eq!(exponentials.len(), self.exponentials(), "another number of exponentials");
        assert_eq!(table.data.len(), self.table.len(), "a gradient of another table");
        assert!(bias.as_ref().is_none_or(|b| b.data.len() == self.tokens()), "a gradient of another bias");
        let h = Packed::new(self.precision, Matrix::new(self.hidden, rows, width), packed);
        let even = self.even_share().map(|even| {
            let mut sum = vec![0.0; width];
            for (h, weight) in self.hidden.chunks_exact(width).zip(self.weights) {
                add_scaled(&mut sum, h, factor * even * weight);
            }
            (factor * even * self.weights.iter().sum::<f32>(), sum)
        });
        let (of_table, of_bias) = (table.accum, bias.as_ref().map_or(Accum::Set, |b| b.accum));
        let bias: Vec<Option<&mut [f32]>> = match bias {
            Some(bias) => bias.data.chunks_mut(BLOCK).map(Some).collect(),
            None => (0..self.blocks()).map(|_| None).collect(),
        };
        let blocks = exponentials.par_chunks(BLOCK * rows).zip(table.data.par_chunks_mut(BLOCK * width));
        let blocks = blocks.zip(normalised.maxima.par_chunks(rows)).zip(bias).enumerate();
        blocks.with_max_len(1).for_each(|(b, (((x, dtable), maxima), mut dbias))| {
            let tokens = x.len() / rows;
            let of_row = normalised.rows.iter().zip(maxima);
            let factors: Vec<f32> = of_row.map(|(row, max)| factor * row.factor(*max)).collect();
            let out = Out { data: &mut *dtable, accum: of_table };
            gemm_serial_packed(Matrix::new(x, rows, tokens).t(), &factors, &h, out);
            if let Some(dbias) = dbias.as_deref_mut() {
                scaled_column_sums(x, &factors, Out { data: dbias, accum: of_bias });
            }
            for r in 0..rows {
                let Some(own) = self.own_token(r, b, tokens) else { continue };
                let of_target = factor * self.of_target(r);
                add_scaled(
                    &mut dtable[own * width..][..width],
                    &self.hidden[r * width..][..width],
                    of_target,
                );
                if let Some(dbias) = dbias.as_deref_mut() {
                    dbias[own] += of_target;
                }
            }
            if let Some((of_bias, of_table)) = &even {
                dtable.chunks_exact_mut(width).for_each(|row| add_scaled(row, of_table, 1.0));
                dbias.into_iter().flatten().for_each(|x| *x += of_bias);
            }
        });
    }

    /// The target of a row inside of a block.
    fn own_token(&self, row: usize, block: usize, tokens: usize) -> Option<usize> {
        (self.targets[row] as usize).checked_sub(block * BLOCK).filter(|token| *token < tokens)
    }

    /// `∂/∂logit` of a row's target, less what it has as one of all tokens.
    fn of_target(&self, row: usize) -> f32 {
        -self.weights[row] * (1.0 - self.smoothing)
    }

    fn embeddings(&self, block: usize, tokens: usize) -> Matrix<'_> {
        Matrix::new(&self.table[block * BLOCK * self.width..][..tokens * self.width], tokens, self.width)
    }

    fn bias_of(&self, block: usize, tokens: usize) -> Option<&[f32]> {
        self.bias.map(|bias| &bias[block * BLOCK..][..tokens])
    }
}

/// What is known of one row after some blocks of one part.
#[derive(Clone, Copy, Debug)]
struct Stats {
    max: f32,
    /// Σ e^(x − max).
    sum: f64,
    /// Σ q·x, q the smoothed target distribution.
    expected: f64,
}

impl Default for Stats {
    fn default() -> Self {
        Self { max: f32::NEG_INFINITY, sum: 0.0, expected: 0.0 }
    }
}

impl Stats {
    /// Takes account of a new maximum, if it is one: what has been summed so far is to be multiplied by the result.
    fn raise(&mut self, max: f32) -> Option<f32> {
        (max > self.max).then(|| {
            let shrink = f64::from(self.max - max).exp();
            self.max = max;
            self.sum *= shrink;
            shrink as f32
        })
    }
}

/// What turns the exponentials of one row into gradients.
#[derive(Clone, Copy, Debug)]
struct Normaliser {
    /// log Z.
    log_sum: f64,
    /// `∂ Σ weight·nll / ∂ log Z`.
    weight: f64,
}

impl Normaliser {
    /// `weight·e^(x − log Z)` over `e^(x − max)`.
    fn factor(&self, max: f32) -> f32 {
        (self.weight * (f64::from(max) - self.log_sum).exp()) as f32
    }
}

/// Cuts a slice into pieces of these lengths; the last may be shorter.
fn split(mut rest: &mut [f32], lengths: impl Iterator<Item = usize>) -> Vec<&mut [f32]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, after) = rest.split_at_mut(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn expected_logit(x: &[f32], own: Option<usize>, smoothing: f32, tokens: usize) -> f64 {
    let of_target = own.map_or(0.0, |own| f64::from(1.0 - smoothing) * f64::from(x[own]));
    if smoothing > 0.0 {
        return of_target + f64::from(smoothing) * elementwise::sum(x) / tokens as f64;
    }
    of_target
}

fn add_scaled(to: &mut [f32], x: &[f32], factor: f32) {
    to.iter_mut().zip(x).for_each(|(to, x)| *to += x * factor);
}

/// The sum of every column of `x`, its rows multiplied by their factors.
fn scaled_column_sums(x: &[f32], factors: &[f32], out: Out) {
    let Out { data, accum } = out;
    if accum == Accum::Set {
        data.fill(0.0);
    }
    let columns = data.len();
    let mut partial = vec![0.0; columns];
    for (x, factors) in x.chunks(SUM_ROWS * columns).zip(factors.chunks(SUM_ROWS)) {
        partial.fill(0.0);
        x.chunks_exact(columns).zip(factors).for_each(|(row, factor)| add_scaled(&mut partial, row, *factor));
        data.iter_mut().zip(&partial).for_each(|(sum, partial)| *sum += partial);
    }
}

per_isa! {
    fn largest<T>(x: &[f32]) -> f32 {
        row_max(x)
    }
}

per_isa! {
    fn exponentiate_row<T>(x: &mut [f32], max: f32) -> f64 {
        exp_in_place::<T>(x, max)
    }
}

per_isa! {
    fn scale<T>(x: &mut [f32], factor: f32) {
        x.iter_mut().for_each(|x| *x *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::gemm;
    use crate::loss::cross_entropy_rows;

    fn numbers(seed: u64, count: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    struct Case {
        rows: usize,
        tokens: usize,
        width: usize,
        smoothing: f32,
        z_loss: f32,
        biased: bool,
    }

    /// Losses and gradients of hidden, table and bias, accumulated onto ones.
    fn fused(case: &Case) -> [Vec<f32>; 4] {
        let Case { rows, tokens, width, smoothing, z_loss, biased } = *case;
        let (h, e, b) = (numbers(1, rows * width), numbers(2, tokens * width), numbers(3, tokens));
        let targets: Vec<u32> = (0..rows).map(|r| (r * 7919 % tokens) as u32).collect();
        let weights = numbers(4, rows);
        let bias = biased.then_some(&b[..]);
        let v = Vocabulary {
            hidden: &h,
            table: &e,
            bias,
            width,
            targets: &targets,
            weights: &weights,
            smoothing,
            z_loss,
            precision: Precision::F32,
        };
        let (mut nll, mut dh, mut de) = (vec![0.0; rows], vec![9.0; rows * width], vec![1.0; tokens * width]);
        let mut db = vec![1.0; if biased { tokens } else { 0 }];
        let room = |floats| vec![f32::NAN; floats];
        let mut exponentials = room(v.exponentials());
        let normalised = v.loss(&mut exponentials, &mut room(v.scratch()), &mut nll, &mut dh);
        let bias = biased.then(|| Out::add(&mut db));
        v.gradients_of_tokens(
            (&exponentials, &normalised),
            &mut room(v.packed()),
            1.0,
            Out::add(&mut de),
            bias,
        );
        [nll, dh, de, db]
    }

    /// The same from whole logits.
    fn composed(case: &Case) -> [Vec<f32>; 4] {
        let Case { rows, tokens, width, smoothing, z_loss, biased } = *case;
        let (h, e, b) = (numbers(1, rows * width), numbers(2, tokens * width), numbers(3, tokens));
        let targets: Vec<u32> = (0..rows).map(|r| (r * 7919 % tokens) as u32).collect();
        let weights = numbers(4, rows);
        let (hm, em) = (Matrix::new(&h, rows, width), Matrix::new(&e, tokens, width));
        let (mut x, mut nll) = (vec![0.0; rows * tokens], vec![0.0; rows]);
        gemm(Precision::F32, hm, em.t(), Out::set(&mut x), biased.then_some(&b[..]));
        cross_entropy_rows(&mut x, tokens, &targets, &weights, smoothing, z_loss, &mut nll);
        let (mut dh, mut de) = (vec![0.0; rows * width], vec![1.0; tokens * width]);
        let mut db = vec![1.0; if biased { tokens } else { 0 }];
        let dx = Matrix::new(&x, rows, tokens);
        gemm(Precision::F32, dx, em, Out::set(&mut dh), None);
        gemm(Precision::F32, dx.t(), hm, Out::add(&mut de), None);
        if biased {
            column_sums(&x, tokens, Out::add(&mut db));
        }
        [nll, dh, de, db]
    }

    const CASES: [Case; 4] = [
        Case { rows: 37, tokens: 1000, width: 24, smoothing: 0.0, z_loss: 0.0, biased: false },
        Case { rows: 5, tokens: 256, width: 8, smoothing: 0.1, z_loss: 1e-2, biased: true },
        Case { rows: 1, tokens: 3, width: 5, smoothing: 0.0, z_loss: 1e-3, biased: true },
        Case { rows: 64, tokens: 256 * 70 + 11, width: 16, smoothing: 0.0, z_loss: 0.0, biased: true },
    ];

    #[test]
    fn blocks_give_what_whole_logits_give() {
        for case in &CASES {
            for (found, expected) in fused(case).iter().zip(&composed(case)) {
                let worst = found
                    .iter()
                    .zip(expected)
                    .map(|(f, e)| (f - e).abs() / (1.0 + e.abs()))
                    .fold(0.0, f32::max);
                assert!(found.len() == expected.len() && worst < 2e-5, "{} tokens: {worst}", case.tokens);
            }
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| fused(&CASES[3]))
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(7));
    }
}

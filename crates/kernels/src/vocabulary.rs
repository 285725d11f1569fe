//! The cross-entropy of hidden rows against a whole vocabulary with all its gradients, a block of the vocabulary at a
//! time.
//!
//! `logits = h·Eᵀ + bias` has as many columns as there are tokens, so passes over it in memory cost as much as the
//! products. Here each block of columns is made, turned into exponentials and later into gradients while it lies in
//! the cache of the core that works on it: two visits to memory instead of five, and `dE` is written where it belongs.

use rayon::prelude::*;

use crate::cpu::{self, Isa};
use crate::elementwise;
use crate::gemm::{Matrix, Precision, column_sums, gemm_serial};
use crate::softmax::{exp_in_place, row_max};
use crate::{Accum, Out, per_isa};

/// Tokens of a block: its logits, gradients and embeddings together fit a second-level cache.
const BLOCK: usize = 256;
/// Parts of the vocabulary whose shares of `dh` are summed apart and folded in order: as many tasks as there are at most.
const PARTS: usize = 32;

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

/// Where the gradients of [`Vocabulary`] go.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// Of the hidden rows; overwritten.
    pub hidden: &'a mut [f32],
    /// Of the table.
    pub table: Out<'a>,
    /// Of the bias; there if and only if the bias is.
    pub bias: Option<Out<'a>>,
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

    /// Blocks of one part of the vocabulary.
    fn part(&self) -> usize {
        self.blocks().div_ceil(PARTS)
    }

    /// Floats of working memory that [`Vocabulary::loss_and_gradients`] wants.
    pub fn scratch(&self) -> usize {
        self.rows() * (self.tokens() + self.blocks().div_ceil(self.part()) * self.width)
    }

    /// Writes the unweighted loss of each row to `nll`, and the gradients of `Σ weight·nll`.
    ///
    /// The equations are those of [`cross_entropy_rows`](crate::loss::cross_entropy_rows).
    ///
    /// # Panics
    /// If the shapes do not fit, or a target is not a token.
    pub fn loss_and_gradients(&self, scratch: &mut [f32], nll: &mut [f32], grads: Gradients) {
        self.check(scratch, nll, &grads);
        let (logits, shares) = scratch.split_at_mut(self.rows() * self.tokens());
        let shares = &mut shares[..self.scratch() - self.rows() * self.tokens()];
        let stats = self.exponentials(logits);
        let factors = self.losses(&stats, nll);
        self.gradients(logits, shares, &factors, grads);
    }

    fn check(&self, scratch: &[f32], nll: &[f32], grads: &Gradients) {
        let (rows, width, tokens) = (self.rows(), self.width, self.tokens());
        let shapes = [
            ("hidden", self.hidden.len(), rows * width),
            ("table", self.table.len(), tokens * width),
            ("bias", self.bias.map_or(tokens, <[f32]>::len), tokens),
            ("weights", self.weights.len(), rows),
            ("losses", nll.len(), rows),
            ("gradient of hidden", grads.hidden.len(), rows * width),
            ("gradient of table", grads.table.data.len(), tokens * width),
            (
                "gradient of bias",
                grads.bias.as_ref().map_or(0, |b| b.data.len()),
                self.bias.map_or(0, |b| b.len()),
            ),
        ];
        for (name, found, expected) in shapes {
            assert!(
                found == expected,
                "{name} of {found} floats for {rows} rows, {tokens} tokens, width {width}"
            );
        }
        assert!(
            scratch.len() >= self.scratch(),
            "{} floats of scratch, {} wanted",
            scratch.len(),
            self.scratch()
        );
        let known = |&&t: &&u32| (t as usize) < tokens;
        assert!(self.targets.iter().all(|t| known(&t)), "a target is not below {tokens}");
    }

    /// Turns every block of `logits` (block, rows, tokens of the block) into `e^(x − max)`, with the maximum, the sum and
    /// the expected logit of each of its rows.
    fn exponentials(&self, logits: &mut [f32]) -> Vec<Stats> {
        let (rows, isa) = (self.rows(), cpu::isa());
        let mut stats = vec![Stats::default(); self.blocks() * rows];
        let blocks = logits.par_chunks_mut(BLOCK * rows).zip(stats.par_chunks_mut(rows)).enumerate();
        blocks.with_max_len(1).for_each(|(b, (x, stats))| {
            let tokens = x.len() / rows;
            let h = Matrix::new(self.hidden, rows, self.width);
            gemm_serial(
                self.precision,
                h,
                self.embeddings(b, tokens).t(),
                Out::set(x),
                self.bias_of(b, tokens),
            );
            for (r, (x, stats)) in x.chunks_exact_mut(tokens).zip(stats).enumerate() {
                let own = (self.targets[r] as usize).checked_sub(b * BLOCK).filter(|t| *t < tokens);
                *stats = exponentials_of_row(isa, x, own, self.smoothing, self.tokens());
            }
        });
        stats
    }

    /// The loss of each row from the shares of all blocks, and what turns its exponentials into gradients.
    fn losses(&self, stats: &[Stats], nll: &mut [f32]) -> Vec<f32> {
        let rows = self.rows();
        let mut factors = vec![0.0; stats.len()];
        for (r, nll) in nll.iter_mut().enumerate() {
            let of_row = || stats.iter().skip(r).step_by(rows);
            let max = of_row().map(|s| s.max).fold(f32::NEG_INFINITY, f32::max);
            let total: f64 = of_row().map(|s| s.sum * f64::from(s.max - max).exp()).sum();
            let expected: f64 = of_row().map(|s| s.expected).sum();
            let lse = f64::from(max) + total.ln();
            *nll = (lse - expected + f64::from(self.z_loss) * lse * lse) as f32;
            let scale = f64::from(self.weights[r]) * (1.0 + 2.0 * f64::from(self.z_loss) * lse);
            for (factor, s) in factors.iter_mut().skip(r).step_by(rows).zip(of_row()) {
                *factor = (scale * (f64::from(s.max) - lse).exp()) as f32;
            }
        }
        factors
    }

    /// Turns exponentials into `∂/∂logits` block by block, and those into the gradients of their operands.
    fn gradients(&self, logits: &mut [f32], shares: &mut [f32], factors: &[f32], grads: Gradients) {
        let (rows, width, part) = (self.rows(), self.width, self.part());
        let Gradients { hidden, table, bias } = grads;
        let (of_table, of_bias) = (table.accum, bias.as_ref().map_or(Accum::Set, |b| b.accum));
        let bias: Vec<Option<&mut [f32]>> = match bias {
            Some(bias) => bias.data.chunks_mut(part * BLOCK).map(Some).collect(),
            None => (0..self.blocks().div_ceil(part)).map(|_| None).collect(),
        };
        let parts = logits.par_chunks_mut(part * BLOCK * rows).zip(shares.par_chunks_mut(rows * width));
        let parts = parts.zip(table.data.par_chunks_mut(part * BLOCK * width)).zip(bias).enumerate();
        parts.with_max_len(1).for_each(|(p, (((x, share), dtable), mut dbias))| {
            let blocks = x.chunks_mut(BLOCK * rows).zip(dtable.chunks_mut(BLOCK * width)).enumerate();
            for (i, (x, dtable)) in blocks {
                let (b, tokens) = (p * part + i, x.len() / rows);
                self.gradients_of_block(b, x, &factors[b * rows..][..rows]);
                let (dlogits, h) = (Matrix::new(x, rows, tokens), Matrix::new(self.hidden, rows, width));
                gemm_serial(self.precision, dlogits.t(), h, Out { data: dtable, accum: of_table }, None);
                let share = if i == 0 { Out::set(share) } else { Out::add(share) };
                gemm_serial(self.precision, dlogits, self.embeddings(b, tokens), share, None);
                if let Some(dbias) = dbias.as_deref_mut() {
                    let data = &mut dbias[i * BLOCK..][..tokens];
                    column_sums(x, tokens, Out { data, accum: of_bias });
                }
            }
        });
        let shares: Vec<&[f32]> = shares.chunks(rows * width).collect();
        hidden.par_chunks_mut(width).enumerate().for_each(|(r, row)| {
            row.copy_from_slice(&shares[0][r * width..][..width]);
            shares[1..].iter().for_each(|share| {
                row.iter_mut().zip(&share[r * width..][..width]).for_each(|(sum, x)| *sum += x);
            });
        });
    }

    fn gradients_of_block(&self, b: usize, x: &mut [f32], factors: &[f32]) {
        let (rows, isa) = (self.rows(), cpu::isa());
        let tokens = x.len() / rows;
        for (r, x) in x.chunks_exact_mut(tokens).enumerate() {
            let weight = self.weights[r];
            scale_and_shift(isa, x, factors[r], -weight * self.smoothing / self.tokens() as f32);
            if let Some(own) = (self.targets[r] as usize).checked_sub(b * BLOCK).filter(|t| *t < tokens) {
                x[own] -= weight * (1.0 - self.smoothing);
            }
        }
    }

    fn embeddings(&self, block: usize, tokens: usize) -> Matrix<'_> {
        Matrix::new(&self.table[block * BLOCK * self.width..][..tokens * self.width], tokens, self.width)
    }

    fn bias_of(&self, block: usize, tokens: usize) -> Option<&[f32]> {
        self.bias.map(|bias| &bias[block * BLOCK..][..tokens])
    }
}

/// What one row of one block contributes to the row's loss.
#[derive(Clone, Copy, Debug, Default)]
struct Stats {
    max: f32,
    /// Σ e^(x − max).
    sum: f64,
    /// Σ q·x, q the smoothed target distribution.
    expected: f64,
}

fn exponentials_of_row(isa: Isa, x: &mut [f32], own: Option<usize>, smoothing: f32, tokens: usize) -> Stats {
    let mut expected = own.map_or(0.0, |own| f64::from(1.0 - smoothing) * f64::from(x[own]));
    if smoothing > 0.0 {
        expected += f64::from(smoothing) * elementwise::sum(x) / tokens as f64;
    }
    let (max, sum) = exponentiate(isa, x);
    Stats { max, sum, expected }
}

per_isa! {
    fn exponentiate<T>(x: &mut [f32]) -> (f32, f64) {
        let max = row_max(x);
        (max, exp_in_place::<T>(x, max))
    }
}

per_isa! {
    fn scale_and_shift<T>(x: &mut [f32], scale: f32, shift: f32) {
        x.iter_mut().for_each(|x| *x = T::fma(*x, scale, shift));
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
        let grads =
            Gradients { hidden: &mut dh, table: Out::add(&mut de), bias: biased.then(|| Out::add(&mut db)) };
        v.loss_and_gradients(&mut vec![f32::NAN; v.scratch()], &mut nll, grads);
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

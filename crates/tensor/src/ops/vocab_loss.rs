use tercet_kernels::gemm::{self, Matrix, Precision, gemm};
use tercet_kernels::vocabulary::{Gradients, Vocabulary};
use tercet_kernels::{Accum, Out, elementwise, embedding, loss};

use crate::buffer::{Buffer, Pool};
use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// Floats of logits that exist at once. The chunks depend on the shapes alone, never on the number of threads.
const CHUNK_FLOATS: usize = 1 << 25;
/// From this many tokens on the vocabulary is worked through in blocks that stay in the cache.
const BLOCKED: usize = 4096;

/// What one row of hidden states should predict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// The row of the hidden states.
    pub row: u32,
    /// The class, or token of the vocabulary.
    pub id: u32,
    /// The factor of this target's loss in the total: 1/targets for a mean.
    pub weight: f32,
}

/// How the rows become logits and what is added to the cross-entropy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LossTerms {
    /// Share of the target distribution spread evenly over the vocabulary (Szegedy et al. 2016).
    pub label_smoothing: f32,
    /// Factor of log²Z, which keeps the normaliser of the softmax near 1 (Shazeer et al.; T5 uses 1e-4).
    pub z_loss: f32,
}

/// What [`vocab_loss`] makes.
pub struct VocabLoss {
    /// `Σ weight·nll`, a scalar.
    pub total: Tensor,
    /// The loss of each target in nats, unweighted, in the order given.
    pub nll: Vec<f32>,
}

/// The cross-entropy of `hidden` (N, C) against targets from a vocabulary with embeddings `table` (V, C):
/// `Σₜ wₜ·(logsumexp(hᵣ·Eᵀ + bias) − (hᵣ·Eᵀ + bias)[id])`.
///
/// The logits of a whole batch never exist: they are made, turned into their own gradient and used up in chunks of
/// rows, forward and backward at once; only rows that have a target are computed.
///
/// # Panics
/// When a shape does not fit, a target names a row or id that is not there, or there is no target.
pub fn vocab_loss(
    hidden: &Tensor,
    table: &Tensor,
    bias: Option<&Tensor>,
    targets: &[Target],
    terms: LossTerms,
) -> VocabLoss {
    let (tape, width, vocab) = (hidden.tape(), hidden.cols(), table.rows());
    assert_eq!(width, table.cols(), "vocab_loss: hidden {:?}, table {:?}", hidden.shape(), table.shape());
    assert!(!targets.is_empty(), "vocab_loss: no row has a target");
    let rows: Vec<u32> = targets.iter().map(|t| t.row).collect();
    let chunks = Chunks { precision: tape.product_precision(), pool: tape.pool(), table, bias, terms };
    let in_order = rows.iter().copied().eq(0..hidden.rows() as u32);
    let mut gathered = None;
    if !in_order {
        let mut h = tape.pool().take(rows.len() * width);
        embedding::gather(hidden, width, &rows, Out::set(&mut h));
        gathered = Some(h);
    }
    let h: &[f32] = gathered.as_deref().unwrap_or(hidden);
    let mut nll = vec![0.0; targets.len()];
    if !tape.records() {
        chunks.losses(h, targets, &mut nll);
        return VocabLoss { total: tape.constant(&[], vec![weighted(&nll, targets)]), nll };
    }
    let mut grads = ChunkGrads {
        dhidden: tape.pool().take(targets.len() * width),
        dtable: tape.pool().take(vocab * width),
        dbias: bias.map(|b| tape.pool().take(b.len())),
    };
    chunks.losses_and_gradients(h, targets, &mut nll, &mut grads);
    let total = Value::new(&[], vec![weighted(&nll, targets)]);
    let op = VocabLossOp { rows: (!in_order).then_some(rows), width, grads };
    let mut inputs = vec![hidden, table];
    inputs.extend(bias);
    VocabLoss { total: tape.record(&inputs, total, op), nll }
}

fn weighted(nll: &[f32], targets: &[Target]) -> f32 {
    nll.iter().zip(targets).map(|(l, t)| f64::from(*l) * f64::from(t.weight)).sum::<f64>() as f32
}

/// The vocabulary product, a chunk of rows at a time.
struct Chunks<'a> {
    precision: Precision,
    pool: &'a Pool,
    table: &'a Value,
    bias: Option<&'a Tensor>,
    terms: LossTerms,
}

struct ChunkGrads {
    /// One row for each target.
    dhidden: Buffer,
    dtable: Buffer,
    dbias: Option<Buffer>,
}

impl Chunks<'_> {
    /// Rows of a chunk: as few chunks as the limit allows, of nearly the same height.
    fn rows(&self, rows: usize) -> usize {
        let chunks = (rows * self.table.rows()).div_ceil(CHUNK_FLOATS);
        rows.div_ceil(chunks.max(1)).max(1)
    }

    fn table(&self) -> Matrix<'_> {
        Matrix::new(self.table, self.table.rows(), self.table.cols())
    }

    fn logits(&self, h: &[f32]) -> Buffer {
        let rows = h.len() / self.table.cols();
        let mut logits = self.pool.take(rows * self.table.rows());
        let h = Matrix::new(h, rows, self.table.cols());
        gemm(self.precision, h, self.table().t(), Out::set(&mut logits), self.bias.map(|b| &b[..]));
        logits
    }

    fn losses(&self, h: &[f32], targets: &[Target], nll: &mut [f32]) {
        let (rows, width, vocab) = (self.rows(targets.len()), self.table.cols(), self.table.rows());
        let chunks = h.chunks(rows * width).zip(targets.chunks(rows)).zip(nll.chunks_mut(rows));
        for ((h, targets), nll) in chunks {
            let ids: Vec<u32> = targets.iter().map(|t| t.id).collect();
            let mut correct = vec![false; ids.len()];
            let LossTerms { label_smoothing, z_loss } = self.terms;
            loss::nll_rows(&self.logits(h), vocab, &ids, label_smoothing, z_loss, nll, &mut correct);
        }
    }

    fn losses_and_gradients(&self, h: &[f32], targets: &[Target], nll: &mut [f32], grads: &mut ChunkGrads) {
        let (rows, width) = (self.rows(targets.len()), self.table.cols());
        let mut accum = Accum::Set;
        let chunks = h.chunks(rows * width).zip(targets.chunks(rows)).zip(nll.chunks_mut(rows));
        for (((h, targets), nll), dhidden) in chunks.zip(grads.dhidden.chunks_mut(rows * width)) {
            let ids: Vec<u32> = targets.iter().map(|t| t.id).collect();
            let weights: Vec<f32> = targets.iter().map(|t| t.weight).collect();
            let chunk = Vocabulary {
                hidden: h,
                table: self.table,
                bias: self.bias.map(|b| &b[..]),
                width,
                targets: &ids,
                weights: &weights,
                smoothing: self.terms.label_smoothing,
                z_loss: self.terms.z_loss,
                precision: self.precision,
            };
            let table = Out { data: &mut grads.dtable, accum };
            let bias = grads.dbias.as_mut().map(|data| Out { data, accum });
            let gradients = Gradients { hidden: dhidden, table, bias };
            if self.table.rows() >= BLOCKED {
                chunk.loss_and_gradients(&mut self.pool.take(chunk.scratch()), nll, gradients);
            } else {
                self.whole_rows(&chunk, nll, gradients);
            }
            accum = Accum::Add;
        }
    }

    /// The plain equations over whole rows of logits, for a vocabulary so small that they stay in the cache anyhow.
    fn whole_rows(&self, v: &Vocabulary<'_>, nll: &mut [f32], grads: Gradients<'_>) {
        let (rows, vocab) = (v.targets.len(), self.table.rows());
        let mut logits = self.logits(v.hidden);
        loss::cross_entropy_rows(&mut logits, vocab, v.targets, v.weights, v.smoothing, v.z_loss, nll);
        let dlogits = Matrix::new(&logits, rows, vocab);
        gemm(self.precision, dlogits, self.table(), Out::set(grads.hidden), None);
        gemm(self.precision, dlogits.t(), Matrix::new(v.hidden, rows, v.width), grads.table, None);
        if let Some(bias) = grads.bias {
            gemm::column_sums(&logits, vocab, bias);
        }
    }
}

struct VocabLossOp {
    /// The rows that have a target; `None` when it is all of them in order.
    rows: Option<Vec<u32>>,
    width: usize,
    grads: ChunkGrads,
}

impl Op for VocabLossOp {
    fn name(&self) -> &'static str {
        "vocab_loss"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        let mut scratch = self.rows.as_ref().map(|_| wrt.scratch(self.grads.dhidden.len()));
        wrt.update([0, 1, 2], |[dhidden, dtable, dbias]| {
            match (dhidden, &self.rows, &mut scratch) {
                (Some(dhidden), Some(rows), Some(scaled)) => {
                    elementwise::scale(dy[0], &self.grads.dhidden, Out::set(scaled));
                    embedding::scatter_add(scaled, self.width, rows, dhidden);
                }
                (Some(dhidden), ..) => elementwise::scale(dy[0], &self.grads.dhidden, dhidden),
                (None, ..) => {}
            }
            if let Some(dtable) = dtable {
                elementwise::scale(dy[0], &self.grads.dtable, dtable);
            }
            if let (Some(dbias), Some(grad)) = (dbias, &self.grads.dbias) {
                elementwise::scale(dy[0], grad, dbias);
            }
        });
    }
}

use tercet_kernels::gemm::{self, Matrix, Precision, gemm};
use tercet_kernels::vocabulary::{Normalised, Vocabulary};
use tercet_kernels::{Accum, Out, elementwise, embedding, loss};

use crate::buffer::{Buffer, Pool};
use crate::op::{Op, Wrt};
use crate::profile::{Part, Work};
use crate::tensor::Tensor;
use crate::value::Value;

/// Floats of logits that exist at once. The chunks depend on the shapes alone, never on the number of threads.
const CHUNK_FLOATS: usize = 1 << 26;
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
/// However many rows there are, at most 256 MiB of logits exist at once: rows are taken in chunks, whose logits become
/// their own gradient and are used up, forward and backward at once. The last chunk, mostly the only one, waits for the
/// backward pass with what goes to the table, so that it is added where it belongs. Only rows that have a target are
/// computed.
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
    let (tape, width) = (hidden.tape(), hidden.cols());
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
    let h = match gathered {
        Some(gathered) => Value::new(&[rows.len(), width], gathered),
        None => hidden.value().clone(),
    };
    let mut nll = vec![0.0; targets.len()];
    if !tape.records() {
        chunks.losses(&h, targets, &mut nll);
        return VocabLoss { total: tape.constant(&[], vec![weighted(&nll, targets)]), nll };
    }
    let mut dhidden = tape.pool().take(targets.len() * width);
    let (early, last) = chunks.losses_and_gradients(&h, targets, &mut nll, &mut dhidden);
    let total = Value::new(&[], vec![weighted(&nll, targets)]);
    let op = VocabLossOp {
        rows: (!in_order).then_some(rows),
        width,
        vocabulary: table.rows(),
        dhidden,
        early,
        last,
    };
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

/// Gradients of the table and the bias.
struct TokenGrads {
    table: Buffer,
    bias: Option<Buffer>,
}

/// A chunk that knows its losses, and holds what the gradients of the tokens are made of.
struct Chunk {
    precision: Precision,
    terms: LossTerms,
    hidden: Value,
    /// Where its rows begin in `hidden`.
    first: usize,
    targets: Vec<u32>,
    weights: Vec<f32>,
    table: Value,
    bias: Option<Value>,
    exponentials: Buffer,
    normalised: Normalised,
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

    /// The losses and the gradient of `h`; the gradients of the tokens from all chunks but the last; and the last, unless
    /// the vocabulary is small.
    fn losses_and_gradients(
        &self,
        h: &Value,
        targets: &[Target],
        nll: &mut [f32],
        dhidden: &mut [f32],
    ) -> (Option<TokenGrads>, Option<Chunk>) {
        let (rows, width, blocked) =
            (self.rows(targets.len()), self.table.cols(), self.table.rows() >= BLOCKED);
        let (mut early, mut last): (Option<TokenGrads>, Option<Chunk>) = (None, None);
        let chunks = targets.chunks(rows).zip(nll.chunks_mut(rows)).zip(dhidden.chunks_mut(rows * width));
        for (i, ((targets, nll), dhidden)) in chunks.enumerate() {
            if let Some(chunk) = last.take() {
                self.add_early(&mut early, |table, bias| chunk.gradients(self.pool, 1.0, table, bias));
            }
            if blocked {
                last = Some(self.chunk(h, i * rows, targets, nll, dhidden));
            } else {
                let h = &h[i * rows * width..][..targets.len() * width];
                self.add_early(&mut early, |table, bias| {
                    self.whole_rows(h, targets, nll, dhidden, table, bias)
                });
            }
        }
        (early, last)
    }

    /// Lets gradients be written, or added to those of the chunks before.
    fn add_early(&self, early: &mut Option<TokenGrads>, gradients: impl FnOnce(Out, Option<Out>)) {
        let accum = if early.is_some() { Accum::Add } else { Accum::Set };
        let early = early.get_or_insert_with(|| TokenGrads {
            table: self.pool.take(self.table.len()),
            bias: self.bias.map(|bias| self.pool.take(bias.len())),
        });
        let bias = early.bias.as_mut().map(|data| Out { data, accum });
        gradients(Out { data: &mut early.table, accum }, bias);
    }

    fn chunk(
        &self,
        h: &Value,
        first: usize,
        targets: &[Target],
        nll: &mut [f32],
        dhidden: &mut [f32],
    ) -> Chunk {
        let (targets, weights): (Vec<u32>, Vec<f32>) = targets.iter().map(|t| (t.id, t.weight)).unzip();
        let hidden = &h[first * self.table.cols()..][..targets.len() * self.table.cols()];
        let bias = self.bias.map(|bias| &bias[..]);
        let v = vocabulary((self.precision, self.terms), hidden, self.table, bias, (&targets, &weights));
        let mut exponentials = self.pool.take(v.exponentials());
        let normalised = v.loss(&mut exponentials, &mut self.pool.take(v.scratch()), nll, dhidden);
        Chunk {
            precision: self.precision,
            terms: self.terms,
            hidden: h.clone(),
            first,
            targets,
            weights,
            table: self.table.clone(),
            bias: self.bias.map(|bias| bias.value().clone()),
            exponentials,
            normalised,
        }
    }

    /// The plain equations over whole rows of logits, for a vocabulary so small that they stay in the cache anyhow.
    fn whole_rows(
        &self,
        h: &[f32],
        targets: &[Target],
        nll: &mut [f32],
        dhidden: &mut [f32],
        dtable: Out,
        dbias: Option<Out>,
    ) {
        let (rows, vocab, width) = (targets.len(), self.table.rows(), self.table.cols());
        let (ids, weights): (Vec<u32>, Vec<f32>) = targets.iter().map(|t| (t.id, t.weight)).unzip();
        let LossTerms { label_smoothing, z_loss } = self.terms;
        let mut logits = self.logits(h);
        loss::cross_entropy_rows(&mut logits, vocab, &ids, &weights, label_smoothing, z_loss, nll);
        let dlogits = Matrix::new(&logits, rows, vocab);
        gemm(self.precision, dlogits, self.table(), Out::set(dhidden), None);
        gemm(self.precision, dlogits.t(), Matrix::new(h, rows, width), dtable, None);
        if let Some(dbias) = dbias {
            gemm::column_sums(&logits, vocab, dbias);
        }
    }
}

impl Chunk {
    /// Writes or adds `factor` times the gradients of the table and the bias.
    fn gradients(&self, pool: &Pool, factor: f32, table: Out, bias: Option<Out>) {
        let width = self.table.cols();
        let hidden = &self.hidden[self.first * width..][..self.targets.len() * width];
        let v = vocabulary(
            (self.precision, self.terms),
            hidden,
            &self.table,
            self.bias.as_deref(),
            (&self.targets, &self.weights),
        );
        let exponentials = (&self.exponentials[..], &self.normalised);
        v.gradients_of_tokens(exponentials, &mut pool.take(v.packed()), factor, table, bias);
    }
}

fn vocabulary<'a>(
    (precision, terms): (Precision, LossTerms),
    hidden: &'a [f32],
    table: &'a Value,
    bias: Option<&'a [f32]>,
    (targets, weights): (&'a [u32], &'a [f32]),
) -> Vocabulary<'a> {
    let LossTerms { label_smoothing, z_loss } = terms;
    let width = table.cols();
    Vocabulary { hidden, table, bias, width, targets, weights, smoothing: label_smoothing, z_loss, precision }
}

struct VocabLossOp {
    /// The rows that have a target; `None` when it is all of them in order.
    rows: Option<Vec<u32>>,
    width: usize,
    vocabulary: usize,
    /// One row for each target.
    dhidden: Buffer,
    early: Option<TokenGrads>,
    last: Option<Chunk>,
}

impl Op for VocabLossOp {
    fn name(&self) -> &'static str {
        "vocab_loss"
    }

    fn work(&self, part: Part, bytes: u64) -> Work {
        // The logits and the gradient of the states come forward, that of the table backward where the last chunk is all.
        let product = 2 * (self.dhidden.len() * self.vocabulary) as u64;
        let last = self
            .last
            .as_ref()
            .map_or(0, |last| 2 * (last.targets.len() * self.width * self.vocabulary) as u64);
        Work { flops: if part == Part::Backward { last } else { 3 * product - last }, bytes }
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        let factor = dy[0];
        let mut scratch = self.rows.as_ref().map(|_| wrt.scratch(self.dhidden.len()));
        wrt.update([0], |[dhidden]| match (dhidden, &self.rows, &mut scratch) {
            (Some(dhidden), Some(rows), Some(scaled)) => {
                elementwise::scale(factor, &self.dhidden, Out::set(scaled));
                embedding::scatter_add(scaled, self.width, rows, dhidden);
            }
            (Some(dhidden), ..) => elementwise::scale(factor, &self.dhidden, dhidden),
            (None, ..) => {}
        });
        if let Some(early) = &self.early {
            wrt.update([1, 2], |[dtable, dbias]| {
                if let Some(dtable) = dtable {
                    elementwise::scale(factor, &early.table, dtable);
                }
                if let (Some(dbias), Some(early)) = (dbias, &early.bias) {
                    elementwise::scale(factor, early, dbias);
                }
            });
        }
        if let Some(last) = &self.last {
            let pool = wrt.pool().clone();
            wrt.update([1, 2], |[dtable, dbias]| match (dtable, dbias) {
                (Some(dtable), dbias) => last.gradients(&pool, factor, dtable, dbias),
                (None, Some(dbias)) => {
                    let mut frozen = pool.take(last.table.len());
                    last.gradients(&pool, factor, Out::set(&mut frozen), Some(dbias));
                }
                (None, None) => {}
            });
        }
    }
}

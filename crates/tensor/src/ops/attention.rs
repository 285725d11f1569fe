use std::sync::Arc;

use tercet_kernels::attention::{
    self as kernel, Bias, Dropout, Grads, Mask, Output, Rows, RowsMut, Shape, Span,
};
use tercet_kernels::gemm::Precision;
use tercet_kernels::{Accum, Out, elementwise};

use crate::buffer::{Buffer, Pool};
use crate::op::{Op, Wrt};
use crate::profile::{Part, Work};
use crate::tensor::Tensor;
use crate::value::Value;

/// Everything about an attention that is not a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionSpec {
    /// Number of heads; it divides the width.
    pub heads: usize,
    /// Multiplies the scores: 1/√dₖ in the paper.
    pub scale: f32,
    /// Which keys a query sees.
    pub mask: Mask,
    /// Dropout probability of the attention weights while training.
    pub dropout: f32,
}

/// Queries, keys and values of all heads.
#[derive(Clone, Copy)]
pub enum Qkv<'a> {
    /// Side by side in one (N, 3C), as one projection makes them.
    Fused(&'a Tensor),
    /// Queries (N_q, C), keys and values (N_kv, C).
    Separate(&'a Tensor, &'a Tensor, &'a Tensor),
}

/// `softmax(scale·QKᵀ + bias)·V` for each head of each sequence (Vaswani et al. 2017, eq. 1), as (N_q, C).
///
/// `spans` says which rows form a sequence; `bias` (heads, 2·max + 1), if any, is a score for each distance from query
/// to key in −max ..= max. The scores are made in tiles and never held.
///
/// # Panics
/// When the heads do not divide the width, or a span reaches outside the rows.
pub fn attention(qkv: Qkv<'_>, spans: &Arc<[Span]>, spec: &AttentionSpec, bias: Option<&Tensor>) -> Tensor {
    let q = qkv.parts()[0];
    let (tape, width) = (q.tape(), qkv.width());
    let heads = spec.heads;
    assert!(heads > 0 && width.is_multiple_of(heads), "{heads} heads do not divide the width {width}");
    let seed = if spec.dropout > 0.0 { tape.next_dropout_seed() } else { None };
    let mut y = tape.pool().take(q.rows() * width);
    let mut lse = tape.pool().take(heads * q.rows());
    let saved = Saved {
        parts: qkv.parts().iter().map(|t| t.value().clone()).collect(),
        width,
        spans: Arc::clone(spans),
        spec: spec.clone(),
        dropout: seed.map(|seed| Dropout { seed, p: spec.dropout }),
        bias: bias.map(|b| b.value().clone()),
        precision: tape.product_precision(),
    };
    kernel::forward(&saved.shape(), spans, saved.qkv(), &mut y, &mut lse);
    let y = Value::new(&[q.rows(), width], y);
    let mut inputs = qkv.parts();
    inputs.extend(bias);
    tape.record(&inputs, y.clone(), Attention { saved, y, lse })
}

impl<'a> Qkv<'a> {
    fn parts(&self) -> Vec<&'a Tensor> {
        match *self {
            Self::Fused(qkv) => vec![qkv],
            Self::Separate(q, k, v) => vec![q, k, v],
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Fused(qkv) => {
                assert!(
                    qkv.cols().is_multiple_of(3),
                    "fused queries, keys and values of shape {:?}",
                    qkv.shape()
                );
                qkv.cols() / 3
            }
            Self::Separate(q, k, v) => {
                let fits = q.cols() == k.cols() && k.shape() == v.shape();
                assert!(fits, "attention: q {:?}, k {:?}, v {:?}", q.shape(), k.shape(), v.shape());
                q.cols()
            }
        }
    }
}

/// What the forward was given.
struct Saved {
    /// One fused value, or queries, keys and values.
    parts: Vec<Value>,
    width: usize,
    spans: Arc<[Span]>,
    spec: AttentionSpec,
    dropout: Option<Dropout>,
    bias: Option<Value>,
    precision: Precision,
}

impl Saved {
    fn shape(&self) -> Shape<'_> {
        let AttentionSpec { heads, scale, mask, .. } = self.spec;
        let bias = self.bias.as_ref().map(|b| Bias { table: b, max_distance: b.cols() / 2 });
        let (head_dim, dropout, precision) = (self.width / heads, self.dropout, self.precision);
        Shape { heads, head_dim, scale, mask, dropout, bias, precision }
    }

    fn qkv(&self) -> kernel::Qkv<'_> {
        match self.parts.as_slice() {
            [qkv] => kernel::Qkv::fused(qkv, self.width),
            parts => {
                let part = |i: usize| Rows::contiguous(&parts[i], self.width);
                kernel::Qkv { q: part(0), k: part(1), v: part(2) }
            }
        }
    }
}

struct Attention {
    saved: Saved,
    y: Value,
    lse: Buffer,
}

impl Attention {
    fn run(&self, dy: &Value, grads: Grads<'_>, dbias: Option<Out<'_>>) {
        let output = Output { y: &self.y, lse: &self.lse };
        kernel::backward(&self.saved.shape(), &self.saved.spans, self.saved.qkv(), output, dy, grads, dbias);
    }
}

impl Op for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn work(&self, part: Part, bytes: u64) -> Work {
        let pairs: usize = self.saved.spans.iter().map(|span| self.saved.spec.mask.pairs(span)).sum();
        // Scores and sums of values; backwards the gradients of values, weights, queries and keys.
        let products = if part == Part::Backward { 4 } else { 2 };
        Work { flops: (products * 2 * pairs * self.saved.width) as u64, bytes }
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        let (parts, width, pool) = (&self.saved.parts, self.saved.width, wrt.pool().clone());
        if let [qkv] = parts.as_slice() {
            return wrt.update([0, 1], |[dqkv, dbias]| {
                let mut dqkv = Overwritten::new(dqkv, qkv.len(), &pool);
                self.run(dy, Grads::fused(dqkv.data(), width), dbias);
                dqkv.finish();
            });
        }
        wrt.update([0, 1, 2, 3], |[dq, dk, dv, dbias]| {
            let mut dq = Overwritten::new(dq, parts[0].len(), &pool);
            let mut dk = Overwritten::new(dk, parts[1].len(), &pool);
            let mut dv = Overwritten::new(dv, parts[2].len(), &pool);
            let grads = Grads::Separate {
                dq: RowsMut::contiguous(dq.data(), width),
                dk: RowsMut::contiguous(dk.data(), width),
                dv: RowsMut::contiguous(dv.data(), width),
            };
            self.run(dy, grads, dbias);
            [dq, dk, dv].into_iter().for_each(Overwritten::finish);
        });
    }
}

/// A destination for a kernel that can only overwrite: a scratch buffer stands in where the result is to be added, or
/// where nobody wants it.
struct Overwritten<'a> {
    out: Option<Out<'a>>,
    scratch: Option<Buffer>,
}

impl<'a> Overwritten<'a> {
    fn new(out: Option<Out<'a>>, len: usize, pool: &Pool) -> Self {
        let direct = matches!(&out, Some(out) if out.accum == Accum::Set);
        Self { out, scratch: (!direct).then(|| pool.take(len)) }
    }

    fn data(&mut self) -> &mut [f32] {
        match (&mut self.scratch, &mut self.out) {
            (Some(scratch), _) => scratch,
            (None, Some(out)) => out.data,
            (None, None) => &mut [],
        }
    }

    fn finish(self) {
        if let (Some(scratch), Some(out)) = (self.scratch, self.out) {
            elementwise::scale(1.0, &scratch, out);
        }
    }
}

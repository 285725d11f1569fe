use tercet_tensor::Tensor;
use tercet_tensor::kernels::attention::{self as kernel, Rows, Shape};
use tercet_tensor::ops::{self, AttentionSpec, Qkv};

use crate::sequences::{Past, Sequences};

pub use tercet_tensor::Mask;

/// The equation of attention for the heads of one layer: `softmax(scale·QKᵀ)·V` (Vaswani et al. 2017, eq. 1).
///
/// It has no weights: what is projected into queries, keys and values, and how, is each model's own wiring.
#[derive(Clone, Debug)]
pub struct MultiHead {
    spec: AttentionSpec,
    /// Number of the layer: its place in a cache.
    layer: usize,
}

impl MultiHead {
    /// `heads` heads in layer number `layer`, scores multiplied by `scale`, weights dropped with probability `dropout`
    /// while training.
    pub fn new(layer: usize, heads: usize, scale: f32, mask: Mask, dropout: f32) -> Self {
        Self { spec: AttentionSpec { heads, scale, mask, dropout }, layer }
    }

    /// Self-attention of each sequence, from queries, keys and values side by side (N, 3C) to (N, C).
    ///
    /// # Panics
    /// When the heads do not divide the width, the rows are not those of `sequences`, or a tape that records meets a
    /// cache.
    pub fn apply(&self, qkv: &Tensor, sequences: &Sequences) -> Tensor {
        assert_eq!(
            qkv.rows(),
            sequences.rows(),
            "attention over {:?} for {} rows",
            qkv.shape(),
            sequences.rows()
        );
        match sequences.past() {
            None => ops::attention(Qkv::Fused(qkv), sequences.spans(), &self.spec, None),
            Some(past) => self.continued(qkv, sequences, past),
        }
    }

    /// The probabilities (heads, T, T) of each sequence, before dropout; held whole, for inspection alone.
    pub fn probabilities(&self, qkv: &Tensor, sequences: &Sequences) -> Vec<Vec<f32>> {
        let width = qkv.cols() / 3;
        let qkv = kernel::Qkv::fused(qkv, width);
        sequences
            .spans()
            .iter()
            .map(|span| kernel::probabilities(&self.shape(width), span, qkv.q, qkv.k))
            .collect()
    }

    /// Attention of the new rows to the cached ones and to themselves.
    fn continued(&self, qkv: &Tensor, sequences: &Sequences, past: &Past) -> Tensor {
        assert!(!qkv.tape().records(), "a cache serves generation: use Tape::off()");
        let width = qkv.cols() / 3;
        let mut y = qkv.tape().pool().take(qkv.rows() * width);
        let mut lse = qkv.tape().pool().take(qkv.rows() * self.spec.heads);
        past.cache.layer(self.layer, |cached| {
            for (slot, range) in past.slots.iter().zip(sequences.ranges()) {
                for (i, row) in range.clone().enumerate() {
                    let to = (slot.start + slot.past + i) * width;
                    let row = &qkv[row * 3 * width..][..3 * width];
                    cached.k[to..to + width].copy_from_slice(&row[width..2 * width]);
                    cached.v[to..to + width].copy_from_slice(&row[2 * width..]);
                }
            }
            let (k, v) = (Rows::contiguous(&cached.k, width), Rows::contiguous(&cached.v, width));
            let qkv = kernel::Qkv { q: kernel::Qkv::fused(qkv, width).q, k, v };
            kernel::forward(&self.shape(width), sequences.spans(), qkv, &mut y, &mut lse);
        });
        qkv.tape().constant(&[qkv.rows(), width], y)
    }

    fn shape(&self, width: usize) -> Shape<'_> {
        let AttentionSpec { heads, scale, mask, .. } = self.spec;
        Shape { heads, head_dim: width / heads, scale, mask, dropout: None, bias: None }
    }
}

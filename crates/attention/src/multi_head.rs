use tercet_tensor::Tensor;
use tercet_tensor::kernels::attention::{self as kernel, Bias, Rows, Shape};
use tercet_tensor::ops::{self, AttentionSpec};

use crate::sequences::{Past, Sequences};

pub use tercet_tensor::Mask;
pub use tercet_tensor::ops::Qkv;

/// The equation of attention for the heads of one layer: `softmax(scale·QKᵀ)·V` (Vaswani et al. 2017, eq. 1).
///
/// It has no weights: what is projected into queries, keys and values, and how, is each model's own wiring.
#[derive(Clone, Debug)]
pub struct MultiHead {
    spec: AttentionSpec,
    /// Number of the layer: its place in a cache.
    layer: usize,
    /// Scores by distance, (heads, 2·max + 1).
    bias: Option<Tensor>,
}

impl MultiHead {
    /// `heads` heads in layer number `layer`, scores multiplied by `scale`, weights dropped with probability `dropout`
    /// while training.
    pub fn new(layer: usize, heads: usize, scale: f32, mask: Mask, dropout: f32) -> Self {
        Self { spec: AttentionSpec { heads, scale, mask, dropout }, layer, bias: None }
    }

    /// These heads for one pass, with `bias` (heads, 2·max + 1) added to the scores: column d + max is for keys that
    /// stand d after the query, and the outermost columns serve all distances beyond (Raffel et al. 2020, section 2.1).
    pub fn biased(&self, bias: &Tensor) -> Self {
        Self { bias: Some(bias.clone()), ..self.clone() }
    }

    /// Attention within each sequence, or from each sequence to the one it reads ([`Sequences::reading`]): (N, C).
    ///
    /// # Panics
    /// When the heads do not divide the width, the rows are not those of `sequences`, or a tape that records meets a
    /// cache.
    pub fn apply(&self, qkv: Qkv<'_>, sequences: &Sequences) -> Tensor {
        let rows = parts(qkv)[0].1.rows();
        assert_eq!(
            rows,
            sequences.rows(),
            "attention over {rows} rows for sequences of {}",
            sequences.rows()
        );
        match sequences.past() {
            None => ops::attention(qkv, sequences.spans(), &self.spec, self.bias.as_ref()),
            Some(past) => self.continued(qkv, sequences, past),
        }
    }

    /// The probabilities (heads, Tq, Tk) of each sequence, before dropout; held whole, for inspection alone.
    pub fn probabilities(&self, qkv: Qkv<'_>, sequences: &Sequences) -> Vec<Vec<f32>> {
        let [(q, _), (k, _), _] = parts(qkv);
        let shape = self.shape(width(qkv));
        sequences.spans().iter().map(|span| kernel::probabilities(&shape, span, q, k)).collect()
    }

    /// Attention of the new rows to the cached ones and to themselves.
    fn continued(&self, qkv: Qkv<'_>, sequences: &Sequences, past: &Past) -> Tensor {
        let [(q, queries), (k, _), (v, _)] = parts(qkv);
        assert!(!queries.tape().records(), "a cache serves generation: use Tape::off()");
        let (rows, width, pool) = (sequences.rows(), width(qkv), queries.tape().pool());
        let (mut y, mut lse) = (pool.take(rows * width), pool.take(rows * self.spec.heads));
        past.cache.layer(self.layer, |cached| {
            for (slot, range) in past.slots.iter().zip(sequences.ranges()) {
                for (i, row) in range.clone().enumerate() {
                    let to = (slot.start + slot.past + i) * width;
                    cached.k[to..to + width].copy_from_slice(&k.data[row * k.stride + k.offset..][..width]);
                    cached.v[to..to + width].copy_from_slice(&v.data[row * v.stride + v.offset..][..width]);
                }
            }
            let (k, v) = (Rows::contiguous(&cached.k, width), Rows::contiguous(&cached.v, width));
            let shape = Shape { precision: queries.tape().product_precision(), ..self.shape(width) };
            kernel::forward(&shape, sequences.spans(), kernel::Qkv { q, k, v }, &mut y, &mut lse);
        });
        queries.tape().constant(&[rows, width], y)
    }

    fn shape(&self, width: usize) -> Shape<'_> {
        let AttentionSpec { heads, scale, mask, .. } = self.spec;
        let bias = self.bias.as_ref().map(|b| Bias { table: b, max_distance: b.cols() / 2 });
        Shape { scale, mask, bias, ..Shape::new(heads, width / heads) }
    }
}

/// Queries, keys and values as strided rows, with the tensor each lies in.
fn parts(qkv: Qkv<'_>) -> [(Rows<'_>, &Tensor); 3] {
    match qkv {
        Qkv::Fused(all) => {
            let kernel::Qkv { q, k, v } = kernel::Qkv::fused(all, all.cols() / 3);
            [q, k, v].map(|rows| (rows, all))
        }
        Qkv::Separate(q, k, v) => [q, k, v].map(|t| (Rows::contiguous(t, t.cols()), t)),
    }
}

fn width(qkv: Qkv<'_>) -> usize {
    match qkv {
        Qkv::Fused(all) => all.cols() / 3,
        Qkv::Separate(q, ..) => q.cols(),
    }
}

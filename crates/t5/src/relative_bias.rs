use tercet_nn::Embedding;
use tercet_tensor::{Scope, Tape, Tensor, ops};

use crate::config::Config;
use crate::init::Inits;

/// Which keys a stack's self-attention tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those before and those after the query have buckets of their own: the encoder.
    Both,
    /// Those after the query are never seen: the decoder.
    Past,
}

/// The bucket of a key that stands `distance` positions after its query: one bucket for each of the small distances,
/// then buckets that grow logarithmically, the last for all distances from `max_distance` on (Raffel et al. 2020,
/// section 2.1).
pub fn relative_position_bucket(
    distance: isize,
    direction: Direction,
    buckets: usize,
    max_distance: usize,
) -> usize {
    let (first, buckets, distance) = match direction {
        Direction::Both if distance > 0 => (buckets / 2, buckets / 2, distance.unsigned_abs()),
        Direction::Both => (0, buckets / 2, distance.unsigned_abs()),
        Direction::Past => (0, buckets, (-distance).max(0).unsigned_abs()),
    };
    let exact = buckets / 2;
    if distance < exact {
        return first + distance;
    }
    // In f32 throughout, as the original: at the edges of some buckets f64 would decide otherwise.
    let octaves = (distance as f32 / exact as f32).ln() / (max_distance as f64 / exact as f64).ln() as f32;
    first + (exact + (octaves * (buckets - exact) as f32) as usize).min(buckets - 1)
}

/// A learned score for each head and bucket of distances, shared by all layers of a stack: parameter
/// `relative_attention_bias.weight` (buckets, heads).
#[derive(Clone)]
pub(crate) struct RelativeBias {
    scores: Embedding,
    /// The bucket of every distance in −max ..= max.
    buckets: Vec<u32>,
}

impl RelativeBias {
    pub fn new(scope: &Scope, config: &Config, inits: &Inits, direction: Direction) -> Self {
        let (count, max) = (config.relative_attention_num_buckets, config.relative_attention_max_distance);
        let bucket = |distance| relative_position_bucket(distance, direction, count, max) as u32;
        let scope = scope.at("relative_attention_bias");
        Self {
            scores: Embedding::new(&scope, count, config.num_heads, inits.relative_bias()),
            buckets: (-(max as isize)..=max as isize).map(bucket).collect(),
        }
    }

    /// The score of every distance, (heads, 2·max + 1).
    pub fn forward(&self, tape: &Tape) -> Tensor {
        ops::transpose(&self.scores.forward(tape, &self.buckets))
    }
}

use super::gather_rows::gather;
use crate::tensor::Tensor;

/// Row `ids[n]` of `table` (V, C) for each token n, as (N, C).
///
/// # Panics
/// When an id is not below V.
pub fn embedding(table: &Tensor, ids: &[u32]) -> Tensor {
    gather("embedding", table, ids)
}

use std::sync::Arc;

use tercet_kernels::{Out, embedding};

use crate::op::{Op, Wrt};
use crate::profile::{Part, Work};
use crate::tensor::Tensor;
use crate::value::Value;

/// The rows of `x` (N, C) with the given numbers, in that order, as (rows.len(), C).
///
/// # Panics
/// When a row number is not below N.
pub fn gather_rows(x: &Tensor, rows: &[u32]) -> Tensor {
    gather("gather_rows", x, rows)
}

/// The lookup shared with the embedding, which is the same equation on a weight.
pub(super) fn gather(name: &'static str, table: &Tensor, ids: &[u32]) -> Tensor {
    let width = table.cols();
    let mut y = table.tape().pool().take(ids.len() * width);
    embedding::gather(table, width, ids, Out::set(&mut y));
    table.tape().record(&[table], Value::new(&[ids.len(), width], y), Gather { name, width, ids: ids.into() })
}

struct Gather {
    name: &'static str,
    width: usize,
    ids: Arc<[u32]>,
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        self.name
    }

    fn work(&self, _part: Part, _moved: u64) -> Work {
        // The rows alone, here and there; not the whole table.
        Work { flops: 0, bytes: (2 * self.ids.len() * self.width * size_of::<f32>()) as u64 }
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0], |[dtable]| {
            if let Some(dtable) = dtable {
                embedding::scatter_add(dy, self.width, &self.ids, dtable);
            }
        });
    }
}

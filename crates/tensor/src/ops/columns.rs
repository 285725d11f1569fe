use std::ops::Range;

use tercet_kernels::Accum;

use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// The columns `range` of `x` (N, C), as (N, range.len()).
///
/// # Panics
/// When the range reaches beyond the last column.
pub fn columns(x: &Tensor, range: Range<usize>) -> Tensor {
    let (rows, cols) = (x.rows(), x.cols());
    assert!(range.end <= cols, "columns {range:?} of shape {:?}", x.shape());
    let mut y = x.tape().pool().take(rows * range.len());
    for (y, x) in y.chunks_exact_mut(range.len().max(1)).zip(x.chunks_exact(cols)) {
        y.copy_from_slice(&x[range.clone()]);
    }
    let value = Value::new(&[rows, range.len()], y);
    x.tape().record(&[x], value, Columns { cols, range })
}

struct Columns {
    cols: usize,
    range: Range<usize>,
}

impl Op for Columns {
    fn name(&self) -> &'static str {
        "columns"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0], |[dx]| {
            let Some(dx) = dx else { return };
            if dx.accum == Accum::Set {
                dx.data.fill(0.0);
            }
            for (dx, dy) in dx.data.chunks_exact_mut(self.cols).zip(dy.chunks_exact(self.range.len().max(1)))
            {
                for (dx, dy) in dx[self.range.clone()].iter_mut().zip(dy) {
                    *dx += dy;
                }
            }
        });
    }
}

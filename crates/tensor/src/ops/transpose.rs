use tercet_kernels::Accum;

use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// Rows to columns: `x` (N, C) as (C, N). It copies, and is meant for small tables: a matrix product takes its operands
/// either way round.
///
/// # Panics
/// When `x` is not a matrix.
pub fn transpose(x: &Tensor) -> Tensor {
    let [rows, cols] = *x.shape() else { panic!("transpose of shape {:?}", x.shape()) };
    let mut y = x.tape().pool().take(x.len());
    for (c, y) in y.chunks_exact_mut(rows.max(1)).enumerate() {
        y.iter_mut().zip(x[c..].iter().step_by(cols)).for_each(|(y, x)| *y = *x);
    }
    x.tape().record(&[x], Value::new(&[cols, rows], y), Transpose)
}

struct Transpose;

impl Op for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0], |[dx]| {
            let Some(dx) = dx else { return };
            if dx.accum == Accum::Set {
                dx.data.fill(0.0);
            }
            for (n, dx) in dx.data.chunks_exact_mut(dy.rows().max(1)).enumerate() {
                dx.iter_mut().zip(dy[n..].iter().step_by(dy.cols())).for_each(|(dx, dy)| *dx += dy);
            }
        });
    }
}

use tercet_kernels::norm;

use crate::buffer::Buffer;
use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// `x/√(mean(x²) + eps)·weight` over the last dimension: no mean is subtracted and there is no bias (Zhang and
/// Sennrich 2019, eq. 4).
///
/// # Panics
/// When `weight` does not have the width of `x`.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Tensor {
    let pool = x.tape().pool();
    let (mut y, mut rstd) = (pool.take(x.len()), pool.take(x.rows()));
    norm::rms_norm(x, weight, eps, &mut y, &mut rstd);
    let op = RmsNorm { x: x.value().clone(), weight: weight.value().clone(), rstd };
    x.tape().record(&[x, weight], Value::new(x.shape(), y), op)
}

struct RmsNorm {
    x: Value,
    weight: Value,
    rstd: Buffer,
}

impl Op for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0, 1], |[dx, dweight]| {
            norm::rms_norm_backward(dy, &self.x, &self.weight, &self.rstd, dx, dweight);
        });
    }
}

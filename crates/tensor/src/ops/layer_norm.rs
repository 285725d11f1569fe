use tercet_kernels::norm;

use crate::buffer::Buffer;
use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// `(x − mean)/√(variance + eps)·weight + bias` over the last dimension (Ba et al. 2016, eq. 4).
///
/// # Panics
/// When `weight` or `bias` does not have the width of `x`.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Tensor {
    let pool = x.tape().pool();
    let (mut y, mut mean, mut rstd) = (pool.take(x.len()), pool.take(x.rows()), pool.take(x.rows()));
    norm::layer_norm(x, weight, Some(bias), eps, &mut y, &mut mean, &mut rstd);
    let op = LayerNorm { x: x.value().clone(), weight: weight.value().clone(), mean, rstd };
    x.tape().record(&[x, weight, bias], Value::new(x.shape(), y), op)
}

struct LayerNorm {
    x: Value,
    weight: Value,
    mean: Buffer,
    rstd: Buffer,
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0, 1, 2], |[dx, dweight, dbias]| {
            norm::layer_norm_backward(dy, &self.x, &self.weight, &self.mean, &self.rstd, dx, dweight, dbias);
        });
    }
}

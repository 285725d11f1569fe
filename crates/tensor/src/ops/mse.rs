use tercet_kernels::elementwise;

use crate::buffer::Buffer;
use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// `weight·Σᵢ (xᵢ − targetᵢ)²`, a scalar: the loss of regression heads, whose mean has weight 1/N.
///
/// # Panics
/// When there is not one target for each element.
pub fn mse(x: &Tensor, targets: &[f32], weight: f32) -> Tensor {
    assert_eq!(x.len(), targets.len(), "mse: {} targets for shape {:?}", targets.len(), x.shape());
    let mut dx = x.tape().pool().take(x.len());
    let mut total = 0.0;
    for ((d, x), target) in dx.iter_mut().zip(x.iter()).zip(targets) {
        let error = f64::from(*x) - f64::from(*target);
        total += f64::from(weight) * error * error;
        *d = (2.0 * f64::from(weight) * error) as f32;
    }
    x.tape().record(&[x], Value::new(&[], vec![total as f32]), KnownGradient { name: "mse", dx })
}

/// A scalar loss that knows the gradient of each element already.
pub(super) struct KnownGradient {
    pub name: &'static str,
    pub dx: Buffer,
}

impl Op for KnownGradient {
    fn name(&self) -> &'static str {
        self.name
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0], |[dx]| {
            if let Some(dx) = dx {
                elementwise::scale(dy[0], &self.dx, dx);
            }
        });
    }
}

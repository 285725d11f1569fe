use tercet_kernels::activation::{self as kernel, Activation};

use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// `act(x)`, elementwise.
pub fn activation(x: &Tensor, act: Activation) -> Tensor {
    let mut y = x.tape().pool().take(x.len());
    kernel::forward(act, x, &mut y);
    x.tape().record(&[x], Value::new(x.shape(), y), Activate { act, x: x.value().clone() })
}

struct Activate {
    act: Activation,
    x: Value,
}

impl Op for Activate {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0], |[dx]| {
            if let Some(dx) = dx {
                kernel::backward(self.act, &self.x, dy, dx);
            }
        });
    }
}

use tercet_kernels::{Out, elementwise};

use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// `factor·x`.
pub fn scale(x: &Tensor, factor: f32) -> Tensor {
    let mut y = x.tape().pool().take(x.len());
    elementwise::scale(factor, x, Out::set(&mut y));
    x.tape().record(&[x], Value::new(x.shape(), y), Scale { factor })
}

struct Scale {
    factor: f32,
}

impl Op for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0], |[dx]| {
            if let Some(dx) = dx {
                elementwise::scale(self.factor, dy, dx);
            }
        });
    }
}

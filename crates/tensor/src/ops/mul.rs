use std::ops;

use tercet_kernels::{Out, elementwise};

use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// `x·y`, elementwise; also the operator `*`.
///
/// # Panics
/// When the shapes differ.
pub fn mul(x: &Tensor, y: &Tensor) -> Tensor {
    assert_eq!(x.shape(), y.shape(), "mul: {:?} and {:?}", x.shape(), y.shape());
    let mut product = x.tape().pool().take(x.len());
    elementwise::mul(x, y, Out::set(&mut product));
    let op = Mul { x: x.value().clone(), y: y.value().clone() };
    x.tape().record(&[x, y], Value::new(x.shape(), product), op)
}

struct Mul {
    x: Value,
    y: Value,
}

impl Op for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0, 1], |[dx, dw]| {
            if let Some(dx) = dx {
                elementwise::mul(dy, &self.y, dx);
            }
            if let Some(dw) = dw {
                elementwise::mul(dy, &self.x, dw);
            }
        });
    }
}

impl ops::Mul<&Tensor> for &Tensor {
    type Output = Tensor;

    fn mul(self, other: &Tensor) -> Tensor {
        mul(self, other)
    }
}

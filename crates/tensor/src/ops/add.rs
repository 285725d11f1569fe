use std::ops;

use tercet_kernels::{Out, elementwise};

use crate::op::{Op, Wrt};
use crate::profile::{Part, Work};
use crate::tensor::Tensor;
use crate::value::Value;

/// `x + y`, elementwise; also the operator `+`.
///
/// # Panics
/// When the shapes differ.
pub fn add(x: &Tensor, y: &Tensor) -> Tensor {
    assert_eq!(x.shape(), y.shape(), "add: {:?} and {:?}", x.shape(), y.shape());
    let mut sum = x.tape().pool().take(x.len());
    elementwise::add(x, y, Out::set(&mut sum));
    x.tape().record(&[x, y], Value::new(x.shape(), sum), Add)
}

struct Add;

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn work(&self, part: Part, moved: u64) -> Work {
        // Backwards the gradient is handed on as it is.
        Work { flops: 0, bytes: if part == Part::Backward { 0 } else { moved } }
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.pass(0, dy);
        wrt.pass(1, dy);
    }
}

impl ops::Add<&Tensor> for &Tensor {
    type Output = Tensor;

    fn add(self, other: &Tensor) -> Tensor {
        add(self, other)
    }
}

impl ops::Add<Tensor> for &Tensor {
    type Output = Tensor;

    fn add(self, other: Tensor) -> Tensor {
        add(self, &other)
    }
}

impl ops::Add<Tensor> for Tensor {
    type Output = Tensor;

    fn add(self, other: Tensor) -> Tensor {
        add(&self, &other)
    }
}

use tercet_kernels::{Accum, elementwise};

use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// `Σᵢ xᵢ` over all elements, a scalar; summed in f64 in a fixed order.
pub fn sum(x: &Tensor) -> Tensor {
    let total = elementwise::sum(x) as f32;
    x.tape().record(&[x], Value::new(&[], vec![total]), Sum)
}

struct Sum;

impl Op for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0], |[dx]| {
            let Some(dx) = dx else { return };
            match dx.accum {
                Accum::Set => dx.data.fill(dy[0]),
                Accum::Add => dx.data.iter_mut().for_each(|d| *d += dy[0]),
            }
        });
    }
}

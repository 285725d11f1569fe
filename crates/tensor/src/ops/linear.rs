use tercet_kernels::gemm::{self, Matrix, Precision, gemm};

use crate::op::{Op, Wrt};
use crate::profile::{Part, Work};
use crate::tensor::Tensor;
use crate::value::Value;

/// Which way a weight matrix lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// (in, out): GPT-2's `Conv1D`.
    InOut,
    /// (out, in): PyTorch's `Linear`, and an embedding used as an output layer.
    OutIn,
}

/// `x·W + bias` of `x` (N, in), as (N, out).
///
/// # Panics
/// When the inner dimensions differ or the bias is not as wide as the output.
pub fn linear(x: &Tensor, weight: &Tensor, layout: Layout, bias: Option<&Tensor>) -> Tensor {
    let (tape, precision) = (x.tape(), x.tape().product_precision());
    let w = oriented(weight, layout);
    assert_eq!(x.cols(), w.rows(), "linear: x {:?}, weight {:?} {layout:?}", x.shape(), weight.shape());
    let (rows, out) = (x.rows(), w.cols());
    let mut y = tape.pool().take(rows * out);
    gemm(
        precision,
        Matrix::new(x, rows, x.cols()),
        w,
        tercet_kernels::Out::set(&mut y),
        bias.map(|b| &b[..]),
    );
    let op = Linear { x: x.value().clone(), weight: weight.value().clone(), layout, precision };
    let value = Value::new(&[rows, out], y);
    match bias {
        Some(bias) => tape.record(&[x, weight, bias], value, op),
        None => tape.record(&[x, weight], value, op),
    }
}

/// The weight as a matrix (in, out).
fn oriented(weight: &Value, layout: Layout) -> Matrix<'_> {
    let stored = Matrix::new(weight, weight.rows(), weight.cols());
    match layout {
        Layout::InOut => stored,
        Layout::OutIn => stored.t(),
    }
}

struct Linear {
    x: Value,
    weight: Value,
    layout: Layout,
    precision: Precision,
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn work(&self, part: Part, bytes: u64) -> Work {
        let product = 2 * (self.x.rows() * self.weight.len()) as u64;
        Work { flops: if part == Part::Backward { 2 * product } else { product }, bytes }
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        let grad = Matrix::new(dy, dy.rows(), dy.cols());
        let x = Matrix::new(&self.x, self.x.rows(), self.x.cols());
        wrt.update([0, 1, 2], |[dx, dweight, dbias]| {
            if let Some(dx) = dx {
                gemm(self.precision, grad, oriented(&self.weight, self.layout).t(), dx, None);
            }
            if let Some(dweight) = dweight {
                match self.layout {
                    Layout::InOut => gemm(self.precision, x.t(), grad, dweight, None),
                    Layout::OutIn => gemm(self.precision, grad.t(), x, dweight, None),
                }
            }
            if let Some(dbias) = dbias {
                gemm::column_sums(dy, dy.cols(), dbias);
            }
        });
    }
}

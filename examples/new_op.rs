//! An operation of one's own: softplus, y = ln(1 + eˣ), and its gradient, held against the equation.
//!
//! `cargo run -p tercet-examples --bin new_op`

use tercet_tensor::{Accum, Op, Tape, Tensor, Value, Wrt, gradcheck, ops};

/// ln(1 + eˣ), a smooth relu.
fn softplus(x: &Tensor) -> Tensor {
    // max(x, 0) + ln(1 + e^−|x|) does not overflow.
    let y: Vec<f32> = x.iter().map(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()).collect();
    let kept = x.value().clone();
    x.tape().record(&[x], Value::new(x.shape(), y), Softplus { x: kept })
}

/// The backward half. `Tape::record` does not take a value without one.
struct Softplus {
    x: Value,
}

impl Op for Softplus {
    fn name(&self) -> &'static str {
        "softplus"
    }

    /// dx = dy·σ(x)
    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0], |[dx]| {
            let Some(dx) = dx else { return };
            for ((out, dy), x) in dx.data.iter_mut().zip(dy.iter()).zip(self.x.iter()) {
                let gradient = dy / (1.0 + (-x).exp());
                // Another operation may have put its share here already.
                match dx.accum {
                    Accum::Set => *out = gradient,
                    Accum::Add => *out += gradient,
                }
            }
        });
    }
}

fn main() {
    // It works like any other operation …
    let tape = Tape::grad();
    let x = tape.variable(&[3], vec![-1.0, 0.0, 1.0]);
    let gradients = tape.backward(&ops::sum(&softplus(&x)));
    println!("σ(x) = {:.4?}", gradients.of(&x).map(|dx| dx.to_vec()).unwrap_or_default());

    // … and is what its equation says, which is written here in f64 and differentiated by finite differences.
    let equation = |x: &[ndarray::ArrayD<f64>]| x[0].mapv(|x| x.exp().ln_1p());
    let found = gradcheck(&[&[4, 5]], 1, |x| softplus(&x[0]), equation);
    println!("largest deviation {:.1e}", found.gradients[0].max(found.value));
}

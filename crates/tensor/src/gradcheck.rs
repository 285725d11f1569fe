use ndarray::ArrayD;

use crate::rng::Rng;
use crate::tape::Tape;
use crate::tensor::Tensor;

/// Step of the central differences; in f64 their error is about its square.
const STEP: f64 = 1e-5;

/// What [`gradcheck`] found: the largest deviations, each relative to 1 + the largest magnitude of its array.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradcheck {
    /// Of the value, from the equation.
    pub value: f64,
    /// Of each input's gradient, from the finite differences of the equation.
    pub gradients: Vec<f64>,
}

impl Gradcheck {
    /// Whether everything is within `tolerance`.
    pub fn within(&self, tolerance: f64) -> bool {
        self.value <= tolerance && self.gradients.iter().all(|g| *g <= tolerance)
    }
}

/// Holds an operation and its backward against the equation it should compute.
///
/// `equation` is the plain mathematics in f64, written independently of the operation. The value of `op` must be the
/// equation's, and the gradient that flows back through `op` must be the equation's by central differences in f64,
/// for a random linear functional of the output. The f32 operation is never differenced, so the check is as sharp as
/// f32 itself: 1e-5 is a usual tolerance.
///
/// ```
/// use tercet_tensor::{gradcheck, ops};
///
/// let found = gradcheck(&[&[2, 3], &[2, 3]], 7, |x| ops::mul(&x[0], &x[1]), |x| &x[0] * &x[1]);
/// assert!(found.within(1e-5), "{found:?}");
/// ```
///
/// # Panics
/// When the shapes of the operation's value and of the equation's differ.
pub fn gradcheck(
    inputs: &[&[usize]],
    seed: u64,
    op: impl Fn(&[Tensor]) -> Tensor,
    equation: impl Fn(&[ArrayD<f64>]) -> ArrayD<f64>,
) -> Gradcheck {
    let mut rng = Rng::named(seed, "gradcheck");
    // Values that f32 holds exactly, so that both sides start from the same point.
    let mut draw = |shape: &[usize]| ArrayD::from_shape_simple_fn(shape, || f64::from(rng.normal() as f32));
    let mut point: Vec<ArrayD<f64>> = inputs.iter().map(|shape| draw(shape)).collect();

    let tape = Tape::grad();
    let floats = |x: &ArrayD<f64>| x.iter().map(|v| *v as f32).collect::<Vec<f32>>();
    let variables: Vec<Tensor> = point.iter().map(|x| tape.variable(x.shape(), floats(x))).collect();
    let y = op(&variables);
    let expected = equation(&point);
    assert_eq!(y.shape(), expected.shape(), "the operation and the equation make different shapes");
    let functional = draw(expected.shape());

    let value = deviation(y.iter().zip(&expected).map(|(y, e)| (f64::from(*y), *e)));
    let weights = tape.constant(y.shape(), floats(&functional));
    let loss = crate::ops::sum(&crate::ops::mul(&y, &weights));
    let gradients = tape.backward(&loss);

    let objective = |x: &[ArrayD<f64>]| (equation(x) * &functional).sum();
    let mut deviations = Vec::new();
    for (i, variable) in variables.iter().enumerate() {
        let differences: Vec<f64> =
            (0..variable.len()).map(|at| slope(&objective, &mut point, i, at)).collect();
        let zero = vec![0.0; variable.len()];
        let found = gradients.of(variable).map_or(&zero[..], |g| &g[..]);
        deviations.push(deviation(found.iter().zip(differences).map(|(f, d)| (f64::from(*f), d))));
    }
    Gradcheck { value, gradients: deviations }
}

/// ∂objective/∂x by central differences, for element `at` of input `i`.
fn slope(objective: &impl Fn(&[ArrayD<f64>]) -> f64, point: &mut [ArrayD<f64>], i: usize, at: usize) -> f64 {
    let mut at_offset = |offset: f64| {
        let x = point[i].as_slice_mut().expect("drawn contiguous");
        let saved = x[at];
        x[at] += offset;
        let value = objective(point);
        point[i].as_slice_mut().expect("drawn contiguous")[at] = saved;
        value
    };
    (at_offset(STEP) - at_offset(-STEP)) / (2.0 * STEP)
}

/// The largest |found − expected|, relative to 1 + the largest |expected|. A NaN counts as infinite.
fn deviation(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut worst, mut scale) = (0.0f64, 1.0f64);
    for (found, expected) in pairs {
        let difference = (found - expected).abs();
        worst = worst.max(if difference.is_nan() { f64::INFINITY } else { difference });
        scale = scale.max(1.0 + expected.abs());
    }
    worst / scale
}

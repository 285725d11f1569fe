//! Every operation against its equation in f64: values, and gradients by central differences.

use std::sync::Arc;

use ndarray::{Array2, ArrayD, Axis, Ix1, Ix2, IxDyn};
use tercet_kernels::activation;
use tercet_tensor::ops::{self, AttentionSpec, Layout, LossTerms, Qkv, Target};
use tercet_tensor::{Activation, Gradcheck, Mask, Span, Tensor, gradcheck};

const TOLERANCE: f64 = 2e-5;

fn matrix(x: &ArrayD<f64>) -> Array2<f64> {
    x.clone().into_dimensionality::<Ix2>().expect("a matrix")
}

fn scalar(x: f64) -> ArrayD<f64> {
    ArrayD::from_elem(IxDyn(&[]), x)
}

fn log_softmax(row: &[f64]) -> Vec<f64> {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lse = max + row.iter().map(|x| (x - max).exp()).sum::<f64>().ln();
    row.iter().map(|x| x - lse).collect()
}

/// `Σ weight·(−log softmax(logits)[id])`, with T5's z-loss and label smoothing.
fn cross_entropy(logits: &Array2<f64>, targets: &[Target], terms: LossTerms) -> f64 {
    let mut total = 0.0;
    for t in targets {
        let row = logits.row(t.row as usize).to_vec();
        let logp = log_softmax(&row);
        let lse = row[0] - logp[0];
        let smoothing = f64::from(terms.label_smoothing);
        let even = -logp.iter().sum::<f64>() / logp.len() as f64;
        let nll =
            -(1.0 - smoothing) * logp[t.id as usize] + smoothing * even + f64::from(terms.z_loss) * lse * lse;
        total += f64::from(t.weight) * nll;
    }
    total
}

fn norm_rows(x: &ArrayD<f64>, centre: bool, eps: f64) -> Array2<f64> {
    let mut x = matrix(x);
    for mut row in x.axis_iter_mut(Axis(0)) {
        let mean = if centre { row.mean().expect("not empty") } else { 0.0 };
        row -= mean;
        let rms = (row.iter().map(|v| v * v).sum::<f64>() / row.len() as f64 + eps).sqrt();
        row /= rms;
    }
    x
}

fn attend(
    qkv: [Array2<f64>; 3],
    spans: &[Span],
    heads: usize,
    causal: bool,
    bias: Option<&Array2<f64>>,
) -> ArrayD<f64> {
    let [q, k, v] = qkv;
    let dim = q.ncols() / heads;
    let mut y = Array2::zeros((q.nrows(), q.ncols()));
    for span in spans {
        for head in 0..heads {
            let cols = head * dim..(head + 1) * dim;
            for i in span.q.clone() {
                let seen =
                    if causal { i - span.q.start + 1 + span.kv.len() - span.q.len() } else { span.kv.len() };
                let keys = span.kv.start..span.kv.start + seen;
                let scores: Vec<f64> = (keys.clone())
                    .map(|j| {
                        let dot: f64 = cols.clone().map(|c| q[[i, c]] * k[[j, c]]).sum();
                        let at = if causal {
                            (j - span.kv.start) as isize - (seen as isize - 1)
                        } else {
                            (j - span.kv.start) as isize - (i - span.q.start) as isize
                        };
                        let extra = bias.map_or(0.0, |b| {
                            let max = b.ncols() as isize / 2;
                            b[[head, (at.clamp(-max, max) + max) as usize]]
                        });
                        dot / (dim as f64).sqrt() + extra
                    })
                    .collect();
                for (p, j) in log_softmax(&scores).into_iter().zip(keys) {
                    for c in cols.clone() {
                        y[[i, c]] += p.exp() * v[[j, c]];
                    }
                }
            }
        }
    }
    y.into_dyn()
}

fn targets() -> Vec<Target> {
    let target = |row, id, weight| Target { row, id, weight };
    vec![target(0, 2, 0.5), target(2, 0, 1.5), target(3, 6, 0.25)]
}

fn spans() -> Arc<[Span]> {
    [Span::itself(0..3), Span::itself(3..4), Span::itself(4..6)].into()
}

fn spec(mask: Mask) -> AttentionSpec {
    AttentionSpec { heads: 2, scale: 1.0 / 3f32.sqrt(), mask, dropout: 0.0 }
}

fn three(x: &ArrayD<f64>) -> [Array2<f64>; 3] {
    let width = x.shape()[1] / 3;
    let part = |i: usize| matrix(x).slice(ndarray::s![.., i * width..(i + 1) * width]).to_owned();
    [part(0), part(1), part(2)]
}

type Check = fn() -> Vec<Gradcheck>;

/// One entry for each file in `src/ops`, under its name.
const CHECKS: &[(&str, Check)] = &[
    ("activation", || {
        use Activation::*;
        let check = |act| {
            let equation = move |x: &[ArrayD<f64>]| x[0].mapv(|v| activation::value(act, v));
            gradcheck(&[&[5, 7]], 1, move |x| ops::activation(&x[0], act), equation)
        };
        [Gelu, GeluNew, Silu, Tanh, QuickGelu, Sigmoid, Relu].map(check).into()
    }),
    ("add", || {
        let twice = gradcheck(&[&[4]], 2, |x| &x[0] + &x[0], |x| &x[0] * 2.0);
        vec![gradcheck(&[&[3, 5], &[3, 5]], 1, |x| &x[0] + &x[1], |x| &x[0] + &x[1]), twice]
    }),
    ("attention", || {
        let fused = |mask, causal| {
            let op = move |x: &[Tensor]| ops::attention(Qkv::Fused(&x[0]), &spans(), &spec(mask), None);
            gradcheck(&[&[6, 18]], 1, op, move |x| attend(three(&x[0]), &spans(), 2, causal, None))
        };
        let cross: Arc<[Span]> = [Span { q: 0..2, kv: 0..5 }, Span { q: 2..5, kv: 5..6 }].into();
        let again = Arc::clone(&cross);
        let separate = gradcheck(
            &[&[5, 6], &[6, 6], &[6, 6], &[2, 5]],
            2,
            move |x| {
                ops::attention(Qkv::Separate(&x[0], &x[1], &x[2]), &cross, &spec(Mask::Full), Some(&x[3]))
            },
            move |x| attend([0, 1, 2].map(|i| matrix(&x[i])), &again, 2, false, Some(&matrix(&x[3]))),
        );
        let one_tensor_three_times = gradcheck(
            &[&[6, 6]],
            3,
            |x| ops::attention(Qkv::Separate(&x[0], &x[0], &x[0]), &spans(), &spec(Mask::Causal), None),
            |x| attend([0, 0, 0].map(|i| matrix(&x[i])), &spans(), 2, true, None),
        );
        vec![fused(Mask::Causal, true), fused(Mask::Full, false), separate, one_tensor_three_times]
    }),
    ("binary_cross_entropy", || {
        let t = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        let loss = move |x: f64, t: f64| 0.25 * ((1.0 + x.exp()).ln() - t * x);
        vec![gradcheck(
            &[&[2, 3]],
            1,
            move |x| ops::binary_cross_entropy(&x[0], &t, 0.25),
            move |x| scalar(x[0].iter().zip(t).map(|(x, t)| loss(*x, f64::from(t))).sum()),
        )]
    }),
    ("checkpoint", || {
        vec![gradcheck(
            &[&[4, 6]],
            1,
            |x| ops::checkpoint(&x[0], |x| ops::activation(&(x + &ops::mul(x, x)), Activation::Tanh)),
            |x| x[0].mapv(|v| (v + v * v).tanh()),
        )]
    }),
    ("columns", || {
        let equation = |x: &[ArrayD<f64>]| matrix(&x[0]).slice(ndarray::s![.., 2..5]).to_owned().into_dyn();
        vec![gradcheck(&[&[4, 7]], 1, |x| ops::columns(&x[0], 2..5), equation)]
    }),
    ("cross_entropy", || {
        vec![gradcheck(
            &[&[4, 7]],
            1,
            |x| ops::cross_entropy(&x[0], &targets()),
            |x| scalar(cross_entropy(&matrix(&x[0]), &targets(), LossTerms::default())),
        )]
    }),
    ("dropout", || {
        // Off on a tape that does not train; its training behaviour is tested with the mechanisms.
        vec![gradcheck(&[&[4, 7]], 1, |x| ops::dropout(&x[0], 0.5), |x| x[0].clone())]
    }),
    ("embedding", || {
        let equation = |x: &[ArrayD<f64>]| x[0].select(Axis(0), &[3, 0, 3, 1]);
        vec![gradcheck(&[&[5, 6]], 1, |x| ops::embedding(&x[0], &[3, 0, 3, 1]), equation)]
    }),
    ("gather_rows", || {
        let equation = |x: &[ArrayD<f64>]| x[0].select(Axis(0), &[4, 4, 1]);
        vec![gradcheck(&[&[5, 6]], 1, |x| ops::gather_rows(&x[0], &[4, 4, 1]), equation)]
    }),
    ("layer_norm", || {
        vec![gradcheck(
            &[&[4, 7], &[7], &[7]],
            1,
            |x| ops::layer_norm(&x[0], &x[1], &x[2], 1e-5),
            |x| (norm_rows(&x[0], true, 1e-5) * &x[1] + &x[2]).into_dyn(),
        )]
    }),
    ("linear", || {
        let product = |x: &[ArrayD<f64>]| matrix(&x[0]).dot(&matrix(&x[1]));
        let transposed = |x: &[ArrayD<f64>]| matrix(&x[0]).dot(&matrix(&x[1]).t());
        let bias = |x: &[ArrayD<f64>]| x[2].clone().into_dimensionality::<Ix1>().expect("a vector");
        vec![
            gradcheck(
                &[&[4, 5], &[5, 3]],
                1,
                |x| ops::linear(&x[0], &x[1], Layout::InOut, None),
                move |x| product(x).into_dyn(),
            ),
            gradcheck(
                &[&[4, 5], &[3, 5], &[3]],
                2,
                |x| ops::linear(&x[0], &x[1], Layout::OutIn, Some(&x[2])),
                move |x| (transposed(x) + bias(x)).into_dyn(),
            ),
        ]
    }),
    ("mse", || {
        let equation =
            |x: &[ArrayD<f64>]| scalar(0.5 * ((x[0][[0]] - 1.0).powi(2) + (x[0][[1]] + 2.0).powi(2)));
        vec![gradcheck(&[&[2]], 1, |x| ops::mse(&x[0], &[1.0, -2.0], 0.5), equation)]
    }),
    ("mul", || {
        let square = gradcheck(&[&[4]], 2, |x| ops::mul(&x[0], &x[0]), |x| &x[0] * &x[0]);
        vec![gradcheck(&[&[3, 5], &[3, 5]], 1, |x| &x[0] * &x[1], |x| &x[0] * &x[1]), square]
    }),
    ("reshape", || {
        let equation =
            |x: &[ArrayD<f64>]| x[0].clone().into_shape_with_order(IxDyn(&[5, 3])).expect("15 elements");
        vec![gradcheck(&[&[3, 5]], 1, |x| ops::reshape(&x[0], &[5, 3]), equation)]
    }),
    ("rms_norm", || {
        vec![gradcheck(
            &[&[4, 7], &[7]],
            1,
            |x| ops::rms_norm(&x[0], &x[1], 1e-6),
            |x| (norm_rows(&x[0], false, 1e-6) * &x[1]).into_dyn(),
        )]
    }),
    ("scale", || vec![gradcheck(&[&[3, 5]], 1, |x| ops::scale(&x[0], -1.5), |x| &x[0] * -1.5)]),
    ("sum", || vec![gradcheck(&[&[3, 5]], 1, |x| ops::sum(&x[0]), |x| scalar(x[0].sum()))]),
    ("transpose", || {
        let twice = |x: &[Tensor]| ops::mul(&ops::transpose(&x[0]), &ops::transpose(&x[0]));
        vec![
            gradcheck(&[&[3, 5]], 1, |x| ops::transpose(&x[0]), |x| matrix(&x[0]).t().to_owned().into_dyn()),
            gradcheck(&[&[3, 5]], 2, twice, |x| matrix(&x[0]).t().mapv(|v| v * v).into_dyn()),
        ]
    }),
    ("vocab_loss", || {
        let check = |terms: LossTerms| {
            gradcheck(
                &[&[4, 5], &[7, 5], &[7]],
                1,
                move |x| ops::vocab_loss(&x[0], &x[1], Some(&x[2]), &targets(), terms).total,
                move |x| {
                    let logits = matrix(&x[0]).dot(&matrix(&x[1]).t())
                        + &x[2].clone().into_dimensionality::<Ix1>().unwrap();
                    scalar(cross_entropy(&logits, &targets(), terms))
                },
            )
        };
        let all_rows = gradcheck(
            &[&[3, 5], &[7, 5]],
            2,
            |x| {
                let targets = [4, 0, 4].iter().zip(0..).map(|(&id, row)| Target { row, id, weight: 0.5 });
                ops::vocab_loss(&x[0], &x[1], None, &targets.collect::<Vec<_>>(), LossTerms::default()).total
            },
            |x| {
                let targets: Vec<_> =
                    [4, 0, 4].iter().zip(0..).map(|(&id, row)| Target { row, id, weight: 0.5 }).collect();
                scalar(cross_entropy(&matrix(&x[0]).dot(&matrix(&x[1]).t()), &targets, LossTerms::default()))
            },
        );
        vec![check(LossTerms::default()), check(LossTerms { label_smoothing: 0.1, z_loss: 1e-2 }), all_rows]
    }),
];

#[test]
fn every_op_has_a_gradcheck() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of operations")
        .map(|f| f.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .filter(|name| name != "mod")
        .collect();
    files.sort();
    let checked: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, checked, "operations on the left, gradchecks on the right");
}

#[test]
fn every_gradient_is_that_of_its_equation() {
    for (name, check) in CHECKS {
        for (case, found) in check().into_iter().enumerate() {
            assert!(found.within(TOLERANCE), "{name}, case {case}: {found:?}");
        }
    }
}

#[test]
fn a_wrong_backward_is_found() {
    let found =
        gradcheck(&[&[4]], 1, |x| ops::scale(&x[0], 2.0), |x| &x[0] * 2.0 + x[0].mapv(|v| 1e-3 * v * v));
    assert!(!found.within(TOLERANCE), "{found:?}");
}

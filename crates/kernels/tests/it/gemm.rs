//! Matrix products against a sum in f64.

use tercet_kernels::Out;
use tercet_kernels::gemm::{Matrix, Precision, column_sums, gemm};

/// A fixed sequence without pattern in [-1, 1).
pub fn noise(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Σₖ a(i, k)·b(k, j) in f64; `a` and `b` give their elements by row and column.
fn naive(
    (m, k, n): (usize, usize, usize),
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
) -> Vec<f64> {
    let element = |i, j| (0..k).map(|l| a(i, l) as f64 * b(l, j) as f64).sum::<f64>();
    (0..m * n).map(|index| element(index / n, index % n)).collect()
}

fn assert_near(found: &[f32], expected: &[f64], k: usize, what: &str) {
    let tolerance = 1e-6 * (k as f64).sqrt().max(1.0) * 2.0;
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found as f64 - expected).abs() <= tolerance,
            "{what}: element {index} is {found}, expected {expected}"
        );
    }
}

const SIZES: [(usize, usize, usize); 14] = [
    (0, 3, 4),
    (3, 0, 4),
    (3, 4, 0),
    (1, 1, 1),
    (1, 7, 1),
    (1, 300, 65),
    (2, 5, 3),
    (5, 129, 31),
    (13, 17, 33),
    (14, 32, 32),
    (15, 33, 47),
    (63, 64, 65),
    (131, 257, 95),
    (130, 19, 1037),
];

#[test]
fn all_layouts_agree_with_f64() {
    for (m, k, n) in SIZES {
        let (a, b) = (noise(1, m * k), noise(2, k * n));
        let (at, bt) = (noise(3, k * m), noise(4, n * k));
        let layouts = [
            (Matrix::new(&a, m, k), Matrix::new(&b, k, n), "NN"),
            (Matrix::new(&a, m, k), Matrix::new(&bt, n, k).t(), "NT"),
            (Matrix::new(&at, k, m).t(), Matrix::new(&b, k, n), "TN"),
            (Matrix::new(&at, k, m).t(), Matrix::new(&bt, n, k).t(), "TT"),
        ];
        for (left, right, layout) in layouts {
            let expected = naive(
                (m, k, n),
                |i, l| if layout.starts_with('N') { a[i * k + l] } else { at[l * m + i] },
                |l, j| if layout.ends_with('N') { b[l * n + j] } else { bt[j * k + l] },
            );
            let mut c = vec![f32::NAN; m * n];
            gemm(Precision::F32, left, right, Out::set(&mut c), None);
            assert_near(&c, &expected, k, &format!("{layout} ({m}, {k}, {n})"));
        }
    }
}

#[test]
fn accumulates_and_adds_the_bias() {
    for (m, k, n) in SIZES {
        let (a, b, bias, old) = (noise(1, m * k), noise(2, k * n), noise(3, n), noise(4, m * n));
        let mut expected = naive((m, k, n), |i, l| a[i * k + l], |l, j| b[l * n + j]);
        for (index, expected) in expected.iter_mut().enumerate() {
            *expected += bias[index % n] as f64 + old[index] as f64;
        }
        let mut c = old;
        gemm(Precision::F32, Matrix::new(&a, m, k), Matrix::new(&b, k, n), Out::add(&mut c), Some(&bias));
        assert_near(&c, &expected, k, &format!("({m}, {k}, {n})"));
    }
}

#[test]
fn strided_operands_are_cut_out_of_wider_ones() {
    let (m, k, n) = (9, 20, 11);
    let (a, b) = (noise(1, m * 50), noise(2, n * 70));
    let expected = naive((m, k, n), |i, l| a[i * 50 + 7 + l], |l, j| b[j * 70 + 13 + l]);
    let mut c = vec![0.0; m * n];
    let left = Matrix::strided(&a[7..], m, k, 50);
    let right = Matrix::strided(&b[13..], n, k, 70).t();
    gemm(Precision::F32, left, right, Out::set(&mut c), None);
    assert_near(&c, &expected, k, "strided");
}

#[test]
fn column_sums_agree_with_f64() {
    for (rows, cols) in [(0, 5), (1, 1), (3, 7), (64, 64), (65, 63), (1000, 129)] {
        let (x, old) = (noise(5, rows * cols), noise(6, cols));
        let sum = |j: usize| (0..rows).map(|i| x[i * cols + j] as f64).sum::<f64>();
        let mut out = vec![f32::NAN; cols];
        column_sums(&x, cols, Out::set(&mut out));
        assert_near(&out, &(0..cols).map(sum).collect::<Vec<_>>(), rows, "set");
        let mut out = old.clone();
        column_sums(&x, cols, Out::add(&mut out));
        assert_near(&out, &(0..cols).map(|j| sum(j) + old[j] as f64).collect::<Vec<_>>(), rows, "add");
    }
}

#[test]
#[should_panic(expected = "inner sizes differ")]
fn shapes_that_do_not_fit_are_named() {
    let (a, b, mut c) = ([0.0; 6], [0.0; 8], [0.0; 8]);
    gemm(Precision::F32, Matrix::new(&a, 2, 3), Matrix::new(&b, 2, 4), Out::set(&mut c), None);
}

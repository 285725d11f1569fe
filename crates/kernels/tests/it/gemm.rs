//! Matrix products against a sum in f64, on every instruction set that this processor has.

use rayon::{ThreadPool, ThreadPoolBuilder};
use tercet_kernels::cpu::{self, Isa};
use tercet_kernels::gemm::{Matrix, Precision, column_sums, gemm, gemm_on};
use tercet_kernels::{Accum, Out};

/// A fixed sequence without pattern in [-1, 1).
fn noise(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// The nearer of the two bf16 around `x`, the even one if they are equally near, by comparing distances.
fn nearest_bf16(x: f32) -> f32 {
    let below = f32::from_bits(x.to_bits() & 0xffff_0000);
    let above = f32::from_bits((x.to_bits() & 0xffff_0000) + 0x1_0000);
    let (to_below, to_above) = ((x as f64 - below as f64).abs(), (above as f64 - x as f64).abs());
    let below_is_even = below.to_bits() & 0x1_0000 == 0;
    if to_below < to_above || to_below == to_above && below_is_even { below } else { above }
}

/// A product to check: operands as they lie in memory, and what they mean.
struct Case {
    name: String,
    shape: (usize, usize, usize),
    /// Whether `a` and `b` are the transposes of what is stored.
    transposed: (bool, bool),
    a: Vec<f32>,
    b: Vec<f32>,
    bias: Vec<f32>,
    old: Vec<f32>,
}

impl Case {
    fn new(shape: (usize, usize, usize), transposed: (bool, bool)) -> Self {
        let (m, k, n) = shape;
        let name = format!("({m}, {k}, {n}), transposed {transposed:?}");
        let (a, b, bias, old) = (noise(1, m * k), noise(2, k * n), noise(3, n), noise(4, m * n));
        Self { name, shape, transposed, a, b, bias, old }
    }

    fn all(sizes: &[(usize, usize, usize)]) -> impl Iterator<Item = Case> {
        let layouts = [(false, false), (false, true), (true, false), (true, true)];
        sizes.iter().flat_map(move |&shape| layouts.map(|transposed| Case::new(shape, transposed)))
    }

    fn left(&self) -> Matrix<'_> {
        let (m, k, _) = self.shape;
        if self.transposed.0 { Matrix::new(&self.a, k, m).t() } else { Matrix::new(&self.a, m, k) }
    }

    fn right(&self) -> Matrix<'_> {
        let (_, k, n) = self.shape;
        if self.transposed.1 { Matrix::new(&self.b, n, k).t() } else { Matrix::new(&self.b, k, n) }
    }

    /// Row `i` of `a`, as a matrix of its own in the same layout.
    fn row(&self, i: usize) -> Vec<f32> {
        let (m, k, _) = self.shape;
        (0..k).map(|l| if self.transposed.0 { self.a[l * m + i] } else { self.a[i * k + l] }).collect()
    }

    /// old + Σₖ a(i, k)·b(k, j) + bias in f64.
    fn expected(&self, precision: Precision, accum: Accum, bias: Option<&[f32]>) -> Vec<f64> {
        let (m, k, n) = self.shape;
        let operand = |x: f32| match precision {
            Precision::F32 => x as f64,
            Precision::Bf16 => nearest_bf16(x) as f64,
        };
        let a = |i: usize, l: usize| {
            operand(if self.transposed.0 { self.a[l * m + i] } else { self.a[i * k + l] })
        };
        let b = |l: usize, j: usize| {
            operand(if self.transposed.1 { self.b[j * k + l] } else { self.b[l * n + j] })
        };
        let element = |i: usize, j: usize| {
            let old = if accum == Accum::Add { self.old[i * n + j] as f64 } else { 0.0 };
            let bias = bias.map_or(0.0, |bias| bias[j] as f64);
            old + (0..k).map(|l| a(i, l) * b(l, j)).sum::<f64>() + bias
        };
        (0..m * n).map(|index| element(index / n, index % n)).collect()
    }

    fn run(&self, isa: Isa, precision: Precision, accum: Accum, bias: Option<&[f32]>) -> Vec<f32> {
        let mut c = if accum == Accum::Add { self.old.clone() } else { vec![f32::NAN; self.old.len()] };
        gemm_on(isa, precision, self.left(), self.right(), Out { data: &mut c, accum }, bias);
        c
    }

    /// Compares every instruction set with f64.
    fn check(&self, precision: Precision, accum: Accum, bias: Option<&[f32]>) {
        let expected = self.expected(precision, accum, bias);
        for isa in Isa::available() {
            let found = self.run(isa, precision, accum, bias);
            assert_near(
                &found,
                &expected,
                self.shape.1,
                &format!("{}, {isa:?}, {precision:?}, {accum:?}", self.name),
            );
        }
    }
}

fn assert_near(found: &[f32], expected: &[f64], depth: usize, what: &str) {
    assert_eq!(found.len(), expected.len());
    let tolerance = 2e-6 * (depth as f64).sqrt().max(1.0);
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (found as f64 - expected).abs();
        assert!(error <= tolerance, "{what}: element {index} is {found}, expected {expected}");
    }
}

/// Around the sizes of tiles (14 × 32 and 6 × 16), of blocks of K (512) and of tasks, and the empty and single ones.
const SIZES: [(usize, usize, usize); 17] = [
    (0, 3, 4),
    (3, 0, 4),
    (3, 4, 0),
    (1, 1, 1),
    (1, 7, 1),
    (1, 300, 65),
    (2, 5, 3),
    (3, 513, 16),
    (5, 129, 31),
    (13, 17, 33),
    (14, 32, 32),
    (15, 33, 47),
    (63, 64, 65),
    (29, 1027, 17),
    (131, 257, 95),
    (300, 96, 130),
    (40, 19, 1037),
];

#[test]
fn all_layouts_agree_with_f64() {
    for case in Case::all(&SIZES) {
        case.check(Precision::F32, Accum::Set, None);
        case.check(Precision::F32, Accum::Add, Some(&case.bias));
    }
}

#[test]
fn bf16_operands_are_rounded_to_nearest_even() {
    for case in Case::all(&SIZES) {
        case.check(Precision::Bf16, Accum::Set, Some(&case.bias));
        case.check(Precision::Bf16, Accum::Add, None);
    }
    // Ties go to the even neighbour, below and above; 1.0 leaves what the rounding gave.
    let ties = [1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, -1.0 - 1.0 / 256.0, 1.0 + 1.1 / 256.0];
    for isa in Isa::available() {
        let mut c = [0.0; 4];
        let (left, right) = (Matrix::new(&ties, 4, 1), Matrix::new(&[1.0], 1, 1));
        gemm_on(isa, Precision::Bf16, left, right, Out::set(&mut c), None);
        assert_eq!(c, [1.0, 1.0 + 4.0 / 256.0, -1.0, 1.0 + 2.0 / 256.0], "{isa:?}");
    }
}

#[test]
fn infinities_and_nans_are_not_lost() {
    let a = [f32::INFINITY, f32::NAN, f32::MAX, 1.0];
    for (isa, precision) in Isa::available().flat_map(|isa| [(isa, Precision::F32), (isa, Precision::Bf16)]) {
        let mut c = [0.0; 4];
        gemm_on(isa, precision, Matrix::new(&a, 4, 1), Matrix::new(&[1.0], 1, 1), Out::set(&mut c), None);
        assert!(c[0] == f32::INFINITY && c[1].is_nan() && c[3] == 1.0, "{isa:?} {precision:?} {c:?}");
        // The largest f32 is nearer to 2¹²⁸ than to any bf16 below.
        let largest = if precision == Precision::F32 { f32::MAX } else { f32::INFINITY };
        assert_eq!(c[2], largest, "{isa:?} {precision:?}");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let pools = [1, 2, 3, 7].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    // Large enough to be split, with low and narrow edges, many rows, many columns, and several blocks of K.
    for case in Case::all(&[(300, 560, 130), (1030, 30, 70), (33, 40, 1100), (64, 2600, 40)]) {
        for (isa, precision) in
            Isa::available().flat_map(|isa| [(isa, Precision::F32), (isa, Precision::Bf16)])
        {
            let on =
                |pool: &ThreadPool| pool.install(|| case.run(isa, precision, Accum::Add, Some(&case.bias)));
            let one = on(&pools[0]);
            for pool in &pools[1..] {
                let threads = pool.current_num_threads();
                assert!(on(pool) == one, "{}, {isa:?}, {precision:?}, {threads} threads", case.name);
            }
        }
    }
}

#[test]
fn a_few_rows_alone_are_the_rows_of_a_batch() {
    for case in Case::all(&[(61, 600, 75), (17, 40, 33), (9, 1030, 16)]) {
        let (m, k, n) = case.shape;
        for (isa, precision, accum) in Isa::available().flat_map(|isa| {
            [
                (isa, Precision::F32, Accum::Set),
                (isa, Precision::F32, Accum::Add),
                (isa, Precision::Bf16, Accum::Set),
            ]
        }) {
            let batch = case.run(isa, precision, accum, Some(&case.bias));
            for count in 1..=5 {
                for first in (0..=m - count).step_by(count) {
                    let rows: Vec<f32> = (first..first + count).flat_map(|i| case.row(i)).collect();
                    let mut alone = case.old[first * n..][..count * n].to_vec();
                    let out = Out { data: &mut alone, accum };
                    gemm_on(
                        isa,
                        precision,
                        Matrix::new(&rows, count, k),
                        case.right(),
                        out,
                        Some(&case.bias),
                    );
                    let what = || {
                        format!("{}, {isa:?}, {precision:?}, {accum:?}, {count} rows from {first}", case.name)
                    };
                    assert!(alone == batch[first * n..][..count * n], "{}", what());
                }
            }
        }
    }
}

#[test]
fn strided_operands_are_cut_out_of_wider_ones() {
    let (m, k, n) = (9, 20, 11);
    let (a, b) = (noise(1, m * 50), noise(2, n * 70));
    let left = Matrix::strided(&a[7..], m, k, 50);
    let right = Matrix::strided(&b[13..], n, k, 70).t();
    let element =
        |i: usize, j: usize| (0..k).map(|l| a[i * 50 + 7 + l] as f64 * b[j * 70 + 13 + l] as f64).sum();
    let expected: Vec<f64> = (0..m * n).map(|index| element(index / n, index % n)).collect();
    for isa in Isa::available() {
        let mut c = vec![0.0; m * n];
        gemm_on(isa, Precision::F32, left, right, Out::set(&mut c), None);
        assert_near(&c, &expected, k, "strided");
    }
}

#[test]
fn rows_a_page_apart_are_multiplied_too() {
    // Such rows are packed, where others are read in place.
    let (m, k, n) = (30, 40, 50);
    let (a, b) = (noise(1, m * 1024), noise(2, k * n));
    let element = |i: usize, j: usize| (0..k).map(|l| a[i * 1024 + l] as f64 * b[l * n + j] as f64).sum();
    let expected: Vec<f64> = (0..m * n).map(|index| element(index / n, index % n)).collect();
    let mut c = vec![0.0; m * n];
    let left = Matrix::strided(&a, m, k, 1024);
    gemm(Precision::F32, left, Matrix::new(&b, k, n), Out::set(&mut c), None);
    assert_near(&c, &expected, k, "a page apart");
}

#[test]
fn the_default_is_the_best_instruction_set() {
    let case = Case::new((20, 30, 40), (false, true));
    let mut c = vec![0.0; 20 * 40];
    gemm(Precision::F32, case.left(), case.right(), Out::set(&mut c), None);
    assert!(c == case.run(cpu::isa(), Precision::F32, Accum::Set, None));
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
#[should_panic(expected = "a (2, 3) times b (2, 4): the inner sizes differ")]
fn shapes_that_do_not_fit_are_named() {
    let (a, b, mut c) = ([0.0; 6], [0.0; 8], [0.0; 8]);
    gemm(Precision::F32, Matrix::new(&a, 2, 3), Matrix::new(&b, 2, 4), Out::set(&mut c), None);
}

#[test]
#[should_panic(expected = "a slice of 49 ends before a (2, 30) matrix with rows 20 apart")]
fn a_view_past_the_end_is_named() {
    Matrix::strided(&[0.0; 49], 2, 30, 20);
}

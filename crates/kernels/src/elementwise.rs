//! Arithmetic on whole slices, and reductions whose order never depends on the number of threads.

use crate::{Accum, Out, cpu, per_isa};
use rayon::prelude::*;

/// Elements of a parallel task: two streams of them fit in the first-level cache of most processors, and the work
/// outweighs the start of a task. A shorter slice is one task, which runs on the calling thread.
pub(crate) const CHUNK: usize = 1 << 14;

/// Partial sums that a reduction keeps side by side, so that it vectorises; a constant, so that every instruction set
/// adds in the same order.
pub(crate) const LANES: usize = 32;

impl Accum {
    /// Writes the values to `out`, or adds them there.
    #[inline(always)]
    pub(crate) fn store_all(self, out: &mut [f32], values: impl Iterator<Item = f32>) {
        match self {
            Accum::Set => out.iter_mut().zip(values).for_each(|(slot, value)| *slot = value),
            Accum::Add => out.iter_mut().zip(values).for_each(|(slot, value)| *slot += value),
        }
    }
}

/// Copies `x`; with [`Accum::Add`] adds it.
///
/// # Panics
/// If the lengths differ.
pub fn copy(x: &[f32], out: Out) {
    scale(1.0, x, out);
}

/// `x + y`, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn add(x: &[f32], y: &[f32], out: Out) {
    binary(x, y, out, add_chunk);
}

/// `x · y`, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn mul(x: &[f32], y: &[f32], out: Out) {
    binary(x, y, out, mul_chunk);
}

/// `a · x`; with [`Accum::Add`] the axpy of BLAS.
///
/// # Panics
/// If the lengths differ.
pub fn scale(a: f32, x: &[f32], out: Out) {
    assert_same_len(&[x.len(), out.data.len()]);
    let (isa, accum) = (cpu::isa(), out.accum);
    out.data
        .par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .for_each(|(data, x)| scale_chunk(isa, a, x, Out { data, accum }));
}

/// Σ xᵢ, accumulated in f64.
pub fn sum(x: &[f32]) -> f64 {
    reduce(x, sum_chunk)
}

/// Σ xᵢ², accumulated in f64: the square of the norm that gradient clipping compares.
pub fn sum_squares(x: &[f32]) -> f64 {
    reduce(x, sum_squares_chunk)
}

/// Whether no element is infinite or NaN.
pub fn all_finite(x: &[f32]) -> bool {
    let isa = cpu::isa();
    x.par_chunks(CHUNK).all(|x| all_finite_chunk(isa, x))
}

fn binary(x: &[f32], y: &[f32], out: Out, chunk: fn(cpu::Isa, &[f32], &[f32], Out)) {
    assert_same_len(&[x.len(), y.len(), out.data.len()]);
    let (isa, accum) = (cpu::isa(), out.accum);
    out.data
        .par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .zip(y.par_chunks(CHUNK))
        .for_each(|((data, x), y)| chunk(isa, x, y, Out { data, accum }));
}

/// The sums of fixed chunks, added in their order.
fn reduce(x: &[f32], chunk: fn(cpu::Isa, &[f32]) -> f64) -> f64 {
    let isa = cpu::isa();
    let sums: Vec<f64> = x.par_chunks(CHUNK).map(|x| chunk(isa, x)).collect();
    sums.into_iter().sum()
}

per_isa! {
    fn add_chunk<T>(x: &[f32], y: &[f32], out: Out) {
        out.accum.store_all(out.data, x.iter().zip(y).map(|(x, y)| x + y));
    }
}

per_isa! {
    fn mul_chunk<T>(x: &[f32], y: &[f32], out: Out) {
        out.accum.store_all(out.data, x.iter().zip(y).map(|(x, y)| x * y));
    }
}

per_isa! {
    fn scale_chunk<T>(a: f32, x: &[f32], out: Out) {
        out.accum.store_all(out.data, x.iter().map(|x| a * x));
    }
}

per_isa! {
    fn sum_chunk<T>(x: &[f32]) -> f64 {
        lane_sum_f64(x, |x| x)
    }
}

per_isa! {
    fn sum_squares_chunk<T>(x: &[f32]) -> f64 {
        lane_sum_f64(x, |x| x * x)
    }
}

per_isa! {
    fn all_finite_chunk<T>(x: &[f32]) -> bool {
        // Without an early exit, which would keep the loop from being vectorised.
        x.iter().fold(true, |finite, x| finite & x.is_finite())
    }
}

/// Σ f(xᵢ) in f64 over [`LANES`] interleaved partial sums.
#[inline(always)]
fn lane_sum_f64(x: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += f(f64::from(x));
        }
    }
    lanes.into_iter().chain(rest.iter().map(|&x| f(f64::from(x)))).sum()
}

/// Σ f over equally long streams, for several sums at once, each in [`LANES`] interleaved partial sums.
#[inline(always)]
pub(crate) fn lane_sums<const STREAMS: usize, const SUMS: usize>(
    streams: [&[f32]; STREAMS],
    terms: impl Fn([f32; STREAMS]) -> [f32; SUMS],
) -> [f32; SUMS] {
    let mut lanes = [[0.0; LANES]; SUMS];
    let blocks = streams.map(|s| s.as_chunks::<LANES>());
    for b in 0..blocks[0].0.len() {
        let block: [&[f32; LANES]; STREAMS] = std::array::from_fn(|s| &blocks[s].0[b]);
        for l in 0..LANES {
            let terms = terms(std::array::from_fn(|s| block[s][l]));
            for (lanes, term) in lanes.iter_mut().zip(terms) {
                lanes[l] += term;
            }
        }
    }
    let mut sums = [0.0; SUMS];
    for i in 0..blocks[0].1.len() {
        let terms = terms(std::array::from_fn(|s| blocks[s].1[i]));
        for (sum, term) in sums.iter_mut().zip(terms) {
            *sum += term;
        }
    }
    for (sum, lanes) in sums.iter_mut().zip(&lanes) {
        *sum += fold_lanes(lanes, |a, b| a + b);
    }
    sums
}

/// Folds the lanes in halves: lane `l` with lane `l + 16`, then `l + 8`, and so on. It is kept out of line because the
/// compiler would otherwise arrange the lanes of the loop before it to suit the last of these steps.
#[inline(never)]
pub(crate) fn fold_lanes(lanes: &[f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = *lanes;
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] = f(lanes[l], lanes[l + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Panics with all lengths unless they are equal.
#[track_caller]
pub(crate) fn assert_same_len(lens: &[usize]) {
    assert!(lens.windows(2).all(|w| w[0] == w[1]), "slices of different lengths: {lens:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Isa;

    fn ramp(len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 37) % 101) as f32 * 0.25 - 12.5).collect()
    }

    #[test]
    fn arithmetic_sets_or_adds_at_every_length() {
        for len in [0, 1, 31, 33, 100, CHUNK + 7] {
            let (x, y) = (ramp(len), ramp(len + 3)[3..].to_vec());
            let check = |kernel: &dyn Fn(Out), want: &dyn Fn(usize) -> f32| {
                let mut set = vec![f32::NAN; len];
                kernel(Out::set(&mut set));
                let mut added = vec![2.0; len];
                kernel(Out::add(&mut added));
                for i in 0..len {
                    assert_eq!((set[i], added[i]), (want(i), want(i) + 2.0), "element {i} of {len}");
                }
            };
            check(&|out| copy(&x, out), &|i| x[i]);
            check(&|out| add(&x, &y, out), &|i| x[i] + y[i]);
            check(&|out| mul(&x, &y, out), &|i| x[i] * y[i]);
            check(&|out| scale(-0.5, &x, out), &|i| -0.5 * x[i]);
        }
    }

    #[test]
    fn sums_are_exact_where_f32_sums_are_not() {
        for len in [0, 1, 31, 33, CHUNK, 3 * CHUNK + 5] {
            let x: Vec<f32> = ramp(len).into_iter().map(|x| x + 1e6).collect();
            assert_eq!(sum(&x), x.iter().map(|&x| f64::from(x)).sum::<f64>(), "{len}");
            let want: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!((sum_squares(&x) - want).abs() <= 1e-12 * want, "{len}");
        }
    }

    #[test]
    fn sums_have_the_same_bits_on_every_instruction_set_and_number_of_threads() {
        let x: Vec<f32> = (0..5 * CHUNK + 11).map(|i| (i as f32).sin()).collect();
        for isa in Isa::available() {
            assert_eq!(sum_squares_chunk(isa, &x), sum_squares_chunk(Isa::Portable, &x), "{isa:?}");
        }
        let want = sum_squares(&x);
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| sum_squares(&x)), want, "{threads} threads");
        }
    }

    #[test]
    fn one_bad_element_is_found_anywhere() {
        let mut x = ramp(2 * CHUNK + 9);
        assert!(all_finite(&x));
        for i in [0, 17, CHUNK, x.len() - 1] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let good = std::mem::replace(&mut x[i], bad);
                assert!(!all_finite(&x), "{bad} at {i}");
                x[i] = good;
            }
        }
    }

    #[test]
    #[should_panic(expected = "[3, 2, 3]")]
    fn lengths_are_checked() {
        add(&[0.0; 3], &[0.0; 2], Out::set(&mut [0.0; 3]));
    }
}

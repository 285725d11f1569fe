//! Matrix products, and the column sums that are a bias gradient.

pub(crate) mod bf16;
mod packed;
mod portable;
#[cfg(target_arch = "x86_64")]
mod tiled;

use rayon::prelude::*;

pub(crate) use self::packed::{Packed, gemm_serial_packed};
use crate::cpu::{self, Isa};
use crate::{Accum, Out};

/// Multiply-adds below which one thread is faster than waking another.
const SERIAL: usize = 1 << 19;
/// What a product of fewer rows counts as, as reading `b` takes it so long.
const ROWS_OF_MEMORY: usize = 4;

/// In what form the operands of a product are multiplied; sums are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// The operands as they are.
    F32,
    /// The operands rounded to bf16, to nearest even.
    Bf16,
}

/// A view of a matrix in a slice; a transposition is a change of strides.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The whole of `data` as `rows` × `cols`, row-major.
    ///
    /// # Panics
    ///
    /// If `data` does not have `rows·cols` elements.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert!(data.len() == rows * cols, "a slice of {} is not a ({rows}, {cols}) matrix", data.len());
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// `rows` × `cols` whose rows start `row_stride` apart: columns cut out of a wider matrix.
    ///
    /// # Panics
    ///
    /// If `data` ends before the last element.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        let needed = if rows == 0 || cols == 0 { 0 } else { (rows - 1) * row_stride + cols };
        assert!(
            data.len() >= needed,
            "a slice of {} ends before a ({rows}, {cols}) matrix with rows {row_stride} apart, which needs {needed}",
            data.len(),
        );
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transposed view of the same elements.
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }
}

/// `c = a·b + bias`, or `c += a·b + bias`: the matrix product that every layer goes through.
///
/// `a` is (M, K), `b` (K, N), `c` (M, N) row-major and contiguous, `bias` one value a column of `c`. An element of `c` depends only on
/// its row of `a`, its column of `b` and K: neither the number of threads nor the other rows change its bits.
///
/// # Panics
///
/// If the shapes do not fit together.
pub fn gemm(precision: Precision, a: Matrix, b: Matrix, c: Out, bias: Option<&[f32]>) {
    gemm_on(cpu::isa(), precision, a, b, c, bias);
}

/// [`gemm`] on this thread alone, for callers that have divided their work between threads already.
pub(crate) fn gemm_serial(precision: Precision, a: Matrix, b: Matrix, c: Out, bias: Option<&[f32]>) {
    dispatch(cpu::isa(), 1, precision, a, b, c, bias);
}

/// [`gemm`] on an instruction set of the caller's choice, for comparisons.
///
/// # Panics
///
/// As [`gemm`], and if the processor lacks `isa`.
pub fn gemm_on(isa: Isa, precision: Precision, a: Matrix, b: Matrix, c: Out, bias: Option<&[f32]>) {
    let threads =
        if a.rows.max(ROWS_OF_MEMORY) * b.cols * a.cols < SERIAL { 1 } else { rayon::current_num_threads() };
    dispatch(isa, threads, precision, a, b, c, bias);
}

fn dispatch(
    isa: Isa,
    threads: usize,
    precision: Precision,
    a: Matrix,
    b: Matrix,
    c: Out,
    bias: Option<&[f32]>,
) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert!(b.rows == k, "a ({m}, {k}) times b ({}, {n}): the inner sizes differ", b.rows);
    assert!(c.data.len() == m * n, "({m}, {k}) · ({k}, {n}) does not fit into {} elements", c.data.len());
    if let Some(bias) = bias {
        assert!(bias.len() == n, "a bias of {} for a product with {n} columns", bias.len());
    }
    if m == 0 || n == 0 {
        return;
    }
    assert!(isa.is_available(), "this processor has no {isa:?}");
    #[cfg(target_arch = "x86_64")]
    if matches!(isa, Isa::Avx512 | Isa::Avx2) {
        return tiled::product(isa, threads, precision, a, b, c, bias);
    }
    portable::product(threads, precision, a, b, c, bias);
}

/// Where the tasks of one product write, each its own block.
struct Destination(*mut f32);
// SAFETY: the tasks write disjoint blocks of a slice that `gemm` borrows mutably for as long as they run.
unsafe impl Sync for Destination {}

/// Columns that one task sums; a row of them is a few cache lines.
const SUM_COLUMNS: usize = 64;
/// Rows that are summed before they join the total, which keeps rounding small over many rows.
const SUM_ROWS: usize = 64;

/// The sum of every column of `x` (rows, `cols`): the gradient of a bias.
///
/// # Panics
///
/// If `out` does not have `cols` elements, or `x` is not whole rows.
pub fn column_sums(x: &[f32], cols: usize, out: Out) {
    assert!(out.data.len() == cols, "sums of {cols} columns do not fit into {} elements", out.data.len());
    assert!(
        cols == 0 && x.is_empty() || cols != 0 && x.len().is_multiple_of(cols),
        "{} elements are not whole rows of {cols}",
        x.len()
    );
    let accum = out.accum;
    let column_block = |(block, out): (usize, &mut [f32])| {
        let first = block * SUM_COLUMNS;
        let mut total = [0.0; SUM_COLUMNS];
        for rows in x.chunks(SUM_ROWS * cols) {
            let mut partial = [0.0; SUM_COLUMNS];
            for row in rows.chunks_exact(cols) {
                let row = &row[first..first + out.len()];
                partial.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
            }
            total.iter_mut().zip(&partial).for_each(|(total, &sum)| *total += sum);
        }
        match accum {
            Accum::Set => out.copy_from_slice(&total[..out.len()]),
            Accum::Add => out.iter_mut().zip(&total).for_each(|(out, &sum)| *out += sum),
        }
    };
    if x.len() < 1 << 14 {
        out.data.chunks_mut(SUM_COLUMNS).enumerate().for_each(column_block);
    } else {
        out.data.par_chunks_mut(SUM_COLUMNS).enumerate().for_each(column_block);
    }
}

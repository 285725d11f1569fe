//! Right operands that are packed once and multiplied many times.

#[cfg(target_arch = "x86_64")]
use super::tiled;
use super::{Matrix, Precision, portable};
use crate::Out;
use crate::cpu::{self, Isa};

/// Elements of a cache line, where panels start.
const LINE: usize = 16;

/// A matrix in the order in which the kernels of this processor read it.
pub(crate) struct Packed<'a> {
    precision: Precision,
    isa: Isa,
    matrix: Matrix<'a>,
    /// Nothing for an instruction set without kernels of our own.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "there are kernels on x86-64 alone"))]
    panels: &'a [f32],
}

impl<'a> Packed<'a> {
    /// Elements of the room that [`new`](Self::new) wants.
    pub fn floats(precision: Precision, rows: usize, columns: usize) -> usize {
        match cpu::isa() {
            #[cfg(target_arch = "x86_64")]
            isa @ (Isa::Avx512 | Isa::Avx2) => tiled::packed_floats(isa, precision, rows, columns) + LINE,
            _ => 0,
        }
    }

    /// Packs a matrix into `room`, on all threads.
    ///
    /// # Panics
    ///
    /// If the room is smaller than [`floats`](Self::floats).
    pub fn new(precision: Precision, matrix: Matrix<'a>, room: &'a mut [f32]) -> Self {
        let (isa, floats) = (cpu::isa(), Self::floats(precision, matrix.rows, matrix.cols));
        assert!(room.len() >= floats, "{} floats are no room for {floats}", room.len());
        let panels: &[f32] = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx2 => {
                let first = room.as_ptr().align_offset(4 * LINE).min(LINE);
                let panels = &mut room[first..];
                tiled::pack(isa, precision, matrix, panels);
                panels
            }
            _ => &[],
        };
        Self { precision, isa, matrix, panels }
    }
}

/// `c = a·diag(factors)·b` on this thread alone, for the transposed view `a` of a row-major matrix.
///
/// # Panics
///
/// If the shapes do not fit together, or `a` is no such view.
pub(crate) fn gemm_serial_packed(a: Matrix, factors: &[f32], b: &Packed, c: Out) {
    let (m, k, n) = (a.rows, a.cols, b.matrix.cols);
    assert!(b.matrix.rows == k, "a ({m}, {k}) times b ({}, {n}): the inner sizes differ", b.matrix.rows);
    assert!(factors.len() == k, "{} factors for {k} columns", factors.len());
    assert!(a.row_stride == 1, "the rows of a do not lie side by side");
    assert!(c.data.len() == m * n, "({m}, {k}) · ({k}, {n}) does not fit into {} elements", c.data.len());
    if m == 0 || n == 0 {
        return;
    }
    match b.isa {
        #[cfg(target_arch = "x86_64")]
        isa @ (Isa::Avx512 | Isa::Avx2) => {
            tiled::product_with_packed(isa, b.precision, (a, factors), (b.panels, n), c);
        }
        _ => {
            let rows = a.data.chunks(a.col_stride).take(k).zip(factors);
            let scaled: Vec<f32> = rows.flat_map(|(row, f)| row[..m].iter().map(move |x| x * f)).collect();
            portable::product(1, b.precision, Matrix::new(&scaled, k, m).t(), b.matrix, c, None);
        }
    }
}

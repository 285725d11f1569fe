//! Products on processors without kernels of our own: matrixmultiply, split into blocks of the result.

use std::borrow::Cow;

use rayon::prelude::*;

use super::{Destination, Matrix, Precision, bf16};
use crate::{Accum, Out};

/// Rows and columns of one task's block of the product.
const BLOCK: (usize, usize) = (128, 512);

/// `c = a·b + bias` by matrixmultiply. The shapes were checked, and `c` has at least one element.
pub(super) fn product(
    threads: usize,
    precision: Precision,
    a: Matrix,
    b: Matrix,
    c: Out,
    bias: Option<&[f32]>,
) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let (a_data, b_data) = (rounded(precision, a.data), rounded(precision, b.data));
    let beta = match c.accum {
        Accum::Set => 0.0,
        Accum::Add => 1.0,
    };
    let columns = n.div_ceil(BLOCK.1);
    let blocks = m.div_ceil(BLOCK.0) * columns;
    let target = Destination(c.data.as_mut_ptr());
    let block = |index: usize| {
        let target = &target;
        let (i, j) = (index / columns * BLOCK.0, index % columns * BLOCK.1);
        let (height, width) = (BLOCK.0.min(m - i), BLOCK.1.min(n - j));
        // SAFETY: the block lies inside of (m, n); matrixmultiply reads only elements that `Matrix` and the assertions of `gemm` have
        // found inside of the slices, and writes only this block, which no other task touches.
        unsafe {
            let c = target.0.add(i * n + j);
            matrixmultiply::sgemm(
                height,
                k,
                width,
                1.0,
                a_data.as_ptr().wrapping_add(i * a.row_stride),
                a.row_stride as isize,
                a.col_stride as isize,
                b_data.as_ptr().wrapping_add(j * b.col_stride),
                b.row_stride as isize,
                b.col_stride as isize,
                beta,
                c,
                n as isize,
                1,
            );
            if let Some(bias) = bias {
                for row in 0..height {
                    let c = std::slice::from_raw_parts_mut(c.add(row * n), width);
                    c.iter_mut().zip(&bias[j..]).for_each(|(c, &bias)| *c += bias);
                }
            }
        }
    };
    if threads == 1 {
        (0..blocks).for_each(block);
    } else {
        (0..blocks).into_par_iter().for_each(block);
    }
}

/// The operand in the precision in which it is multiplied.
fn rounded(precision: Precision, data: &[f32]) -> Cow<'_, [f32]> {
    match precision {
        Precision::F32 => Cow::Borrowed(data),
        Precision::Bf16 => Cow::Owned(data.iter().map(|&x| bf16::round(x)).collect()),
    }
}

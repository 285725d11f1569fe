//! The kernels against independent values.

mod gemm;

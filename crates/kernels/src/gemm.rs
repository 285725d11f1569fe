//! (gemm)

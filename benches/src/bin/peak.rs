//! Prints what this machine can do at most.

use tercet_kernels::peak;

fn main() {
    for threads in [1, 2] {
        println!(
            "{threads} threads: f32 {:.1} GFLOP/s, bf16 {:.1} GFLOP/s, memory {:.1} GB/s",
            peak::fma_gflops(threads),
            peak::bf16_gflops(threads),
            peak::memory_gb_s(threads),
        );
    }
}

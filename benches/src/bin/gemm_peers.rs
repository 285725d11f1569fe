//! Matrix products beside matrixmultiply and the `gemm` crate, in turn on the same operands: medians, and the share of the measured peak.
//!
//! `cargo run --release -p tercet-benches --features peers --bin gemm_peers -- [threads] [part of a shape's name]`

use std::time::{Duration, Instant};

use tercet_kernels::cpu::{self, Isa};
use tercet_kernels::gemm::{Matrix, Precision, gemm_on};
use tercet_kernels::{Out, peak};

/// Layer products of GPT-2 mini, small and nanoGPT's character model; the vocabulary's; and decoding with a cache.
const SHAPES: &[(&str, &str, usize, usize, usize)] = &[
    ("mini qkv", "NN", 1024, 256, 768),
    ("mini proj", "NN", 1024, 256, 256),
    ("mini fc", "NN", 1024, 256, 1024),
    ("mini fc_proj", "NN", 1024, 1024, 256),
    ("mini dx qkv", "NT", 1024, 768, 256),
    ("mini dx proj", "NT", 1024, 256, 256),
    ("mini dx fc", "NT", 1024, 1024, 256),
    ("mini dx fc_proj", "NT", 1024, 256, 1024),
    ("mini dw qkv", "TN", 256, 1024, 768),
    ("mini dw proj", "TN", 256, 1024, 256),
    ("mini dw fc", "TN", 256, 1024, 1024),
    ("mini dw fc_proj", "TN", 1024, 1024, 256),
    ("mini logits", "NT", 256, 256, 50257),
    ("mini dh", "NN", 256, 50257, 256),
    ("mini dE", "TN", 50257, 256, 256),
    ("small qkv", "NN", 1024, 768, 2304),
    ("small proj", "NN", 1024, 768, 768),
    ("small fc", "NN", 1024, 768, 3072),
    ("small fc_proj", "NN", 1024, 3072, 768),
    ("small dx qkv", "NT", 1024, 2304, 768),
    ("small dw fc", "TN", 768, 1024, 3072),
    ("small dw fc_proj", "TN", 3072, 1024, 768),
    ("small logits", "NT", 256, 768, 50257),
    ("small dh", "NN", 256, 50257, 768),
    ("small dE", "TN", 50257, 256, 768),
    ("char qkv", "NN", 768, 128, 384),
    ("char proj", "NN", 768, 128, 128),
    ("char fc", "NN", 768, 128, 512),
    ("char fc_proj", "NN", 768, 512, 128),
    ("char logits", "NT", 768, 128, 65),
    ("char dw fc", "TN", 128, 768, 512),
    ("decode qkv", "NN", 1, 768, 2304),
    ("decode fc", "NN", 1, 768, 3072),
    ("decode fc_proj", "NN", 1, 3072, 768),
    ("decode logits", "NT", 1, 768, 50257),
    ("decode 4 fc", "NN", 4, 768, 3072),
    ("decode 8 fc", "NN", 8, 768, 3072),
    ("decode 8 logits", "NT", 8, 768, 50257),
];

fn main() {
    let mut args = std::env::args().skip(1);
    let threads = args.next().and_then(|arg| arg.parse().ok()).unwrap_or(2);
    let filter = args.next().unwrap_or_default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
    let peak = peak::fma_gflops(threads);
    println!("{threads} threads, peak {peak:.0} GFLOP/s; GFLOP/s of ours, bf16, matrixmultiply, gemm crate");
    pool.install(|| {
        for &(name, layout, m, k, n) in SHAPES {
            if format!("{name} {layout}").contains(&filter) {
                compare(name, layout, (m, k, n), threads, peak);
            }
        }
    });
}

fn compare(name: &str, layout: &str, (m, k, n): (usize, usize, usize), threads: usize, peak: f64) {
    let (a_data, b_data) = (ramp(m * k), ramp(k * n));
    let a = if layout.starts_with('N') { Matrix::new(&a_data, m, k) } else { Matrix::new(&a_data, k, m).t() };
    let b = if layout.ends_with('N') { Matrix::new(&b_data, k, n) } else { Matrix::new(&b_data, n, k).t() };
    let mut c = vec![0.0f32; m * n];
    // A gradient of weights is accumulated.
    let accumulate = layout == "TN";
    let mut ours = |isa: Isa, precision: Precision| {
        let out = if accumulate { Out::add(&mut c) } else { Out::set(&mut c) };
        gemm_on(isa, precision, a, b, out, None);
    };
    let (a_rs, a_cs) = if layout.starts_with('N') { (k, 1) } else { (1, m) };
    let (b_rs, b_cs) = if layout.ends_with('N') { (n, 1) } else { (1, k) };
    let mut c_peer = vec![0.0f32; m * n];
    let mut peer =
        || peer(&mut c_peer, (m, k, n), (&a_data, a_rs, a_cs), (&b_data, b_rs, b_cs), accumulate, threads);
    let mut times = [const { Vec::new() }; 4];
    let begin = Instant::now();
    while times[0].len() < 5 || begin.elapsed() < Duration::from_millis(600) {
        times[0].push(time(|| ours(cpu::isa(), Precision::F32)));
        times[1].push(time(|| ours(cpu::isa(), Precision::Bf16)));
        times[2].push(time(|| ours(Isa::Portable, Precision::F32)));
        times[3].push(time(&mut peer));
    }
    let work = 2.0 * (m * k * n) as f64 / 1e9;
    let [f32, bf16, mm, gemm] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        work / times[times.len() / 2]
    });
    let bytes = 4.0 * (m * k + k * n + m * n * if accumulate { 2 } else { 1 }) as f64;
    println!(
        "{name:18} {layout} {:>20} {f32:7.1} {bf16:7.1} {mm:7.1} {gemm:7.1}   {:4.0} % of peak, {:5.1} GB/s",
        format!("({m}, {k}, {n})"),
        100.0 * f32 / peak,
        bytes * f32 / work / 1e9,
    );
}

fn ramp(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i % 17) as f32 * 0.1 - 0.8).collect()
}

fn time(mut work: impl FnMut()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

#[allow(unsafe_code)]
fn peer(
    c: &mut [f32],
    (m, k, n): (usize, usize, usize),
    (a, a_rs, a_cs): (&[f32], usize, usize),
    (b, b_rs, b_cs): (&[f32], usize, usize),
    accumulate: bool,
    threads: usize,
) {
    // SAFETY: the strides are those of contiguous matrices of the slices' sizes.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.as_ptr(),
            a_cs as isize,
            a_rs as isize,
            b.as_ptr(),
            b_cs as isize,
            b_rs as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(threads),
        );
    }
}

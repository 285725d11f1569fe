//! The matrix product beside three plain loops and matrixmultiply, in the shapes that the models train and generate with;
//! throughput counts multiplications and additions.
//!
//! `cargo bench -p tercet-benches --bench gemm`

#![allow(missing_docs)] // what the macros of criterion write has none

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tercet_kernels::Out;
use tercet_kernels::cpu::{self, Isa};
use tercet_kernels::gemm::{Matrix, Precision, gemm_on};

/// Name, rows of a, depth, columns of b, and which operands are stored transposed.
type Case = (&'static str, usize, usize, usize, &'static str);

const TRAINING: &[Case] = &[
    ("gpt2 mini qkv", 1024, 256, 768, "NN"),
    ("gpt2 mini dx of qkv", 1024, 768, 256, "NT"),
    ("gpt2 mini dw of qkv", 256, 1024, 768, "TN"),
    ("gpt2 small fc", 1024, 768, 3072, "NN"),
    ("characters fc", 768, 128, 512, "NN"),
];

const VOCABULARY: &[Case] = &[
    ("gpt2 mini logits", 256, 256, 50257, "NT"),
    ("gpt2 mini dh", 256, 50257, 256, "NN"),
    ("gpt2 mini dE", 50257, 256, 256, "TN"),
];

const GENERATION: &[Case] = &[
    ("gpt2 small fc, 1 token", 1, 768, 3072, "NN"),
    ("gpt2 small fc, 8 tokens", 8, 768, 3072, "NN"),
    ("gpt2 small logits, 1 token", 1, 768, 50257, "NT"),
];

struct Buffers {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

impl Buffers {
    fn new(&(_, m, k, n, _): &Case) -> Self {
        let numbers = |len: usize| (0..len).map(|i| (i * 7919 % 1009) as f32 / 500.0 - 1.0).collect();
        Self { a: numbers(m * k), b: numbers(k * n), c: vec![0.0; m * n] }
    }

    fn product(&mut self, &(_, m, k, n, layout): &Case, isa: Isa, precision: Precision) {
        let (a, b) = (
            if layout.starts_with('N') { Matrix::new(&self.a, m, k) } else { Matrix::new(&self.a, k, m).t() },
            if layout.ends_with('N') { Matrix::new(&self.b, k, n) } else { Matrix::new(&self.b, n, k).t() },
        );
        gemm_on(isa, precision, a, b, Out::set(&mut self.c), None);
    }

    /// The same by three plain loops.
    fn naive(&mut self, &(_, m, k, n, layout): &Case) {
        for i in 0..m {
            for j in 0..n {
                let a =
                    |l: usize| if layout.starts_with('N') { self.a[i * k + l] } else { self.a[l * m + i] };
                let b = |l: usize| if layout.ends_with('N') { self.b[l * n + j] } else { self.b[j * k + l] };
                self.c[i * n + j] = (0..k).map(|l| a(l) * b(l)).sum();
            }
        }
    }
}

fn products(criterion: &mut Criterion) {
    for (name, cases) in [("training", TRAINING), ("vocabulary", VOCABULARY), ("generation", GENERATION)] {
        let mut group = criterion.benchmark_group(format!("gemm {name}"));
        group.sample_size(10);
        for case @ &(name, m, k, n, layout) in cases {
            let mut buffers = Buffers::new(case);
            group.throughput(Throughput::Elements(2 * (m * k * n) as u64));
            let label = format!("{name} {layout} ({m}, {k}, {n})");
            for (kernel, isa, precision) in [
                ("f32", cpu::isa(), Precision::F32),
                ("bf16", cpu::isa(), Precision::Bf16),
                ("matrixmultiply", Isa::Portable, Precision::F32),
            ] {
                group.bench_function(BenchmarkId::new(kernel, &label), |bencher| {
                    bencher.iter(|| buffers.product(case, isa, precision));
                });
            }
            // The plain loops need a minute where the others need a blink.
            if m * k * n <= 1 << 26 {
                group.bench_function(BenchmarkId::new("naive", &label), |bencher| {
                    bencher.iter(|| buffers.naive(case));
                });
            }
            black_box(&buffers.c);
        }
        group.finish();
    }
}

criterion_group!(benches, products);
criterion_main!(benches);

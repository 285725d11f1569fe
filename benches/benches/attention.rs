//! Attention beside its plain twin, in the shapes that the models train and generate with; throughput counts the
//! multiplications and additions of the scores that the mask leaves.
//!
//! `cargo bench -p tercet-benches --bench attention`

#![allow(missing_docs)] // what the macros of criterion write has none

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tercet_kernels::attention::{
    Dropout, Grads, Mask, Output, Qkv, Rows, Shape, Span, backward, forward, naive,
};

/// Name, sequences, queries, keys, heads, columns of a head, mask.
type Case = (&'static str, usize, usize, usize, usize, usize, Mask);

const TRAINING: &[Case] = &[
    ("gpt2 mini 8x128", 8, 128, 128, 4, 64, Mask::Causal),
    ("gpt2 small 4x256", 4, 256, 256, 12, 64, Mask::Causal),
    ("gpt2 small 1x1024", 1, 1024, 1024, 12, 64, Mask::Causal),
    ("characters 12x64", 12, 64, 64, 4, 32, Mask::Causal),
    ("bert base 8x128", 8, 128, 128, 12, 64, Mask::Full),
    ("t5 cross 2x(114, 512)", 2, 114, 512, 8, 64, Mask::Full),
];

const GENERATION: &[Case] = &[
    ("gpt2 small 1x(1, 256)", 1, 1, 256, 12, 64, Mask::Causal),
    ("gpt2 small 8x(1, 1024)", 8, 1, 1024, 12, 64, Mask::Causal),
];

/// Buffers of one case: queries, keys with values, and what comes out.
struct Buffers {
    spans: Vec<Span>,
    q: Vec<f32>,
    kv: Vec<f32>,
    y: Vec<f32>,
    lse: Vec<f32>,
}

impl Buffers {
    fn new(&(_, n, tq, tk, heads, dim, _): &Case) -> Self {
        let span = |i| Span { q: i * tq..(i + 1) * tq, kv: i * tk..(i + 1) * tk };
        let numbers = |rows: usize| (0..rows * heads * dim).map(|i| (i * 7919 % 1009) as f32 / 500.0 - 1.0);
        Self {
            spans: (0..n).map(span).collect(),
            q: numbers(n * tq).collect(),
            kv: numbers(2 * n * tk).collect(),
            y: vec![0.0; n * tq * heads * dim],
            lse: vec![0.0; n * tq * heads],
        }
    }
}

fn qkv<'a>(q: &'a [f32], kv: &'a [f32], width: usize) -> Qkv<'a> {
    let part = |offset| Rows { data: kv, stride: 2 * width, offset };
    Qkv { q: Rows::contiguous(q, width), k: part(0), v: part(width) }
}

/// Multiplications and additions of one product of the scores, in each head and sequence.
fn flops(&(_, n, tq, tk, heads, dim, mask): &Case) -> u64 {
    let seen = |i: usize| if mask == Mask::Causal { i + 1 + tk - tq } else { tk };
    (2 * n * heads * dim * (0..tq).map(seen).sum::<usize>()) as u64
}

fn forwards(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attention forward");
    group.sample_size(20);
    for case in TRAINING.iter().chain(GENERATION) {
        let &(name, .., heads, dim, mask) = case;
        let shape = Shape { mask, ..Shape::new(heads, dim) };
        let Buffers { spans, q, kv, mut y, mut lse } = Buffers::new(case);
        let qkv = qkv(&q, &kv, heads * dim);
        group.throughput(Throughput::Elements(2 * flops(case)));
        group.bench_function(BenchmarkId::new("tiled", name), |bencher| {
            bencher.iter(|| forward(&shape, &spans, black_box(qkv), &mut y, &mut lse));
        });
        group.bench_function(BenchmarkId::new("plain", name), |bencher| {
            bencher.iter(|| naive::forward(&shape, &spans, black_box(qkv), &mut y, &mut lse));
        });
    }
}

fn backwards(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attention backward");
    group.sample_size(20);
    for case in TRAINING {
        let &(name, .., heads, dim, mask) = case;
        let Buffers { spans, q, kv, mut y, mut lse } = Buffers::new(case);
        let width = heads * dim;
        let qkv = qkv(&q, &kv, width);
        let dy = q.clone();
        let mut grads = vec![0.0; 3 * width * (q.len().max(kv.len() / 2) / width)];
        group.throughput(Throughput::Elements(5 * flops(case)));
        for (kind, dropout) in [("tiled", None), ("tiled, dropout 0.1", Some(Dropout { seed: 1, p: 0.1 }))] {
            let shape = Shape { mask, dropout, ..Shape::new(heads, dim) };
            forward(&shape, &spans, qkv, &mut y, &mut lse);
            let output = Output { y: &y, lse: &lse };
            group.bench_function(BenchmarkId::new(kind, name), |bencher| {
                bencher.iter(|| {
                    let grads = Grads::fused(&mut grads, width);
                    backward(&shape, &spans, black_box(qkv), output, &dy, grads, None);
                });
            });
        }
        let shape = Shape { mask, ..Shape::new(heads, dim) };
        forward(&shape, &spans, qkv, &mut y, &mut lse);
        let output = Output { y: &y, lse: &lse };
        group.bench_function(BenchmarkId::new("plain", name), |bencher| {
            bencher.iter(|| {
                let mut grads = Grads::fused(&mut grads, width);
                naive::backward(&shape, &spans, black_box(qkv), output, &dy, &mut grads, None);
            });
        });
    }
}

criterion_group!(benches, forwards, backwards);
criterion_main!(benches);

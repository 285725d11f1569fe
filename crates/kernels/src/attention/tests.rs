//! The plain loops against finite differences, the fast kernels against the plain loops.

use super::*;
use crate::gemm::Precision;

/// Uniform numbers in [-1, 1) from a counter.
fn noise(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 30) as f64 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn spans() -> Vec<Span> {
    vec![
        Span { q: 0..3, kv: 2..7 },
        Span { q: 3..3, kv: 0..2 },
        Span { q: 4..5, kv: 7..8 },
        Span { q: 5..9, kv: 8..12 },
        Span { q: 9..12, kv: 12..14 },
        Span { q: 12..13, kv: 14..14 },
    ]
}

fn shapes(table: &[f64]) -> Vec<Shape<'_, f64>> {
    let bias = Some(Bias { table, max_distance: 2 });
    let dropout = Some(Dropout { seed: 7, p: 0.3 });
    let precision = Precision::F32;
    let plain =
        Shape { heads: 2, head_dim: 3, scale: 0.7, mask: Mask::Full, dropout: None, bias: None, precision };
    vec![
        plain,
        Shape { mask: Mask::Causal, ..plain },
        Shape { bias, ..plain },
        Shape { mask: Mask::Causal, bias, dropout, ..plain },
    ]
}

#[test]
fn plain_gradients_are_finite_differences() {
    let (n_q, n_kv, width) = (13, 14, 6);
    let (q, k, v) = (noise(1, n_q * width), noise(2, n_kv * width), noise(3, n_kv * width));
    let (dy, table) = (noise(4, n_q * width), noise(5, 2 * 5));
    for shape in shapes(&table) {
        let loss = |parts: &[Vec<f64>; 4]| -> f64 {
            let [q, k, v, table] = parts;
            let shape = Shape { bias: shape.bias.map(|b| Bias { table, ..b }), ..shape };
            let qkv = Qkv {
                q: Rows::contiguous(q, width),
                k: Rows::contiguous(k, width),
                v: Rows::contiguous(v, width),
            };
            let (mut y, mut lse) = (vec![0.0; n_q * width], vec![0.0; 2 * n_q]);
            naive::forward(&shape, &spans(), qkv, &mut y, &mut lse);
            y.iter().zip(&dy).map(|(y, dy)| y * dy).sum()
        };
        let parts = [q.clone(), k.clone(), v.clone(), table.clone()];
        let qkv = Qkv {
            q: Rows::contiguous(&q, width),
            k: Rows::contiguous(&k, width),
            v: Rows::contiguous(&v, width),
        };
        let (mut y, mut lse) = (vec![0.0; n_q * width], vec![0.0; 2 * n_q]);
        naive::forward(&shape, &spans(), qkv, &mut y, &mut lse);
        let mut found = parts.clone().map(|part| vec![f64::NAN; part.len()]);
        found[3].fill(0.0);
        let [dq, dk, dv, dbias] = &mut found;
        let mut grads = Grads::Separate {
            dq: RowsMut::contiguous(dq, width),
            dk: RowsMut::contiguous(dk, width),
            dv: RowsMut::contiguous(dv, width),
        };
        let dbias = shape.bias.map(|_| &mut dbias[..]);
        naive::backward(&shape, &spans(), qkv, Output { y: &y, lse: &lse }, &dy, &mut grads, dbias);
        for part in 0..4 {
            for i in 0..parts[part].len() {
                let h = 1e-5;
                let (mut up, mut down) = (parts.clone(), parts.clone());
                up[part][i] += h;
                down[part][i] -= h;
                let wanted = (loss(&up) - loss(&down)) / (2.0 * h);
                let found = found[part][i];
                assert!((found - wanted).abs() < 1e-8, "part {part}, {i}: {found} for {wanted}, {shape:?}");
            }
        }
    }
}

/// One batch with everything random, in f64, and its results from the plain loops.
struct Case {
    shape: Shape<'static, f64>,
    table: Vec<f64>,
    spans: Vec<Span>,
    n_q: usize,
    n_kv: usize,
    /// q, k, v and dy.
    data: [Vec<f64>; 4],
}

struct Results {
    y: Vec<f64>,
    lse: Vec<f64>,
    grads: [Vec<f64>; 3],
    dbias: Vec<f64>,
}

impl Case {
    fn new(heads: usize, head_dim: usize, mask: Mask, lengths: &[(usize, usize)]) -> Self {
        let (mut n_q, mut n_kv, mut spans) = (0, 0, Vec::new());
        for &(tq, tk) in lengths {
            spans.push(Span { q: n_q..n_q + tq, kv: n_kv..n_kv + tk });
            (n_q, n_kv) = (n_q + tq, n_kv + tk);
        }
        let width = heads * head_dim;
        let scale = 2.0 / (head_dim as f64).sqrt();
        let precision = Precision::F32;
        let shape = Shape { heads, head_dim, scale, mask, dropout: None, bias: None, precision };
        let data = [(1, n_q), (2, n_kv), (3, n_kv), (4, n_q)].map(|(seed, n)| round(noise(seed, n * width)));
        Self { shape, table: Vec::new(), spans, n_q, n_kv, data }
    }

    fn dropout(self, p: f32) -> Self {
        Self { shape: Shape { dropout: Some(Dropout { seed: 99, p }), ..self.shape }, ..self }
    }

    fn bias(self, max_distance: usize) -> Self {
        let table = round(noise(6, self.shape.heads * (2 * max_distance + 1)));
        Self { table, ..self }
    }

    fn width(&self) -> usize {
        self.shape.width()
    }

    fn plain(&self) -> Results {
        let width = self.width();
        let [q, k, v, dy] = &self.data;
        let qkv = Qkv {
            q: Rows::contiguous(q, width),
            k: Rows::contiguous(k, width),
            v: Rows::contiguous(v, width),
        };
        let shape = Shape { bias: self.bias_over(&self.table), ..self.shape };
        let (mut y, mut lse) = (vec![0.0; q.len()], vec![0.0; self.shape.heads * self.n_q]);
        naive::forward(&shape, &self.spans, qkv, &mut y, &mut lse);
        let mut grads = [q, k, v].map(|x| vec![f64::NAN; x.len()]);
        let mut dbias = vec![0.0; self.table.len()];
        let [dq, dk, dv] = &mut grads;
        let mut to = Grads::Separate {
            dq: RowsMut::contiguous(dq, width),
            dk: RowsMut::contiguous(dk, width),
            dv: RowsMut::contiguous(dv, width),
        };
        let output = Output { y: &y, lse: &lse };
        let wanted = shape.bias.map(|_| &mut dbias[..]);
        naive::backward(&shape, &self.spans, qkv, output, dy, &mut to, wanted);
        Results { y, lse, grads, dbias }
    }

    fn bias_over<'a, T>(&self, table: &'a [T]) -> Option<Bias<'a, T>> {
        let max_distance = (table.len() / self.shape.heads).saturating_sub(1) / 2;
        (!table.is_empty()).then_some(Bias { table, max_distance })
    }

    /// The fast kernels, with queries, keys and values in one fused buffer.
    fn fast(&self, isa: Isa) -> Results {
        let (width, n) = (self.width(), self.n_q.max(self.n_kv));
        let mut fused = vec![f32::NAN; n * 3 * width];
        for (part, data) in self.data[..3].iter().enumerate() {
            for (row, data) in data.chunks(width).enumerate() {
                let to = &mut fused[row * 3 * width + part * width..][..width];
                to.iter_mut().zip(data).for_each(|(to, &x)| *to = x as f32);
            }
        }
        let table = narrow(&self.table);
        let dy = narrow(&self.data[3]);
        let Shape { heads, head_dim, scale, mask, dropout, precision, .. } = self.shape;
        let (scale, bias) = (scale as f32, self.bias_over(&table));
        let shape = Shape { heads, head_dim, scale, mask, dropout, bias, precision };
        let qkv = Qkv::fused(&fused, width);
        let (mut y, mut lse) = (vec![f32::NAN; dy.len()], vec![f32::NAN; heads * self.n_q]);
        forward_with(isa, &shape, &self.spans, qkv, &mut y, &mut lse);
        let (mut grads, mut dbias) = (vec![0.0; fused.len()], vec![1.0; table.len()]);
        for row in 0..n {
            let row_grads = &mut grads[row * 3 * width..][..3 * width];
            row_grads[..width].fill(if row < self.n_q { f32::NAN } else { 0.0 });
            row_grads[width..].fill(if row < self.n_kv { f32::NAN } else { 0.0 });
        }
        let output = Output { y: &y, lse: &lse };
        let to = Grads::fused(&mut grads, width);
        let wanted = shape.bias.map(|_| Out::add(&mut dbias));
        backward_with(isa, &shape, &self.spans, qkv, output, &dy, to, wanted);
        let part = |part: usize, rows: usize| {
            let rows = grads.chunks(3 * width).take(rows);
            rows.flat_map(|row| &row[part * width..][..width]).map(|&x| f64::from(x)).collect()
        };
        Results {
            y: widen(&y),
            lse: widen(&lse),
            grads: [part(0, self.n_q), part(1, self.n_kv), part(2, self.n_kv)],
            dbias: dbias.iter().map(|&x| f64::from(x) - 1.0).collect(),
        }
    }

    fn check(&self) {
        let wanted = self.plain();
        for isa in Isa::available() {
            let found = self.fast(isa);
            let what = |name| format!("{name} on {isa:?}, {:?} {:?}", self.shape, self.spans);
            close(&found.y, &wanted.y, 3e-6, &what("y"));
            close(&found.lse, &wanted.lse, 1e-6, &what("lse"));
            for ((found, wanted), name) in found.grads.iter().zip(&wanted.grads).zip(["dq", "dk", "dv"]) {
                close(found, wanted, 1e-5, &what(name));
            }
            close(&found.dbias, &wanted.dbias, 1e-5, &what("dbias"));
        }
    }
}

/// Numbers that f32 holds exactly, so that both kernels start from the same.
fn round(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|x| f64::from(x as f32)).collect()
}

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Asserts that each number is within `tolerance` of the largest one's size.
fn close(found: &[f64], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let size = wanted.iter().filter(|x| x.is_finite()).fold(1.0, |a: f64, b| a.max(b.abs()));
    for (i, (&f, &w)) in found.iter().zip(wanted).enumerate() {
        assert!(f == w || (f - w).abs() <= tolerance * size, "{what}: {f} for {w} at {i}");
    }
}

#[test]
fn fast_kernels_agree_with_plain_loops_on_ragged_batches() {
    let lengths = [(5, 5), (0, 0), (1, 1), (33, 33), (16, 16), (17, 17), (0, 3), (70, 70), (4, 0)];
    for head_dim in [1, 3, 8, 9, 12, 16, 24, 64, 80] {
        for mask in [Mask::Full, Mask::Causal] {
            Case::new(2, head_dim, mask, &lengths).check();
        }
    }
}

#[test]
fn fast_kernels_agree_when_queries_and_keys_differ_in_number() {
    let lengths = [(3, 40), (40, 3), (1, 200), (130, 65), (65, 130), (7, 0), (35, 34)];
    for head_dim in [9, 16, 32] {
        for mask in [Mask::Full, Mask::Causal] {
            Case::new(3, head_dim, mask, &lengths).check();
            Case::new(3, head_dim, mask, &lengths).bias(40).dropout(0.25).check();
        }
    }
}

#[test]
fn fast_kernels_agree_over_several_tiles_and_tasks() {
    for mask in [Mask::Full, Mask::Causal] {
        Case::new(1, 16, mask, &[(300, 300), (270, 290)]).dropout(0.1).bias(128).check();
    }
}

#[test]
fn few_queries_agree_with_plain_loops() {
    let lengths = [(1, 300), (1, 1), (2, 33), (4, 16), (3, 1), (1, 0), (1, 47)];
    for head_dim in [3, 8, 24, 64, 112] {
        for mask in [Mask::Full, Mask::Causal] {
            Case::new(2, head_dim, mask, &lengths).check();
            Case::new(2, head_dim, mask, &lengths).bias(20).dropout(0.4).check();
        }
    }
}

/// Bits, so that even zeros of another sign would differ.
fn bits(results: &Results) -> Vec<u64> {
    let Results { y, lse, grads, dbias } = results;
    [y, lse, dbias].into_iter().chain(grads).flatten().map(|x| x.to_bits()).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let lengths = [(300, 300), (1, 400), (64, 64), (130, 17)];
    let case = Case::new(4, 32, Mask::Causal, &lengths).bias(30).dropout(0.2);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        bits(&pool.install(|| case.fast(cpu::isa())))
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(7));
}

#[test]
fn packed_sequences_give_the_same_bits_as_one_by_one() {
    let lengths = [(70, 70), (1, 1), (33, 60), (2, 90)];
    let case = Case::new(2, 24, Mask::Causal, &lengths).bias(30).dropout(0.2);
    let packed = case.fast(cpu::isa());
    let width = case.width();
    for span in &case.spans {
        let alone =
            Case { spans: vec![span.clone()], table: case.table.clone(), data: case.data.clone(), ..case };
        let alone = alone.fast(cpu::isa());
        let q = span.q.start * width..span.q.end * width;
        let kv = span.kv.start * width..span.kv.end * width;
        assert_eq!(alone.y[q.clone()], packed.y[q.clone()]);
        assert_eq!(alone.grads[0][q.clone()], packed.grads[0][q]);
        for part in [1, 2] {
            assert_eq!(alone.grads[part][kv.clone()], packed.grads[part][kv.clone()]);
        }
    }
}

#[test]
fn rows_in_no_span_get_zeros() {
    let mut case = Case::new(2, 16, Mask::Full, &[(20, 20), (30, 30), (10, 10)]);
    case.spans.remove(1);
    case.check();
    let found = case.fast(cpu::isa());
    let middle = 20 * case.width()..50 * case.width();
    assert!(found.y[middle.clone()].iter().all(|&y| y == 0.0));
    assert!(found.grads.iter().all(|grad| grad[middle.clone()].iter().all(|&x| x == 0.0)));
}

#[test]
fn separate_buffers_give_the_same_bits_as_a_fused_one() {
    let case = Case::new(3, 20, Mask::Causal, &[(40, 40), (9, 9)]).dropout(0.1);
    let fused = case.fast(cpu::isa());
    let width = case.width();
    let [q, k, v, dy] = case.data.each_ref().map(|x| narrow(x));
    let qkv = Qkv {
        q: Rows::contiguous(&q, width),
        k: Rows::contiguous(&k, width),
        v: Rows::contiguous(&v, width),
    };
    let Shape { heads, head_dim, scale, mask, dropout, precision, .. } = case.shape;
    let shape = Shape { heads, head_dim, scale: scale as f32, mask, dropout, bias: None, precision };
    let (mut y, mut lse) = (vec![0.0; q.len()], vec![0.0; heads * case.n_q]);
    forward(&shape, &case.spans, qkv, &mut y, &mut lse);
    let mut grads = [&q, &k, &v].map(|x| vec![f32::NAN; x.len()]);
    let [dq, dk, dv] = &mut grads;
    let to = Grads::Separate {
        dq: RowsMut::contiguous(dq, width),
        dk: RowsMut::contiguous(dk, width),
        dv: RowsMut::contiguous(dv, width),
    };
    backward(&shape, &case.spans, qkv, Output { y: &y, lse: &lse }, &dy, to, None);
    assert_eq!(widen(&y), fused.y);
    assert_eq!(grads.map(|grad| widen(&grad)), fused.grads);
}

#[test]
fn large_logits_neither_overflow_nor_lose_the_maximum() {
    for scale in [100.0, 1e4, 1e6] {
        let mut case = Case::new(1, 16, Mask::Causal, &[(50, 50), (2, 40)]);
        case.shape.scale = scale;
        let wanted = case.plain();
        for isa in Isa::available() {
            let found = case.fast(isa);
            assert!(
                found.y.iter().chain(&found.lse).chain(found.grads.iter().flatten()).all(|x| x.is_finite())
            );
            close(&found.lse, &wanted.lse, 1e-6, "lse");
        }
    }
}

#[test]
fn probabilities_are_rows_that_sum_to_one_and_give_the_output() {
    let case = Case::new(2, 12, Mask::Causal, &[(6, 9)]);
    let width = case.width();
    let [q, k, v, _] = case.data.each_ref().map(|x| narrow(x));
    let shape = Shape { mask: Mask::Causal, ..Shape::new(2, 12) };
    let rows = |x| Rows::contiguous(x, width);
    let p = probabilities(&shape, &case.spans[0], rows(&q), rows(&k));
    let (mut y, mut lse) = (vec![0.0; q.len()], vec![0.0; 12]);
    forward(&shape, &case.spans, Qkv { q: rows(&q), k: rows(&k), v: rows(&v) }, &mut y, &mut lse);
    for (row, p) in p.chunks(9).enumerate() {
        let (head, i) = (row / 6, row % 6);
        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(p[i + 4..].iter().all(|&p| p == 0.0), "query {i} sees key {}", i + 4);
        let wanted: f32 = p.iter().enumerate().map(|(j, p)| p * v[j * width + head * 12 + 5]).sum();
        assert!((y[i * width + head * 12 + 5] - wanted).abs() < 1e-6);
    }
}

#[test]
fn dropout_keeps_its_share_independently() {
    let (p, n) = (0.1, 512);
    let dropout = Dropout { seed: 42, p };
    let kept = |seed: u64, head: usize, q: usize, kv: usize| Dropout { seed, ..dropout }.keep(head, q, kv);
    let pairs = || (0..n).flat_map(|q| (0..n).map(move |kv| (q, kv)));
    let total = (n * n) as f64;
    let share = |count: usize| count as f64 / total;
    // Five standard deviations of a binomial share.
    let near =
        |share: f64, wanted: f64| (share - wanted).abs() < 5.0 * (wanted * (1.0 - wanted) / total).sqrt();
    let dropped = |q, kv| !kept(42, 3, q, kv);
    assert!(near(share(pairs().filter(|&(q, kv)| dropped(q, kv)).count()), 0.1));
    type Other<'a> = &'a dyn Fn(usize, usize) -> bool;
    let others: [(&str, Other); 5] = [
        ("the next key", &|q, kv| !kept(42, 3, q, kv + 1)),
        ("the next query", &|q, kv| !kept(42, 3, q + 1, kv)),
        ("the transposed pair", &|q, kv| !kept(42, 3, kv + n, q + n)),
        ("the next head", &|q, kv| !kept(42, 4, q, kv)),
        ("the next seed", &|q, kv| !kept(43, 3, q, kv)),
    ];
    for (name, other) in others {
        let both = share(pairs().filter(|&(q, kv)| dropped(q, kv) && other(q, kv)).count());
        assert!(near(both, 0.01), "dropped together with {name}: {both}");
    }
    for q in 0..8 {
        let row = (0..n).filter(|&kv| dropped(q, kv)).count() as f64 / n as f64;
        assert!((row - 0.1).abs() < 0.07, "row {q} drops {row}");
    }
}

#[test]
#[should_panic(expected = "overlap")]
fn spans_that_share_a_query_row_are_refused() {
    let mut case = Case::new(1, 4, Mask::Full, &[(5, 5), (5, 5)]);
    case.spans[1].q.start = 4;
    case.fast(cpu::isa());
}

#[test]
#[should_panic(expected = "rows wanted")]
fn spans_beyond_the_buffer_are_refused() {
    let mut case = Case::new(1, 4, Mask::Full, &[(5, 5)]);
    case.spans[0].kv.end = 6;
    case.fast(cpu::isa());
}

#[test]
#[should_panic(expected = "overlap")]
fn fused_gradients_with_shared_columns_are_refused() {
    let case = Case::new(1, 4, Mask::Full, &[(2, 2)]);
    let x = vec![0.0; 2 * 12];
    let (mut y, mut lse, mut grads) = (vec![0.0; 8], vec![0.0; 2], vec![0.0; 24]);
    let shape = Shape::new(1, 4);
    forward(&shape, &case.spans, Qkv::fused(&x, 4), &mut y, &mut lse);
    let to = Grads::Fused { data: &mut grads, stride: 12, offsets: [0, 3, 8] };
    backward(&shape, &case.spans, Qkv::fused(&x, 4), Output { y: &y, lse: &lse }, &y, to, None);
}

/// The largest difference, as a share of the largest number.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert!(found.len() == expected.len() && found.iter().chain(expected).all(|x| x.is_finite()));
    let largest = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    found.iter().zip(expected).fold(0.0f64, |most, (f, e)| most.max((f - e).abs())) / largest
}

#[test]
fn products_of_bf16_lie_near_those_of_f32_and_near_each_other_on_every_instruction_set() {
    let lengths = [(40, 40), (1, 1), (7, 133), (33, 65)];
    for (head_dim, mask) in [(64, Mask::Full), (64, Mask::Causal), (24, Mask::Full), (5, Mask::Causal)] {
        let case = Case::new(2, head_dim, mask, &lengths).dropout(0.1);
        let shape = Shape { precision: Precision::Bf16, ..case.shape };
        let rounding = Case { shape, ..Case::new(2, head_dim, mask, &lengths) };
        let parts = |results: &Results| {
            let [dq, dk, dv] = results.grads.clone();
            [results.y.clone(), dq, dk, dv]
        };
        let exact = parts(&case.plain());
        let best = parts(&rounding.fast(cpu::isa()));
        for isa in Isa::available() {
            for (part, (found, (best, exact))) in
                parts(&rounding.fast(isa)).iter().zip(best.iter().zip(&exact)).enumerate()
            {
                let (from_exact, from_best) = (distance(found, exact), distance(found, best));
                let what = format!(
                    "{isa:?}, heads of {head_dim}, {mask:?}, part {part}: {from_exact} and {from_best}"
                );
                // Operands keep eight bits: each is off by 2⁻⁹ of itself at most, sums of many by less of the whole.
                assert!(from_exact < 2e-2 && from_exact > 1e-5, "{what}");
                // A probability that is a bit larger may round up where the other rounds down.
                assert!(from_best < 4e-3, "{what}");
            }
        }
    }
}

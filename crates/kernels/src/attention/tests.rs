//! The plain loops against finite differences, the fast kernels against the plain loops.

use super::*;

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
    let plain = Shape { heads: 2, head_dim: 3, scale: 0.7, mask: Mask::Full, dropout: None, bias: None };
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

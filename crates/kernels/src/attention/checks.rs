//! The checks that make reading and writing through strided rows sound.

use super::rows::{Grads, Output, Qkv};
use super::shape::{Dropout, Shape, Span};
use std::ops::Range;

/// Asserts what the forward relies on: the spans lie in the buffers, and no two of them write the same row.
pub(super) fn check_forward<T>(shape: &Shape<T>, spans: &[Span], qkv: &Qkv<T>, y: usize, lse: usize) {
    check_shape(shape);
    check_reads(spans, qkv, shape.width());
    check_disjoint("query", spans, |s| &s.q);
    let (n_q, heads, width) = (lse / shape.heads, shape.heads, shape.width());
    assert!(
        lse == n_q * heads && y == n_q * width && rows_needed(spans, |s| &s.q) <= n_q,
        "attention: y has {y} numbers and lse {lse}; (N, {width}) and ({heads}, N) wanted, N at least {}",
        rows_needed(spans, |s| &s.q)
    );
}

/// Asserts what the backward relies on; as [`check_forward`], for keys and values too.
pub(super) fn check_backward<T>(
    shape: &Shape<T>,
    spans: &[Span],
    qkv: &Qkv<T>,
    output: &Output<T>,
    dy: &[T],
    grads: &Grads<T>,
    dbias: Option<&[T]>,
) {
    check_forward(shape, spans, qkv, output.y.len(), output.lse.len());
    check_disjoint("key", spans, |s| &s.kv);
    assert!(dy.len() == output.y.len(), "attention: dy has {} numbers, y {}", dy.len(), output.y.len());
    check_grads(spans, grads, shape.width());
    if let Some(dbias) = dbias {
        let table = shape.bias.as_ref().map_or(0, |bias| bias.table.len());
        assert!(dbias.len() == table, "attention: dbias has {} numbers, the bias table {table}", dbias.len());
    }
}

/// Asserts that the rows of `spans` can be read, `width` wide.
pub(super) fn check_reads<T>(spans: &[Span], qkv: &Qkv<T>, width: usize) {
    let (n_q, n_kv) = (rows_needed(spans, |s| &s.q), rows_needed(spans, |s| &s.kv));
    for (name, rows, wanted) in [("q", &qkv.q, n_q), ("k", &qkv.k, n_kv), ("v", &qkv.v, n_kv)] {
        check_rows(name, rows.data.len(), rows.stride, rows.offset, wanted, width);
    }
}

/// Asserts that there are heads, and that bias and dropout can be meant.
pub(super) fn check_shape<T>(shape: &Shape<T>) {
    let Shape { heads, head_dim, bias, dropout, .. } = shape;
    assert!(*heads > 0 && *head_dim > 0, "attention: {heads} heads of {head_dim} columns");
    if let Some(bias) = bias {
        let (found, columns) = (bias.table.len(), bias.width());
        assert!(
            found == heads * columns,
            "attention: bias table of {found} numbers, ({heads}, {columns}) wanted"
        );
    }
    if let Some(Dropout { p, .. }) = dropout {
        assert!((0.0..1.0).contains(p), "attention: dropout p = {p} is not in [0, 1)");
    }
}

fn check_grads<T>(spans: &[Span], grads: &Grads<T>, width: usize) {
    let (n_q, n_kv) = (rows_needed(spans, |s| &s.q), rows_needed(spans, |s| &s.kv));
    for (part, name, rows) in [(0, "dq", n_q), (1, "dk", n_kv), (2, "dv", n_kv)] {
        let (len, stride, offset) = grads.layout(part);
        check_rows(name, len, stride, offset, rows, width);
    }
    if let Grads::Fused { offsets, .. } = grads {
        let mut sorted = *offsets;
        sorted.sort_unstable();
        assert!(
            sorted[0] + width <= sorted[1] && sorted[1] + width <= sorted[2],
            "attention: gradient columns at {offsets:?}, each {width} wide, overlap"
        );
    }
}

fn check_disjoint(name: &str, spans: &[Span], side: impl Fn(&Span) -> &Range<usize>) {
    let mut ranges: Vec<_> = spans.iter().map(side).filter(|r| !r.is_empty()).collect();
    ranges.sort_unstable_by_key(|r| r.start);
    for pair in ranges.windows(2) {
        assert!(
            pair[0].end <= pair[1].start,
            "attention: {name} rows {:?} and {:?} overlap",
            pair[0],
            pair[1]
        );
    }
}

fn rows_needed(spans: &[Span], side: impl Fn(&Span) -> &Range<usize>) -> usize {
    spans.iter().map(|s| side(s).end).max().unwrap_or(0)
}

fn check_rows(name: &str, len: usize, stride: usize, offset: usize, rows: usize, width: usize) {
    assert!(
        offset + width <= stride && (rows == 0 || (rows - 1) * stride + offset + width <= len),
        "attention: {name} has {len} numbers, stride {stride}, offset {offset}; ({rows}, {width}) rows wanted"
    );
}

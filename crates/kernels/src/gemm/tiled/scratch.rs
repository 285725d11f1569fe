//! Memory for packed operands.

use std::cell::Cell;

/// A cache line, at which packed operands start.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read through pointers alone")] [f32; LINE]);

const LINE: usize = 16;

thread_local! {
    /// Buffers that the products of this thread have used and the next will use again.
    static KEPT: Cell<Vec<Vec<Line>>> = const { Cell::new(Vec::new()) };
}

/// A buffer that its thread keeps from product to product.
pub(super) struct Scratch(Vec<Line>);

impl Scratch {
    /// At least `floats` elements of any value.
    pub fn take(floats: usize) -> Self {
        let mut kept = KEPT.take();
        let mut lines = kept.pop().unwrap_or_default();
        KEPT.set(kept);
        let needed = floats.div_ceil(LINE);
        if lines.len() < needed {
            lines.resize(needed, Line([0.0; LINE]));
        }
        Self(lines)
    }

    pub fn pointer(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut kept = KEPT.take();
        kept.push(std::mem::take(&mut self.0));
        KEPT.set(kept);
    }
}

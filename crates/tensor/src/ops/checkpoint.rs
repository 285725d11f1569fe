use crate::op::{Op, Wrt};
use crate::tape::Tape;
use crate::tensor::Tensor;
use crate::value::Value;

/// `block(x)`, whose intermediate values are forgotten and computed again in the backward pass: one block's
/// activations exist at a time, for a third more arithmetic (Chen et al. 2016).
///
/// `block` runs on an unrecorded tape first and on a recording one later, with the same dropout masks.
pub fn checkpoint(x: &Tensor, block: impl Fn(&Tensor) -> Tensor + Send + 'static) -> Tensor {
    let tape = x.tape();
    if !tape.records() {
        return block(x);
    }
    let inner = tape.unrecorded();
    let drawn = inner.drawn();
    let y = block(&inner.constant_value(x.value().clone()));
    tape.advance_dropout(inner.drawn());
    let op = Checkpoint { x: x.value().clone(), tape: inner, drawn, block: Box::new(block) };
    tape.record_always(&[x], y.value().clone(), op)
}

struct Checkpoint {
    x: Value,
    /// The unrecorded tape of the forward; the outer tape would hold itself.
    tape: Tape,
    /// Position in the dropout stream when the block began.
    drawn: u64,
    block: Box<dyn Fn(&Tensor) -> Tensor + Send>,
}

impl Op for Checkpoint {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        let tape = self.tape.recording_from(self.drawn);
        let x = tape.variable_value(self.x.clone());
        let y = (self.block)(&x);
        let variables = wrt.replay(&tape, &y, dy);
        if let Some(Some(dx)) = variables.into_iter().next()
            && wrt.wants(0)
        {
            wrt.pass(0, &dx);
        }
    }
}

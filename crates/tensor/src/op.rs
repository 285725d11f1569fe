use std::ops::Range;
use std::sync::Arc;

use tercet_kernels::{Accum, Out, elementwise};

use crate::buffer::{Buffer, Pool};
use crate::params::{GradBuffer, Params};
use crate::profile::{Part, Work};
use crate::tape::{Node, Tape};
use crate::tensor::{Source, Tensor};
use crate::value::Value;

/// The backward half of an operation: from the gradient of its output to the gradients of its inputs.
///
/// [`Tape::record`] is the only way to make a tensor that is tracked, and it asks for one of these, so there is no
/// operation that silently stops a gradient.
pub trait Op: Send + 'static {
    /// What a profile or a message calls this operation.
    fn name(&self) -> &'static str;

    /// Adds to the gradient of every input that wants one. `dy` has the shape of the output.
    ///
    /// Called once; the operation and all that it kept are dropped right after, so that their buffers serve the rest
    /// of the backward pass.
    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>);

    /// What one half of this operation has to do, for a profile; `moved` are the bytes of its inputs and its output, and
    /// of their gradients in the backward half.
    fn work(&self, _part: Part, moved: u64) -> Work {
        Work { flops: 0, bytes: moved }
    }
}

/// The gradients *with respect to* the inputs of one operation, in the order given to [`Tape::record`].
pub struct Wrt<'a> {
    inputs: &'a [Source],
    nodes: &'a mut [NodeGrad],
    stores: &'a mut Stores,
    pool: &'a Pool,
}

/// The gradient of a node's output while the backward pass is on its way to it.
pub(crate) struct NodeGrad {
    pub len: usize,
    pub grad: Option<Arc<Buffer>>,
}

/// The gradient buffers of the parameter sets a pass touches, taken out of them for its duration.
#[derive(Default)]
pub(crate) struct Stores(Vec<(Params, GradBuffer)>);

impl Stores {
    fn of(&mut self, params: &Params) -> &mut GradBuffer {
        let at = match self.0.iter().position(|(p, _)| p.same_as(params)) {
            Some(at) => at,
            None => {
                self.0.push((params.clone(), params.take_grads()));
                self.0.len() - 1
            }
        };
        &mut self.0[at].1
    }

    /// Puts every gradient buffer back where it came from.
    pub fn give_back(self) {
        for (params, grads) in self.0 {
            params.put_grads(grads);
        }
    }
}

/// Where the gradient of one input is accumulated during [`Wrt::update`].
enum Slot {
    /// The input needs no gradient.
    Unwanted,
    /// The output of an earlier node; the buffer is out of the table meanwhile.
    Node { node: usize, grad: Buffer, accum: Accum },
    /// A parameter's range of the flat gradient.
    Param { params: Params, index: usize, range: Range<usize>, accum: Accum },
    /// The input appears twice in this call; its second share is added afterwards.
    Again { of: usize, grad: Buffer },
}

impl Wrt<'_> {
    /// Whether input `i` needs a gradient. Work for one that does not can be left out; an optional input that was not
    /// given, at the end of the list, needs none.
    pub fn wants(&self, i: usize) -> bool {
        match self.inputs.get(i) {
            None | Some(Source::Constant) => false,
            Some(Source::Node(_)) => true,
            Some(Source::Param { params, index }) => !params.is_frozen(*index),
        }
    }

    /// Calls `kernel` with the destination of each input named in `which`: `None` for one that needs no gradient.
    ///
    /// A destination says whether it is to be overwritten or added to; the first to arrive overwrites, so nothing is
    /// ever cleared beforehand.
    pub fn update<const K: usize>(&mut self, which: [usize; K], kernel: impl FnOnce([Option<Out<'_>>; K])) {
        let mut slots: Vec<Slot> = Vec::with_capacity(K);
        for i in which {
            let slot = self.slot(i, &slots);
            slots.push(slot);
        }
        // All parameters of one call belong to one set: an operation with weights of two models is not a layer.
        let store = slots.iter().find_map(|s| match s {
            Slot::Param { params, .. } => Some(params.clone()),
            _ => None,
        });
        {
            let flat = match &store {
                Some(params) => self.stores.of(params).flat.as_mut_slice(),
                None => &mut [],
            };
            let mut outs = destinations(&mut slots, flat);
            kernel(std::array::from_fn(|k| outs[k].take()));
        }
        for slot in slots {
            self.settle(slot, &which);
        }
    }

    /// Passes `dy` on unchanged to input `i`, which has as many elements.
    pub fn pass(&mut self, i: usize, dy: &Value) {
        if let Source::Node(node) = self.inputs[i]
            && self.nodes[node].grad.is_none()
        {
            assert_eq!(self.nodes[node].len, dy.len(), "a gradient has the size of its input");
            self.nodes[node].grad = Some(dy.to_shared());
            return;
        }
        self.update([i], |[dx]| {
            if let Some(dx) = dx {
                elementwise::scale(1.0, dy, dx);
            }
        });
    }

    /// A scratch buffer of `len` floats with arbitrary contents.
    pub fn scratch(&self, len: usize) -> Buffer {
        self.pool.take(len)
    }

    /// The pool of this pass.
    pub fn pool(&self) -> &Pool {
        self.pool
    }

    /// Runs the backward pass of `tape`, on which `output` was made, from `dy`: how a recomputed block joins the outer
    /// pass. Returns the gradients of the variables of `tape`.
    pub fn replay(&mut self, tape: &Tape, output: &Tensor, dy: &Value) -> Vec<Option<Value>> {
        let Source::Node(last) = *output.source() else { return Vec::new() };
        run(tape, tape.take_nodes(), last, dy.to_shared(), self.stores)
    }

    fn slot(&mut self, i: usize, taken: &[Slot]) -> Slot {
        if !self.wants(i) {
            return Slot::Unwanted;
        }
        match &self.inputs[i] {
            Source::Constant => Slot::Unwanted,
            Source::Node(node) => {
                let node = *node;
                let len = self.nodes[node].len;
                if let Some(of) =
                    taken.iter().position(|s| matches!(s, Slot::Node { node: n, .. } if *n == node))
                {
                    return Slot::Again { of, grad: self.pool.take(len) };
                }
                match self.nodes[node].grad.take() {
                    None => Slot::Node { node, grad: self.pool.take(len), accum: Accum::Set },
                    Some(shared) => {
                        let grad =
                            Arc::try_unwrap(shared).unwrap_or_else(|shared| self.pool.copy_of(&shared));
                        Slot::Node { node, grad, accum: Accum::Add }
                    }
                }
            }
            Source::Param { params, index } => {
                let (params, index) = (params.clone(), *index);
                let range = params.range(index);
                if let Some(of) =
                    taken.iter().position(|s| matches!(s, Slot::Param { index: n, .. } if *n == index))
                {
                    return Slot::Again { of, grad: self.pool.take(range.len()) };
                }
                let accum = if self.stores.of(&params).touched[index] { Accum::Add } else { Accum::Set };
                Slot::Param { params, index, range, accum }
            }
        }
    }

    fn settle(&mut self, slot: Slot, which: &[usize]) {
        match slot {
            Slot::Unwanted => {}
            Slot::Node { node, grad, .. } => self.nodes[node].grad = Some(Arc::new(grad)),
            Slot::Param { params, index, .. } => self.stores.of(&params).touched[index] = true,
            Slot::Again { of, grad } => {
                let len = grad.len();
                self.pass(which[of], &Value::new(&[len], grad));
            }
        }
    }
}

/// Splits the flat gradient at the parameters' ranges and pairs every slot with its destination.
fn destinations<'s>(slots: &'s mut [Slot], mut flat: &'s mut [f32]) -> Vec<Option<Out<'s>>> {
    let mut order: Vec<usize> =
        (0..slots.len()).filter(|&k| matches!(slots[k], Slot::Param { .. })).collect();
    order.sort_by_key(|&k| match &slots[k] {
        Slot::Param { range, .. } => range.start,
        _ => 0,
    });
    let mut outs: Vec<Option<Out<'s>>> = slots.iter().map(|_| None).collect();
    let mut passed = 0;
    for k in order {
        let Slot::Param { range, accum, .. } = &slots[k] else { continue };
        let (_, rest) = flat.split_at_mut(range.start - passed);
        let (data, rest) = rest.split_at_mut(range.len());
        passed = range.end;
        flat = rest;
        outs[k] = Some(Out { data, accum: *accum });
    }
    for (out, slot) in outs.iter_mut().zip(slots) {
        match slot {
            Slot::Node { grad, accum, .. } => *out = Some(Out { data: grad, accum: *accum }),
            Slot::Again { grad, .. } => *out = Some(Out::set(grad)),
            Slot::Unwanted | Slot::Param { .. } => {}
        }
    }
    outs
}

/// Walks the `nodes` of `tape` backwards from node `last`, whose gradient is `dy`; returns the gradients of the variables by node.
pub(crate) fn run(
    tape: &Tape,
    mut nodes: Vec<Node>,
    last: usize,
    dy: Arc<Buffer>,
    stores: &mut Stores,
) -> Vec<Option<Value>> {
    let mut grads: Vec<NodeGrad> =
        nodes.iter().map(|n| NodeGrad { len: n.shape.iter().product(), grad: None }).collect();
    let mut variables: Vec<Option<Value>> = nodes.iter().map(|_| None).collect();
    grads[last].grad = Some(dy);
    for at in (0..=last).rev() {
        let Some(dy) = grads[at].grad.take() else { continue };
        let dy = Value::shared(&nodes[at].shape, dy);
        match nodes[at].op.take() {
            None => variables[at] = Some(dy),
            Some(op) => {
                let inputs = &nodes[at].inputs;
                op.backward(&dy, &mut Wrt { inputs, nodes: &mut grads, stores, pool: tape.pool() });
                if let Some(profiler) = tape.profiler() {
                    let lens = inputs.iter().map(|input| wanted_len(input, &grads));
                    let floats = dy.len() + 2 * lens.sum::<usize>();
                    let work = op.work(Part::Backward, (floats * size_of::<f32>()) as u64);
                    profiler.ended(op.name(), Part::Backward, work);
                }
            }
        }
    }
    variables
}

/// The size of an input that needs a gradient; 0 for one that needs none.
fn wanted_len(input: &Source, nodes: &[NodeGrad]) -> usize {
    match input {
        Source::Constant => 0,
        Source::Node(node) => nodes[*node].len,
        Source::Param { params, index } => params.range(*index).len(),
    }
}

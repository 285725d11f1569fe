use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tercet_kernels::gemm::Precision;

use crate::buffer::{Buffer, Pool};
use crate::op::{self, Op, Stores};
use crate::profile::{Part, Profiler};
use crate::rng::Rng;
use crate::tensor::{Source, Tensor};
use crate::value::Value;

/// What one pass through a model shares: the record of its operations, the dropout stream, the precision of its
/// products and the pool of its buffers.
///
/// A tape is given to a model once, with its input; from there it travels with the values. [`Tape::train`] records,
/// [`Tape::off`] records nothing and lets every intermediate value go at once.
#[derive(Clone)]
pub struct Tape(Arc<Inner>);

struct Inner {
    mode: Mode,
    precision: Precision,
    profiler: Option<Profiler>,
    pool: Pool,
    seed: u64,
    /// How many dropout masks this pass has drawn: the position in its stream.
    drawn: AtomicU64,
    nodes: Mutex<Vec<Node>>,
}

/// Whether a pass is recorded, and whether dropout is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Recorded, with dropout.
    Train,
    /// Recorded, without dropout: gradients of the deterministic model.
    Grad,
    /// Recorded by no one, but with the dropout of the training pass that it is a part of (a checkpointed block).
    Replayed,
    /// Not recorded, no dropout.
    Off,
}

/// One recorded operation; without an `op` it is a variable.
pub(crate) struct Node {
    pub op: Option<Box<dyn Op>>,
    pub inputs: Vec<Source>,
    pub shape: Vec<usize>,
}

impl Tape {
    /// A recording tape whose dropout masks follow from `seed` alone.
    pub fn train(seed: u64) -> Self {
        Self::train_in(&Pool::new(), seed)
    }

    /// [`Tape::train`] with buffers from `pool`, so that successive steps recycle them.
    pub fn train_in(pool: &Pool, seed: u64) -> Self {
        Self::with(Mode::Train, pool, seed)
    }

    /// A recording tape without dropout: the gradients of the deterministic model.
    pub fn grad() -> Self {
        Self::with(Mode::Grad, &Pool::new(), 0)
    }

    /// A tape that records nothing: inference and evaluation, without dropout.
    pub fn off() -> Self {
        Self::off_in(&Pool::new())
    }

    /// [`Tape::off`] with buffers from `pool`.
    pub fn off_in(pool: &Pool) -> Self {
        Self::with(Mode::Off, pool, 0)
    }

    fn with(mode: Mode, pool: &Pool, seed: u64) -> Self {
        Self(Arc::new(Inner {
            mode,
            precision: Precision::F32,
            profiler: None,
            pool: pool.clone(),
            seed,
            drawn: AtomicU64::new(0),
            nodes: Mutex::default(),
        }))
    }

    /// The same tape with its matrix products in `precision`. Call it before the first operation.
    pub fn precision(self, precision: Precision) -> Self {
        Self(Arc::new(Inner { precision, ..self.fresh() }))
    }

    /// The same tape, which tells `profiler` of its operations. Call it before the first one.
    pub fn profiled(self, profiler: &Profiler) -> Self {
        Self(Arc::new(Inner { profiler: Some(profiler.clone()), ..self.fresh() }))
    }

    /// What this tape is, before any operation.
    fn fresh(&self) -> Inner {
        let Inner { mode, precision, profiler, pool, seed, .. } = &*self.0;
        Inner {
            mode: *mode,
            precision: *precision,
            profiler: profiler.clone(),
            pool: pool.clone(),
            seed: *seed,
            drawn: AtomicU64::new(0),
            nodes: Mutex::default(),
        }
    }

    /// Whether operations on this tape are recorded.
    pub fn records(&self) -> bool {
        matches!(self.0.mode, Mode::Train | Mode::Grad)
    }

    /// The pool that the buffers of this pass come from.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// Who is told of the operations of this pass.
    pub fn profiler(&self) -> Option<&Profiler> {
        self.0.profiler.as_ref()
    }

    /// How matrix products of this pass treat their operands.
    pub fn product_precision(&self) -> Precision {
        self.0.precision
    }

    /// The seed of the next dropout mask of this pass; `None` where dropout is off.
    pub fn next_dropout_seed(&self) -> Option<u64> {
        if !matches!(self.0.mode, Mode::Train | Mode::Replayed) {
            return None;
        }
        let position = self.0.drawn.fetch_add(1, Ordering::Relaxed);
        Some(Rng::new(self.0.seed ^ position.wrapping_mul(0xd1b5_4a32_d192_ed03)).next_u64())
    }

    /// A tensor that needs no gradient.
    pub fn constant(&self, shape: &[usize], data: impl Into<Buffer>) -> Tensor {
        Tensor::new(Value::new(shape, data), self.clone(), Source::Constant)
    }

    /// A tensor whose gradient [`Tape::backward`] returns.
    ///
    /// # Panics
    /// On a tape that does not record.
    pub fn variable(&self, shape: &[usize], data: impl Into<Buffer>) -> Tensor {
        assert!(self.records(), "a variable needs a tape that records");
        self.push(Value::new(shape, data), Vec::new(), None)
    }

    pub(crate) fn constant_value(&self, value: Value) -> Tensor {
        Tensor::new(value, self.clone(), Source::Constant)
    }

    pub(crate) fn variable_value(&self, value: Value) -> Tensor {
        self.push(value, Vec::new(), None)
    }

    /// Makes the tensor `value = op(inputs)`: the only way to make one that gradients flow through.
    ///
    /// # Panics
    /// When an input belongs to another recording tape.
    pub fn record(&self, inputs: &[&Tensor], value: Value, op: impl Op) -> Tensor {
        for input in inputs {
            let foreign = matches!(input.source(), Source::Node(_)) && !Arc::ptr_eq(&input.tape().0, &self.0);
            assert!(!foreign, "{}: an input was made on another tape", op.name());
        }
        self.ended(inputs, &value, &op);
        if !self.records() || inputs.iter().all(|t| matches!(t.source(), Source::Constant)) {
            return Tensor::new(value, self.clone(), Source::Constant);
        }
        self.push(value, inputs.iter().map(|t| t.source().clone()).collect(), Some(Box::new(op)))
    }

    /// Makes `value = op(inputs)` for an operation that reaches parameters which are not among its inputs.
    pub(crate) fn record_always(&self, inputs: &[&Tensor], value: Value, op: impl Op) -> Tensor {
        self.ended(inputs, &value, &op);
        self.push(value, inputs.iter().map(|t| t.source().clone()).collect(), Some(Box::new(op)))
    }

    /// Tells the profiler that the forward half of `op` is done.
    fn ended(&self, inputs: &[&Tensor], value: &Value, op: &impl Op) {
        if let Some(profiler) = self.profiler() {
            let floats = value.len() + inputs.iter().map(|input| input.len()).sum::<usize>();
            let work = op.work(Part::Forward, (floats * size_of::<f32>()) as u64);
            profiler.ended(op.name(), Part::Forward, work);
        }
    }

    fn push(&self, value: Value, inputs: Vec<Source>, op: Option<Box<dyn Op>>) -> Tensor {
        let mut nodes = self.0.nodes.lock().expect("tape poisoned");
        nodes.push(Node { op, inputs, shape: value.shape().to_vec() });
        let id = nodes.len() - 1;
        Tensor::new(value, self.clone(), Source::Node(id))
    }

    /// Adds the gradients of the scalar `loss` to those of the parameters it depends on, and returns the gradients of
    /// the variables.
    ///
    /// The record is used up: every operation is dropped as soon as its gradient is through.
    ///
    /// # Panics
    /// When `loss` is not a scalar, was made on another tape or depends on nothing that needs a gradient.
    pub fn backward(&self, loss: &Tensor) -> Gradients {
        assert_eq!(loss.len(), 1, "backward starts from a scalar, not from shape {:?}", loss.shape());
        assert!(Arc::ptr_eq(&loss.tape().0, &self.0), "the loss was made on another tape");
        let Source::Node(last) = *loss.source() else {
            panic!("the loss depends on no parameter or variable of a recording tape");
        };
        let nodes = self.take_nodes();
        assert!(last < nodes.len(), "backward has used up this record already");
        let mut stores = Stores::default();
        let variables = op::run(self, nodes, last, Arc::new(vec![1.0].into()), &mut stores);
        stores.give_back();
        Gradients(variables)
    }

    pub(crate) fn take_nodes(&self) -> Vec<Node> {
        std::mem::take(&mut *self.0.nodes.lock().expect("tape poisoned"))
    }

    /// The position in the dropout stream.
    pub(crate) fn drawn(&self) -> u64 {
        self.0.drawn.load(Ordering::Relaxed)
    }

    pub(crate) fn advance_dropout(&self, drawn: u64) {
        self.0.drawn.store(drawn, Ordering::Relaxed);
    }

    /// An unrecorded tape that draws the dropout masks this one would draw next.
    pub(crate) fn unrecorded(&self) -> Self {
        let mode = if self.0.mode == Mode::Train { Mode::Replayed } else { Mode::Off };
        self.sibling(mode, self.drawn())
    }

    /// A recording tape that draws the same masks from position `drawn` on.
    pub(crate) fn recording_from(&self, drawn: u64) -> Self {
        let mode = if self.0.mode == Mode::Replayed { Mode::Train } else { Mode::Grad };
        self.sibling(mode, drawn)
    }

    fn sibling(&self, mode: Mode, drawn: u64) -> Self {
        Self(Arc::new(Inner { mode, drawn: AtomicU64::new(drawn), ..self.fresh() }))
    }
}

/// The gradients of a tape's variables after [`Tape::backward`].
pub struct Gradients(Vec<Option<Value>>);

impl Gradients {
    /// The gradient of `variable`; `None` when the loss does not depend on it.
    pub fn of(&self, variable: &Tensor) -> Option<&Value> {
        match variable.source() {
            Source::Node(id) => self.0.get(*id).and_then(Option::as_ref),
            _ => None,
        }
    }
}

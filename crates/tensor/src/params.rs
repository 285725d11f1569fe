use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, RwLock};

use crate::init::Init;
use crate::tape::Tape;
use crate::tensor::{Source, Tensor};
use crate::value::Value;

/// The parameters of a model: one flat buffer of values and one of gradients, with an index of names.
///
/// Clones share the buffers. A model is built by asking a [`Scope`] for its parameters under their Hugging Face
/// names; then [`Params::init`] or a checkpoint gives them values.
///
/// ```
/// use tercet_tensor::{Init, Params};
///
/// let params = Params::new();
/// let ln = params.root().at("h").at(0).at("ln_1");
/// let weight = ln.param("weight", &[4], Init::Ones);
/// params.init(1);
/// assert_eq!(params.entries()[0].name, "h.0.ln_1.weight");
/// assert_eq!(&weight.value()[..], [1.0; 4]);
/// ```
#[derive(Clone)]
pub struct Params(Arc<Inner>);

struct Inner {
    entries: RwLock<Vec<Entry>>,
    /// Shared with every tensor that reads a parameter, so the optimiser can tell whether one is still alive.
    values: RwLock<Arc<Vec<f32>>>,
    grads: Mutex<GradBuffer>,
}

/// One parameter in the index of a [`Params`].
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The Hugging Face name, such as `transformer.h.0.ln_1.weight`.
    pub name: String,
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// Where the parameter lies in the flat buffers.
    pub range: Range<usize>,
    /// Whether it is left out of training.
    pub frozen: bool,
    /// How it starts.
    pub init: Init,
}

/// The flat gradient. A parameter that is not `touched` has arbitrary contents, which count as zero.
#[derive(Default)]
pub(crate) struct GradBuffer {
    pub flat: Vec<f32>,
    pub touched: Vec<bool>,
}

impl Default for Params {
    fn default() -> Self {
        Self::new()
    }
}

impl Params {
    /// An empty set.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            entries: RwLock::default(),
            values: RwLock::default(),
            grads: Mutex::default(),
        }))
    }

    /// The scope without a prefix.
    pub fn root(&self) -> Scope {
        Scope { params: self.clone(), prefix: String::new() }
    }

    /// Draws every parameter's initial value. Each has a random stream of its own, named after it, so its values
    /// depend on neither the order of construction nor the number of threads.
    pub fn init(&self, seed: u64) {
        let entries = self.entries();
        let mut values = vec![0.0; self.len()];
        let mut rest = values.as_mut_slice();
        let mut work = Vec::with_capacity(entries.len());
        for entry in &entries {
            let (own, after) = rest.split_at_mut(entry.range.len());
            rest = after;
            work.push((entry, own));
        }
        rayon::scope(|scope| {
            for (entry, own) in work {
                scope.spawn(move |_| entry.init.fill(seed, &entry.name, own));
            }
        });
        self.replace(values);
    }

    /// The index, in the order of the flat buffers.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.entries.read().expect("params poisoned").clone()
    }

    /// Number of floats of all parameters together.
    pub fn len(&self) -> usize {
        self.0.entries.read().expect("params poisoned").last().map_or(0, |e| e.range.end)
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values, in the order of the index; a snapshot that later updates do not change.
    ///
    /// # Panics
    /// When the parameters have no values yet.
    pub fn values(&self) -> Arc<Vec<f32>> {
        let values = Arc::clone(&self.0.values.read().expect("params poisoned"));
        assert_eq!(
            values.len(),
            self.len(),
            "the parameters have no values yet: call Params::init or load a checkpoint"
        );
        values
    }

    /// Replaces all values.
    ///
    /// # Panics
    /// When `values` does not hold exactly one float for each of the parameters' elements.
    pub fn set_values(&self, values: &[f32]) {
        self.replace(values.to_vec());
    }

    pub(crate) fn replace(&self, values: Vec<f32>) {
        assert_eq!(
            values.len(),
            self.len(),
            "the parameters hold {} floats, not {}",
            self.len(),
            values.len()
        );
        *self.0.values.write().expect("params poisoned") = Arc::new(values);
    }

    /// Gives `step` the values and the gradients to change: how an optimiser works. Where a parameter got no gradient,
    /// zeros are passed.
    ///
    /// # Panics
    /// When a tape or tensor that reads these parameters is still alive.
    pub fn update<R>(&self, step: impl FnOnce(&mut [f32], &mut [f32]) -> R) -> R {
        let mut grads = self.take_grads();
        for (entry, touched) in self.entries().iter().zip(&mut grads.touched) {
            if !std::mem::replace(touched, true) {
                grads.flat[entry.range.clone()].fill(0.0);
            }
        }
        let mut shared = self.0.values.write().expect("params poisoned");
        let values = Arc::get_mut(&mut shared).expect(
            "a tensor still reads these parameters: drop the tape and its tensors before the optimiser step",
        );
        let result = step(values, &mut grads.flat);
        drop(shared);
        self.put_grads(grads);
        result
    }

    /// Forgets all gradients. Costs nothing: the first gradient to arrive at a parameter overwrites.
    pub fn zero_grad(&self) {
        self.0.grads.lock().expect("params poisoned").touched.fill(false);
    }

    /// A copy of the gradient of the parameter called `name`; `None` when it has none.
    pub fn grad(&self, name: &str) -> Option<Value> {
        let index = self.position(name)?;
        let entry = self.entries().swap_remove(index);
        let grads = self.0.grads.lock().expect("params poisoned");
        let touched = grads.touched.get(index).copied().unwrap_or(false);
        touched.then(|| Value::new(&entry.shape, grads.flat[entry.range].to_vec()))
    }

    /// The value of the parameter called `name`.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.position(name).map(|index| self.value(index))
    }

    /// The parameters that are trained but got no gradient since [`Params::zero_grad`].
    pub fn untouched(&self) -> Vec<String> {
        let grads = self.0.grads.lock().expect("params poisoned");
        let touched = |i: usize| grads.touched.get(i).copied().unwrap_or(false);
        let entries = self.entries();
        entries
            .iter()
            .enumerate()
            .filter(|(i, e)| !e.frozen && !touched(*i))
            .map(|(_, e)| e.name.clone())
            .collect()
    }

    /// Leaves every parameter that `chosen` accepts out of training.
    pub fn freeze(&self, chosen: impl Fn(&str) -> bool) {
        for entry in self.0.entries.write().expect("params poisoned").iter_mut() {
            entry.frozen |= chosen(&entry.name);
        }
    }

    /// Takes every parameter back into training.
    pub fn unfreeze(&self) {
        for entry in self.0.entries.write().expect("params poisoned").iter_mut() {
            entry.frozen = false;
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.entries.read().expect("params poisoned").iter().position(|e| e.name == name)
    }

    fn value(&self, index: usize) -> Value {
        let all = self.values();
        let entries = self.0.entries.read().expect("params poisoned");
        Value::flat(&entries[index].shape, all, entries[index].range.clone())
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn is_frozen(&self, index: usize) -> bool {
        self.0.entries.read().expect("params poisoned")[index].frozen
    }

    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        self.0.entries.read().expect("params poisoned")[index].range.clone()
    }

    /// Moves the gradients out for the duration of a pass, so that nothing is locked meanwhile.
    pub(crate) fn take_grads(&self) -> GradBuffer {
        let (len, count) = (self.len(), self.0.entries.read().expect("params poisoned").len());
        let mut grads = std::mem::take(&mut *self.0.grads.lock().expect("params poisoned"));
        if grads.flat.len() != len {
            grads.flat = vec![0.0; len];
        }
        grads.touched.resize(count, false);
        grads
    }

    pub(crate) fn put_grads(&self, grads: GradBuffer) {
        *self.0.grads.lock().expect("params poisoned") = grads;
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries().iter().map(|e| (e.name.clone(), e.shape.clone()))).finish()
    }
}

/// A place in the tree of parameter names.
#[derive(Clone)]
pub struct Scope {
    params: Params,
    prefix: String,
}

impl Scope {
    /// The scope `part` below this one: `root.at("h").at(0)` names things `h.0.…`.
    pub fn at(&self, part: impl fmt::Display) -> Self {
        Self { params: self.params.clone(), prefix: self.name(&part.to_string()) }
    }

    /// The set this scope belongs to.
    pub fn params(&self) -> &Params {
        &self.params
    }

    fn name(&self, part: &str) -> String {
        if self.prefix.is_empty() { part.to_owned() } else { format!("{}.{part}", self.prefix) }
    }

    /// The parameter `name` of this scope. Asking twice for one name gives the same parameter: that is how weights
    /// are tied.
    ///
    /// # Panics
    /// When the name exists with another shape, or the parameters have values already.
    pub fn param(&self, name: &str, shape: &[usize], init: Init) -> Param {
        let name = self.name(name);
        let inner = &self.params.0;
        let mut entries = inner.entries.write().expect("params poisoned");
        if let Some(index) = entries.iter().position(|e| e.name == name) {
            assert_eq!(entries[index].shape, shape, "{name} is asked for with two shapes");
            return Param { params: self.params.clone(), index };
        }
        assert!(
            inner.values.read().expect("params poisoned").is_empty(),
            "{name}: the parameters have values already"
        );
        let start = entries.last().map_or(0, |e| e.range.end);
        let range = start..start + shape.iter().product::<usize>();
        entries.push(Entry { name, shape: shape.to_vec(), range, frozen: false, init });
        Param { params: self.params.clone(), index: entries.len() - 1 }
    }
}

/// One trainable array of a model.
#[derive(Clone)]
pub struct Param {
    params: Params,
    index: usize,
}

impl Param {
    /// The parameter as a tensor of a pass.
    pub fn on(&self, tape: &Tape) -> Tensor {
        Tensor::new(
            self.value(),
            tape.clone(),
            Source::Param { params: self.params.clone(), index: self.index },
        )
    }

    /// The current value.
    pub fn value(&self) -> Value {
        self.params.value(self.index)
    }

    /// Length of each dimension.
    pub fn shape(&self) -> Vec<usize> {
        self.params.0.entries.read().expect("params poisoned")[self.index].shape.clone()
    }
}

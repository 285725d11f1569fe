use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

/// The keys and values of positions that have been through the model, so that a generation step computes only the new
/// ones. Clones share the contents.
///
/// Every sequence has room for `capacity` positions; each layer keeps keys and values (sequences·capacity, C).
#[derive(Clone)]
pub struct Cache(Arc<Mutex<Inner>>);

struct Inner {
    capacity: usize,
    width: usize,
    lengths: Vec<usize>,
    layers: Vec<Layer>,
    /// What beams were last copied out of, and will next be copied into.
    spare: Vec<f32>,
}

/// Keys and values of one layer.
pub(crate) struct Layer {
    pub k: Vec<f32>,
    pub v: Vec<f32>,
}

/// Where new rows of one sequence go.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// First row of the sequence in the cache.
    pub start: usize,
    /// Positions cached before.
    pub past: usize,
    /// Positions that are added.
    pub new: usize,
}

impl Slot {
    /// All rows of the sequence, the new ones included.
    pub fn rows(&self) -> Range<usize> {
        self.start..self.start + self.past + self.new
    }
}

impl Cache {
    /// Room for `sequences` sequences of up to `capacity` positions in `layers` layers of width `width`.
    pub fn new(layers: usize, sequences: usize, capacity: usize, width: usize) -> Self {
        let empty = || vec![0.0; sequences * capacity * width];
        let layers = (0..layers).map(|_| Layer { k: empty(), v: empty() }).collect();
        Self(Arc::new(Mutex::new(Inner {
            capacity,
            width,
            lengths: vec![0; sequences],
            layers,
            spare: Vec::new(),
        })))
    }

    /// Positions cached for each sequence.
    pub fn lengths(&self) -> Vec<usize> {
        self.lock().lengths.clone()
    }

    /// Positions there is room for in each sequence.
    pub fn capacity(&self) -> usize {
        self.lock().capacity
    }

    /// Makes sequence i a copy of the former sequence `order[i]`, and leaves `order.len()` sequences: how beams change
    /// places and finished sequences leave.
    ///
    /// # Panics
    /// When `order` names a sequence that is not there.
    pub fn reorder(&self, order: &[usize]) {
        let mut inner = self.lock();
        let Inner { capacity, width, lengths, layers, spare } = &mut *inner;
        if order.iter().copied().eq(0..lengths.len()) {
            return;
        }
        let sequence = *capacity * *width;
        for rows in layers.iter_mut().flat_map(|layer| [&mut layer.k, &mut layer.v]) {
            spare.resize(order.len() * sequence, 0.0);
            for (to, &from) in order.iter().enumerate() {
                let filled = lengths[from] * *width;
                spare[to * sequence..][..filled].copy_from_slice(&rows[from * sequence..][..filled]);
            }
            std::mem::swap(rows, spare);
        }
        *lengths = order.iter().map(|&from| lengths[from]).collect();
    }

    /// Forgets all positions of all sequences beyond the first `length`.
    pub fn truncate(&self, length: usize) {
        self.lock().lengths.iter_mut().for_each(|l| *l = (*l).min(length));
    }

    /// Counts the new rows as cached from now on and says where they go.
    pub(crate) fn reserve(&self, which: &[usize], lengths: &[usize]) -> Arc<[Slot]> {
        assert_eq!(which.len(), lengths.len(), "{} sequences, {} lengths", which.len(), lengths.len());
        let mut inner = self.lock();
        let capacity = inner.capacity;
        let slot = |(&sequence, &new): (&usize, &usize)| {
            let past = inner.lengths[sequence];
            assert!(past + new <= capacity, "{past} cached and {new} new positions, room for {capacity}");
            inner.lengths[sequence] += new;
            Slot { start: sequence * capacity, past, new }
        };
        which.iter().zip(lengths).map(slot).collect()
    }

    /// Runs `with` on the keys and values of one layer.
    pub(crate) fn layer<R>(&self, layer: usize, with: impl FnOnce(&mut Layer) -> R) -> R {
        with(&mut self.lock().layers[layer])
    }

    /// A copy of the keys and of the values of sequence `sequence` in `layer`, each (positions, C).
    pub fn keys_values(&self, layer: usize, sequence: usize) -> (Vec<f32>, Vec<f32>) {
        let inner = self.lock();
        let rows = |of: &[f32]| {
            let start = sequence * inner.capacity * inner.width;
            of[start..start + inner.lengths[sequence] * inner.width].to_vec()
        };
        let layer = &inner.layers[layer];
        (rows(&layer.k), rows(&layer.v))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("cache poisoned")
    }
}

//! The crate against reference values, and against its own promises.

mod distributions;
mod generation;
mod reference;
mod runs;
mod stop;

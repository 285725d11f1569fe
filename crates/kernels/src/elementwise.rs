//! (elementwise)

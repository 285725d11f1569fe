//! (peak)

//! (embedding)

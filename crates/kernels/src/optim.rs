//! (optim)

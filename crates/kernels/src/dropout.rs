//! (dropout)

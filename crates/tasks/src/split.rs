use std::fmt;

/// Which part of a task's examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Those to learn from.
    Train,
    /// Those to score while choosing: `dev` or `val` in the files.
    Validation,
    /// Those to score at last. Where the files keep their labels secret, targets are `<unk>`.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        })
    }
}

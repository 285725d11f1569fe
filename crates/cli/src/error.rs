/// What ends a command early. Its message is the one line that the user sees.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A flag has a value that the command cannot work with.
    #[error("--{flag} is {found}, expected {expected}")]
    Flag {
        /// The flag without its dashes.
        flag: &'static str,
        /// What would be right.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        source: rayon::ThreadPoolBuildError,
    },
    /// A model or its folder is at fault.
    #[error(transparent)]
    Gpt2(#[from] tercet_gpt2::Error),
}

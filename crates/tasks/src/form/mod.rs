//! How records become text (Raffel et al. 2020, section 2.4 and appendix D).

pub(crate) mod fields;
pub(crate) mod pairs;
pub(crate) mod reading;
pub(crate) mod squad;

/// The target of an example whose label is not known.
pub(crate) const UNKNOWN: &str = "<unk>";

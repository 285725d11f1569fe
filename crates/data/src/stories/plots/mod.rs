//! What a story is about. Each plot is a short script over the acts; its asides come from them too.

use super::chooser::Chooser;
use super::teller::{Teller, Told};

mod errand;
mod lost;

impl<C: Chooser> Teller<'_, C> {
    /// Tells one of the plots from its title to its end.
    pub(super) fn plot(&mut self) -> Told<C> {
        match self.rank(2)? {
            0 => self.lost(),
            _ => self.errand(),
        }
    }
}

//! What a story is about. Each plot is a short script over the acts; its asides come from them too.

use super::chooser::Chooser;
use super::teller::{Teller, Told};

mod chase;
mod errand;
mod hunt;
mod lost;
mod repair;
mod share;
mod trade;
mod who;

impl<C: Chooser> Teller<'_, C> {
    /// Tells one of the plots from its title to its end.
    pub(super) fn plot(&mut self) -> Told<C> {
        match self.chooser.choose(&[1; 8])? {
            0 => self.lost(),
            1 => self.errand(),
            2 => self.trade(),
            3 => self.share(),
            4 => self.repair(),
            5 => self.hunt(),
            6 => self.chase(),
            _ => self.who(),
        }
    }
}

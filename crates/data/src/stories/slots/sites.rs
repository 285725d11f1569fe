//! Places: the preposition that goes with them, how they look at first, and "there".

use crate::stories::chooser::Chooser;
use crate::stories::teller::{Teller, Told};
use crate::stories::words::{LOOK_WEIGHTS, LOOKS};
use crate::stories::world::Id;

impl<C: Chooser> Teller<'_, C> {
    /// Decides which place of the topic this is, if the text has not said so yet.
    pub(super) fn settle_site(&mut self, id: Id) -> Told<C, usize> {
        if let Some(index) = self.world.sites[id].index {
            return Ok(index);
        }
        let sites = &self.world.sites;
        let weights: [u32; 6] =
            std::array::from_fn(|i| if sites.iter().any(|s| s.index == Some(i)) { 0 } else { 8 - i as u32 });
        let index = self.chooser.choose(&weights)?;
        self.world.sites[id].index = Some(index);
        Ok(index)
    }

    pub(super) fn site(&mut self, id: Id, form: &str) -> Told<C> {
        let bit = 1 << id;
        if matches!(form, "at" | "to") {
            let there = self.now.sites == 0 && self.before.sites == bit && self.chance(1, 3)?;
            if there {
                self.now.sites |= bit;
                return self.say("there");
            }
        }
        let place = &self.world.topic.places[self.settle_site(id)?];
        self.now.sites |= bit;
        let named = std::mem::replace(&mut self.world.sites[id].named, true);
        match form {
            "" => self.say("the ")?,
            "to" => self.say("to the ")?,
            "at" | "in" => {
                self.say(place.preposition)?;
                self.say(" the ")?;
            }
            _ => panic!("no such form of a place: {form:?}"),
        }
        if !named {
            let look = self.chooser.choose(&LOOK_WEIGHTS)?;
            self.say(LOOKS[look])?;
        }
        self.say(place.noun)
    }
}

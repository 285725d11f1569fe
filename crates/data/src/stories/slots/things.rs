//! Things: what they are, how they look, where they lie, how somebody came by them.

use super::bits;
use super::people::Case;
use crate::stories::chooser::Chooser;
use crate::stories::teller::{Teller, Told};
use crate::stories::topics::Thing;
use crate::stories::words::{CLOTHES, KIN, MADE, article};
use crate::stories::world::{Id, Item, Origin, Pool, Where};

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn item(&mut self, id: Id, form: &str) -> Told<C> {
        if form == "spot" {
            return self.spot(id);
        }
        if matches!(form, "a" | "full" | "desc") {
            self.settle_item(id)?;
        }
        let item = self.world.items[id];
        let kind = item.kind.expect("a thing is described when it is first told of");
        let bit = 1 << id;
        match form {
            "noun" => self.say(kind.noun)?,
            "use" => return self.say(kind.purpose),
            "broken" => return self.say(kind.material.broken),
            "adj" => return self.say(item.adjective),
            "an" => {
                self.say(article(item.adjective))?;
                return self.say(item.adjective);
            }
            "a" => {
                self.say(article(item.adjective))?;
                self.say(item.adjective)?;
                self.say(" ")?;
                self.say(kind.noun)?;
            }
            "desc" => {
                self.say(item.adjective)?;
                self.say(" ")?;
                self.say(kind.noun)?;
            }
            "the" => {
                self.say("the ")?;
                self.say(kind.noun)?;
            }
            "full" => self.described(id)?,
            "kin" => return self.kin(id),
            "that" => {
                self.say("the ")?;
                self.say(kind.noun)?;
                self.now.items |= bit;
                return self.origin(id);
            }
            "" | "it" => {
                let (now, before) = (self.now.items, self.before.items);
                if now == bit || (now == 0 && before == bit && self.chance(1, 2)?) {
                    self.say("it")?;
                } else if self.chance(1, 4)? {
                    self.described(id)?;
                } else {
                    self.say("the ")?;
                    self.say(kind.noun)?;
                }
            }
            _ => panic!("no such form of a thing: {form:?}"),
        }
        self.now.items |= bit;
        Ok(())
    }

    fn described(&mut self, id: Id) -> Told<C> {
        let item = self.world.items[id];
        self.say("the ")?;
        self.say(item.adjective)?;
        self.say(" ")?;
        self.say(item.kind.expect("settled by the caller").noun)
    }

    /// Decides what a thing is, if the text has not said so yet: the noun by the topic, then the adjective.
    fn settle_item(&mut self, id: Id) -> Told<C> {
        if self.world.items[id].kind.is_some() {
            return Ok(());
        }
        let things: &'static [Thing] = match self.world.items[id].pool {
            Pool::Topic => &self.world.topic.things,
            Pool::Mends(broken) => {
                self.world.items[broken].kind.expect("it broke in the text").material.tools
            }
            Pool::Clothes => &CLOTHES,
        };
        let noun = |i: usize| move |item: &Item| item.kind.is_some_and(|kind| kind.noun == things[i].noun);
        let taken = bits(things.len(), |i| self.world.items.iter().any(noun(i)));
        let kind = &things[self.rank_free(things.len(), |i| taken & (1 << i) != 0)?];
        let adjectives = kind.material.adjectives;
        let taken =
            bits(adjectives.len(), |i| self.world.items.iter().any(|item| item.adjective == adjectives[i]));
        let adjective = adjectives[self.rank_free(adjectives.len(), |i| taken & (1 << i) != 0)?];
        let item = &mut self.world.items[id];
        (item.kind, item.adjective) = (Some(kind), adjective);
        Ok(())
    }

    /// Says at which spot a thing lies, and decides it the first time.
    fn spot(&mut self, id: Id) -> Told<C> {
        let Where::Lies(site, spot) = self.world.items[id].at else {
            panic!("only a thing that lies somewhere has a spot");
        };
        let place = self.settle_site(site)?;
        let spot = match spot {
            Some(spot) => spot,
            None => {
                let items = &self.world.items;
                let taken: [u32; 3] = std::array::from_fn(|i| {
                    if items.iter().any(|item| item.at == Where::Lies(site, Some(i))) { 0 } else { 1 }
                });
                self.chooser.choose(&taken)?
            }
        };
        self.world.items[id].at = Where::Lies(site, Some(spot));
        self.say(self.world.topic.places[place].spots[spot])
    }

    /// "her uncle had made": whom the thing came from, decided here.
    fn kin(&mut self, id: Id) -> Told<C> {
        let Where::With(holder) = self.world.items[id].at else { panic!("a gift has an owner") };
        self.refer(holder, Case::His)?;
        self.say(" ")?;
        let kin = KIN[self.rank(KIN.len())?];
        self.say(kin)?;
        self.say(" had ")?;
        let made = MADE[self.rank(MADE.len())?];
        self.world.items[id].origin = Origin::Kin(kin, made);
        self.say(made)
    }

    /// " that Tom had given her": how the thing came to its holder, where two names do not get in the way.
    fn origin(&mut self, id: Id) -> Told<C> {
        let Where::With(holder) = self.world.items[id].at else { return Ok(()) };
        match self.world.items[id].origin {
            Origin::Untold => Ok(()),
            Origin::Kin(kin, made) => {
                self.say(" that ")?;
                self.refer(holder, Case::His)?;
                self.say(" ")?;
                self.say(kin)?;
                self.say(" had ")?;
                self.say(made)
            }
            Origin::Given(giver) if self.alike(true) & (1 << giver | 1 << holder) == 0 => Ok(()),
            Origin::Given(giver) if self.alike(false) & (1 << giver | 1 << holder) == 0 => Ok(()),
            Origin::Given(giver) => {
                self.say(" that ")?;
                self.refer(giver, Case::He)?;
                self.say(" had given ")?;
                self.refer(holder, Case::Him)
            }
            Origin::Found(site, spot) => {
                self.say(" that ")?;
                self.refer(holder, Case::He)?;
                self.say(" had found ")?;
                let place = self.settle_site(site)?;
                self.say(self.world.topic.places[place].spots[spot])
            }
        }
    }
}

//! People: names, roles, and pronouns where only one person can be meant.

use super::bits;
use crate::stories::chooser::Chooser;
use crate::stories::teller::{Teller, Told};
use crate::stories::words::{NAMES, Name};
use crate::stories::world::Id;

/// The grammatical case of a person.
#[derive(Clone, Copy)]
pub(super) enum Case {
    He,
    Him,
    His,
}

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn person(&mut self, id: Id, form: &str) -> Told<C> {
        match form {
            "" => self.refer(id, Case::He),
            "him" => self.refer(id, Case::Him),
            "his" => self.refer(id, Case::His),
            "name" => self.name(id),
            "who" => self.named(id),
            "child" => {
                self.settle_name(id)?;
                let she = self.world.people[id].name.is_some_and(|name| name.she);
                self.say(if she { "a girl called " } else { "a boy called " })?;
                self.name(id)
            }
            "role" => {
                self.name(id)?;
                let roles = &self.world.topic.roles;
                let used = |i: usize| self.world.people.iter().any(|p| p.role == Some(roles[i]));
                let weights: [u32; 4] = std::array::from_fn(|i| if used(i) { 0 } else { 5 - i as u32 });
                let role = roles[self.chooser.choose(&weights)?];
                self.world.people[id].role = Some(role);
                self.say(", the ")?;
                self.say(role)?;
                self.say(",")
            }
            _ => panic!("no such form of a person: {form:?}"),
        }
    }

    /// A pronoun where only one person can be meant, else the name, or the role that was told with it.
    ///
    /// Inside a sentence a second mention is always a pronoun if it can be; from one sentence to the next it is
    /// one three times in four.
    pub(super) fn refer(&mut self, id: Id, case: Case) -> Told<C> {
        let bit = 1 << id;
        if let Some(name) = self.world.people[id].name {
            let clear = |people: u32| people & bit != 0 && people & !bit & self.alike(name.she) == 0;
            let pronoun = if self.now.people & bit != 0 {
                clear(self.now.people)
            } else {
                clear(self.now.people | self.before.people) && self.chance(3, 4)?
            };
            if pronoun {
                self.now.people |= bit;
                return self.say(match (case, name.she) {
                    (Case::He, true) => "she",
                    (Case::He, false) => "he",
                    (Case::Him, false) => "him",
                    (Case::His, false) => "his",
                    (Case::Him | Case::His, true) => "her",
                });
            }
        }
        self.named(id)?;
        if let Case::His = case { self.say("'s") } else { Ok(()) }
    }

    /// The name, or the role that was told with it.
    fn named(&mut self, id: Id) -> Told<C> {
        let role = self.world.people[id].role;
        match role {
            Some(role) if self.chance(1, 3)? => {
                self.now.people |= 1 << id;
                self.say("the ")?;
                self.say(role)
            }
            _ => self.name(id),
        }
    }

    /// Everybody of one sex.
    pub(super) fn alike(&self, she: bool) -> u32 {
        let mut set = 0;
        for (i, person) in self.world.people.iter().enumerate() {
            if person.name.is_some_and(|name| name.she == she) {
                set |= 1 << i;
            }
        }
        set
    }

    fn name(&mut self, id: Id) -> Told<C> {
        let name = self.settle_name(id)?;
        self.now.people |= 1 << id;
        self.say(name.name)
    }

    /// Decides who somebody is, if the text has not said so yet.
    fn settle_name(&mut self, id: Id) -> Told<C, &'static Name> {
        if let Some(name) = self.world.people[id].name {
            return Ok(name);
        }
        let mut taken = 0u64;
        for name in self.world.people.iter().filter_map(|person| person.name) {
            taken |= bits(NAMES.len(), |i| NAMES[i].name == name.name);
        }
        let name = &NAMES[self.rank_free(NAMES.len(), |i| taken & (1 << i) != 0)?];
        self.world.people[id].name = Some(name);
        Ok(name)
    }
}

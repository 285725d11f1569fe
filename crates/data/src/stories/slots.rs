//! The holes of a template: how a person, a thing, a place or a number is put into words.

use super::chooser::Chooser;
use super::teller::{Cast, Teller, Told};
use super::topics::Thing;
use super::words::{
    CLOTHES, DAYTIMES, KIN, LOOK_WEIGHTS, LOOKS, MADE, NAMES, NUMBERS, Name, WEATHER, article,
};
use super::world::{Id, Origin, Pool, Where};

/// The grammatical case of a person.
#[derive(Clone, Copy)]
enum Case {
    He,
    Him,
    His,
}

impl<C: Chooser> Teller<'_, C> {
    /// Fills the hole `slot`: a letter of the cast, then perhaps `:` and a form.
    pub(super) fn fill(&mut self, cast: &Cast, slot: &'static str) -> Told<C> {
        let form = slot.get(2..).unwrap_or("");
        match slot.as_bytes()[0] {
            b'p' => self.person(cast.p, form),
            b'q' => self.person(cast.q, form),
            b'r' => self.person(cast.r, form),
            b'o' => self.item(cast.o, form),
            b'u' => self.item(cast.u, form),
            b'v' => self.item(cast.v, form),
            b'x' => self.site(cast.x, form),
            b'y' => self.site(cast.y, form),
            b'z' => self.site(cast.z, form),
            b'g' => self.goods(cast.g, form),
            b'n' => self.amount(cast.n, cast.g, form),
            b'm' => self.amount(cast.m, cast.g, form),
            b's' => self.say(cast.s),
            b't' => self.say(cast.t),
            b'a' => self.topic(form),
            _ => panic!("no such hole: {slot:?}"),
        }
    }

    fn person(&mut self, id: Id, form: &str) -> Told<C> {
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
    /// one two times in three.
    fn refer(&mut self, id: Id, case: Case) -> Told<C> {
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
    fn alike(&self, she: bool) -> u32 {
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
        let people = std::mem::take(&mut self.world.people);
        let taken = |i: usize| people.iter().any(|p| p.name.is_some_and(|n| std::ptr::eq(n, &NAMES[i])));
        let chosen = self.rank_free(NAMES.len(), taken);
        self.world.people = people;
        let name = &NAMES[chosen?];
        self.world.people[id].name = Some(name);
        Ok(name)
    }

    fn item(&mut self, id: Id, form: &str) -> Told<C> {
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
        let items = std::mem::take(&mut self.world.items);
        let taken = |i: usize| items.iter().any(|item| item.kind.is_some_and(|k| k.noun == things[i].noun));
        let chosen = self.rank_free(things.len(), taken);
        self.world.items = items;
        let kind = &things[chosen?];
        let adjectives = kind.material.adjectives;
        let items = std::mem::take(&mut self.world.items);
        let taken = |i: usize| items.iter().any(|item| item.adjective == adjectives[i]);
        let chosen = self.rank_free(adjectives.len(), taken);
        self.world.items = items;
        let adjective = adjectives[chosen?];
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

    /// Decides which place of the topic this is, if the text has not said so yet.
    fn settle_site(&mut self, id: Id) -> Told<C, usize> {
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

    fn site(&mut self, id: Id, form: &str) -> Told<C> {
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

    fn goods(&mut self, id: Id, form: &str) -> Told<C> {
        let kind = match self.world.goods[id] {
            Some(kind) => kind,
            None => {
                let kinds = &self.world.topic.goods;
                let known = &self.world.goods;
                let weights: [u32; 5] = std::array::from_fn(|i| {
                    if known.iter().flatten().any(|k| k.one == kinds[i].one) { 0 } else { 6 - i as u32 }
                });
                &kinds[self.chooser.choose(&weights)?]
            }
        };
        self.world.goods[id] = Some(kind);
        self.say(match form {
            "" => kind.many,
            "one" => kind.one,
            "got" => kind.got,
            _ => panic!("no such form of goods: {form:?}"),
        })
    }

    /// "seven", "seven plums", "one plum".
    fn amount(&mut self, number: usize, goods: Id, form: &str) -> Told<C> {
        match form {
            "" => self.say(NUMBERS[number]),
            "them" => self.say(if number == 1 { "it" } else { "them" }),
            "g" => {
                self.say(NUMBERS[number])?;
                self.say(" ")?;
                self.goods(goods, if number == 1 { "one" } else { "" })
            }
            "was" => self.say(if number == 1 { "was" } else { "were" }),
            _ => panic!("no such form of a number: {form:?}"),
        }
    }

    fn topic(&mut self, form: &str) -> Told<C> {
        let animal = &self.world.topic.animal;
        if form == "weather" {
            let weather = match self.world.weather {
                Some(weather) => weather,
                None => WEATHER[self.rank(WEATHER.len())?],
            };
            self.world.weather = Some(weather);
            return self.say(weather);
        }
        if form == "sight" {
            let seen = self.world.sights;
            let sight = self.rank_free(self.world.topic.sights.len(), |i| seen & (1 << i) != 0)?;
            self.world.sights |= 1 << sight;
            return self.say(self.world.topic.sights[sight]);
        }
        if form == "day" {
            let daytime = match self.world.daytime {
                Some(daytime) => daytime,
                None => DAYTIMES[self.rank(DAYTIMES.len())?],
            };
            self.world.daytime = Some(daytime);
            return self.say(daytime);
        }
        self.say(match form {
            "at" => self.world.topic.at,
            "animal" => animal.noun,
            "went" => animal.went,
            "bait" => animal.bait,
            _ => panic!("no such form of the topic: {form:?}"),
        })
    }
}

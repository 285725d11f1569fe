//! The holes of a template: how a person, a thing, a place or a number is put into words.

use super::chooser::Chooser;
use super::teller::{Cast, Teller, Told};
use super::words::{DAYTIMES, NUMBERS, WEATHER};
use super::world::Id;

mod people;
mod sites;
mod things;

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

/// The set of the indices below `n` that are so.
fn bits(n: usize, is: impl Fn(usize) -> bool) -> u64 {
    (0..n).filter(|&i| is(i)).fold(0, |set, i| set | 1 << i)
}

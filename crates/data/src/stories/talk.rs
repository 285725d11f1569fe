//! Questions whose answers the story has already told.

use super::chooser::Chooser;
use super::teller::{Cast, Teller, Told};
use super::world::{Id, Origin};

impl<C: Chooser> Teller<'_, C> {
    /// Somebody known to be in another place, of whom nobody has asked yet.
    pub(super) fn absent(&self, p: Id) -> Option<Id> {
        let here = self.world.people[p].at;
        let away = |r: Id| {
            let person = &self.world.people[r];
            person.name.is_some() && person.at.is_some() && person.at != here
        };
        (0..self.world.people.len()).find(|&r| away(r) && self.world.asked & (1 << r) == 0)
    }

    pub(super) fn where_is(&mut self, p: Id, q: Id) -> Told<C> {
        let r = self.absent(p).expect("offered with somebody to ask for");
        self.world.asked |= 1 << r;
        let cast = Cast { p, q, r, x: self.world.place_of(r), ..Cast::default() };
        self.tell(
            &cast,
            &[
                "\"Where is {r:name}?\" asked {q:who}.",
                "{q} asked {p:him} where {r:name} was.",
                "\"Have you seen {r:name}?\" (asked|said) {q:who}.",
            ],
        )?;
        self.tell(
            &cast,
            &[
                "\"I saw {r:name} {x:in},\" (said|answered|replied) {p:who}.",
                "\"{r:name} is {x:in},\" {p:who} (answered|said).",
                "{r:name} was {x:in}.",
            ],
        )
    }

    /// A thing of `p` that has a story, not asked for yet.
    pub(super) fn heirloom(&self, p: Id) -> Option<Id> {
        let o = self.world.held(p)?;
        let told = match self.world.items[o].origin {
            Origin::Untold => false,
            Origin::Given(giver) => self.world.people[giver].at != self.world.people[p].at,
            Origin::Kin(..) | Origin::Found(..) => true,
        };
        (told && self.world.traced & (1 << o) == 0).then_some(o)
    }

    pub(super) fn where_from(&mut self, p: Id, q: Id) -> Told<C> {
        let o = self.heirloom(p).expect("offered with a thing to ask for");
        self.world.traced |= 1 << o;
        let cast = Cast { p, q, o, ..Cast::default() };
        self.tell(
            &cast,
            &["\"Where did you get the {o:noun}?\" asked {q:who}.", "{q} asked where {p} had got {o:the}."],
        )?;
        match self.world.items[o].origin {
            Origin::Kin(s, t) => self.tell(
                &Cast { s, t, ..cast },
                &[
                    "\"My {s} {t} it,\" (said|answered|replied) {p:who}.",
                    "{p} answered that {p:his} {s} had {t} it.",
                ],
            ),
            Origin::Given(r) => self.tell(
                &Cast { r, ..cast },
                &[
                    "\"{r:name} gave it to me,\" (said|answered|replied) {p:who}.",
                    "{p} answered that {r:name} had given it to {p:him}.",
                ],
            ),
            Origin::Found(x, spot) => {
                let index = self.world.sites[x].index.expect("it was found in a place of the text");
                let s = self.world.topic.places[index].spots[spot];
                self.tell(
                    &Cast { s, x, ..cast },
                    &["\"I found it {s} {x:in},\" said {p:who}.", "\"It was {s} {x:in},\" said {p:who}."],
                )
            }
            Origin::Untold => unreachable!("an heirloom has an origin"),
        }
    }
}

//! Somebody has hidden something, and each note says where to look next.

use crate::stories::chooser::Chooser;
use crate::stories::teller::{Cast, Teller, Told};
use crate::stories::world::{Id, Origin, Where};

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn hunt(&mut self) -> Told<C> {
        let (p, q) = (self.world.person(), self.world.person());
        let (o, x) = (self.world.item(), self.world.site());
        let cast = Cast { p, q, o, x, ..Cast::default() };
        self.title(
            &cast,
            &["{p:name} follows the notes", "A surprise for {p:name}", "The game of {q:name}"],
        )?;
        self.open(&cast)?;
        self.world.moves(q, x);
        self.tell(
            &cast,
            &[
                "{q} came and (smiled|waved|whispered).",
                "{q} had thought of a game for {p:him}.",
                "{q:role} was waiting for {p:him}.",
            ],
        )?;
        self.tell(
            &cast,
            &["\"I have hidden something for you,\" said {q:who}.", "{q} had hidden a present for {p:him}."],
        )?;
        let (mut u, mut y) =
            self.hint(&cast, &["\"First look {u:spot} {y:in}.\"", "\"Go {y:to} and look {u:spot}!\""])?;
        let mut notes = 0;
        loop {
            self.aside(p)?;
            self.go(p, y)?;
            self.aside(p)?;
            let found = Cast { u, y, ..cast };
            if notes == 3 || (notes > 0 && self.chance(1, 2)?) {
                break self.prize(&found)?;
            }
            notes += 1;
            self.tell(
                &found,
                if notes == 1 {
                    &[
                        "{p} looked {u:spot} and found a note.",
                        "There was a note {u:spot}.",
                        "A (little|folded|red) note was {u:spot}.",
                    ]
                } else {
                    &[
                        "{p} looked {u:spot} and found another note.",
                        "Another note was {u:spot}.",
                        "The next note was {u:spot}.",
                    ]
                },
            )?;
            (u, y) = self.hint(
                &cast,
                &["It said: \"Look {u:spot} {y:in}.\"", "\"Go {y:to} and look {u:spot},\" it said."],
            )?;
        }
        self.tell(
            &Cast { n: notes, ..cast },
            &[
                "{p} thanked {q:him} for {o:the}.",
                "{q} (laughed|smiled) and was glad.",
                "\"Well done!\" (said|called) {q:who}.",
            ],
        )?;
        self.epilogue(p)
    }

    /// Names a spot in a new place; returns what lies there, and the place.
    fn hint(&mut self, cast: &Cast, wordings: &[&'static str]) -> Told<C, (Id, Id)> {
        let (u, y) = (self.world.item(), self.world.site());
        self.world.items[u].at = Where::Lies(y, None);
        self.tell(&Cast { u, y, ..*cast }, wordings)?;
        Ok((u, y))
    }

    fn prize(&mut self, cast: &Cast) -> Told<C> {
        self.tell(cast, &["And there, {u:spot}, was {o:a}.", "{p} looked {u:spot} and found {o:a}."])?;
        self.world.items[cast.o].at = Where::With(cast.p);
        self.world.items[cast.o].origin = Origin::Given(cast.q);
        self.tell(
            cast,
            &[
                "It was just what {p} needed {o:use}.",
                "{p} was (very|so) (happy|proud|glad|surprised).",
                "It was the best present of the year.",
            ],
        )
    }
}

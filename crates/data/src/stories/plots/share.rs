//! Friends bring together what they have, lose a part of it, and share the rest.

use crate::stories::chooser::Chooser;
use crate::stories::teller::{Cast, Teller, Told};
use crate::stories::world::Id;

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn share(&mut self) -> Told<C> {
        let [p, q, r] = std::array::from_fn(|_| self.world.person());
        let (x, g) = (self.world.site(), self.world.goods());
        let cast = Cast { p, q, r, x, g, ..Cast::default() };
        self.title(&cast, &["{p:name} and the {g}", "{p:name} and {q:name} share", "Sharing {g}"])?;
        self.open(&cast)?;
        self.world.moves(q, x);
        let everybody = [p, q, r];
        let friends = if self.chance(1, 2)? {
            self.tell(
                &cast,
                &["{q} was with {p:him}.", "Then {q:who} came (along|by).", "{p} met {q:who} there."],
            )?;
            &everybody[..2]
        } else {
            self.world.moves(r, x);
            self.tell(
                &cast,
                &[
                    "{q} and {r} were there too.",
                    "Then {q:who} and {r:who} came (along|by).",
                    "{p} met {q:who} and {r:who} there.",
                ],
            )?;
            &everybody
        };
        let mut total = self.bring_together(&cast, friends)?;
        if self.chance(1, 2)? {
            self.scenery()?;
        }
        if total > 2 * friends.len() && self.chance(1, 2)? {
            let n = friends.len();
            total -= n;
            let told = Cast { n, m: total, ..cast };
            self.tell(&told, &["Then a {a:animal} came and took {n} of them.", "But {n} of them were bad."])?;
            self.tell(
                &told,
                &["Now there were only {m}.", "\"There are still {m},\" said {q:who}.", "That left {m}."],
            )?;
        }
        let each = total / friends.len();
        for &who in friends {
            *self.world.stock(who, g) = each;
        }
        let told = Cast { n: each, ..cast };
        self.tell(
            &told,
            &[
                "They shared fairly, and each of them got {n:g}.",
                "So each of them got {n}.",
                "\"Then everybody gets {n},\" said {p:who}.",
            ],
        )?;
        self.afterwards(&cast)
    }

    /// Each friend has some of the goods; the last as many as let the sum be shared. Returns the sum.
    fn bring_together(&mut self, cast: &Cast, friends: &[Id]) -> Told<C, usize> {
        let mut total = 0;
        for (i, &who) in friends.iter().enumerate() {
            let n = if i + 1 == friends.len() {
                let short = (friends.len() - total % friends.len()) % friends.len();
                short + friends.len() * self.number(1, 2)?
            } else {
                self.number(2, 7)?
            };
            total += n;
            *self.world.stock(who, cast.g) = n;
            let told = Cast { p: who, n, m: total, ..*cast };
            if i == 0 {
                self.tell(&told, &["{p} had {g:got} {n:g}.", "{p} had {n:g} in a bag."])?;
            } else {
                self.tell(
                    &told,
                    &["{p} had {n}.", "{p} had brought {n:g}.", "In the bag of {p:name} were {n}."],
                )?;
            }
        }
        let told = Cast { n: total, ..*cast };
        self.tell(
            &told,
            &[
                "Together they had {n:g}.",
                "They counted the {g}, and there were {n}.",
                "\"That makes {n},\" said {q:who}.",
            ],
        )?;
        Ok(total)
    }

    /// What comes of the share of the first friend.
    fn afterwards(&mut self, cast: &Cast) -> Told<C> {
        let p = cast.p;
        self.pause(p)?;
        let walks = self.number(1, 2)?;
        for _ in 0..walks {
            let y = self.world.site();
            self.go(p, y)?;
            self.pause(p)?;
        }
        self.tell(
            cast,
            &[
                "{p} thought of the {g} all day.",
                "\"It is good to share,\" (thought|said) {p:who}.",
                "The {g} were (heavy|beautiful|very good).",
            ],
        )?;
        self.epilogue(p)
    }
}

//! Somebody wants what another has, who wants what a third one has.

use crate::stories::chooser::Chooser;
use crate::stories::teller::{Cast, Teller, Told};
use crate::stories::world::{Id, Origin, Pool, Where};

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn trade(&mut self) -> Told<C> {
        let [p, q, r] = std::array::from_fn(|_| self.world.person());
        let [o, u, v] = [p, q, r].map(|who| self.world.item_with(who, Pool::Topic));
        let [x, y, z] = std::array::from_fn(|_| self.world.site());
        let cast = Cast { p, q, r, o, u, v, x, y, z, ..Cast::default() };
        self.title(
            &cast,
            &["{p:name} wants {v:full}", "{o:full} and {v:full}", "A (good|strange|long) trade {a:at}"],
        )?;
        self.open(&cast)?;
        self.tell(
            &cast,
            &["{p} had {o:a}, but {p} wanted {v:a} {v:use}.", "{p} had {o:a} and dreamed of {v:a}."],
        )?;
        self.aside(p)?;
        self.tell(
            &cast,
            &[
                "{r:role} had such {v:a}, and {r} was {z:in}.",
                "{z:in} was {r:who}, who had {v:a}.",
                "Everybody knew that {r:name} had {v:a} and was {z:in}.",
            ],
        )?;
        self.world.moves(r, z);
        self.aside(p)?;
        self.go(p, z)?;
        self.aside(p)?;
        self.tell(
            &cast,
            &[
                "\"Will you give me {v:the} for {o:the}?\" asked {p:who}.",
                "{p} asked {r:him} for {v:the}.",
                "{p} (showed|offered) {r:him} {o:the}.",
            ],
        )?;
        if self.chance(1, 3)? {
            self.tell(
                &cast,
                &[
                    "\"Yes, I need the {o:noun} {o:use},\" said {r:who}.",
                    "\"(Why not?|Gladly!|It is a deal!)\" said {r:who}.",
                ],
            )?;
            self.swap(p, r, o, v)?;
        } else {
            self.detour(&cast)?;
            self.swap(p, r, u, v)?;
        }
        self.tell(
            &cast,
            &[
                "Now {p} had {v:the} {v:use}.",
                "At last {p} had {v:full}.",
                "Both {p:name} and {r:name} were (happy|content).",
            ],
        )?;
        self.epilogue(p)
    }

    /// `r` wants `u`, which `q` has, who wants `o`.
    fn detour(&mut self, cast: &Cast) -> Told<C> {
        let Cast { p, q, o, u, y, z, .. } = *cast;
        self.tell(
            cast,
            &[
                "\"No, I would rather have {u:a} {u:use},\" said {r:who}.",
                "\"Only for {u:a},\" said {r:who}.",
                "\"Bring me {u:a} {u:use},\" said {r:who}, \"and you can have it.\"",
            ],
        )?;
        self.aside(p)?;
        self.go(p, y)?;
        self.world.moves(q, y);
        self.tell(
            cast,
            &[
                "{q} was there and had {u:a}.",
                "There sat {q:who} with {u:a}.",
                "There {p} met {q:who}, who had {u:a}.",
            ],
        )?;
        self.aside(p)?;
        self.tell(
            cast,
            &["\"I (like|love|need) your {o:noun},\" said {q:who}.", "{q} wanted {o:the} {o:use}."],
        )?;
        self.swap(p, q, o, u)?;
        self.aside(p)?;
        self.go(p, z)
    }

    /// `p` gives `o` and gets `u` for it.
    fn swap(&mut self, p: Id, q: Id, o: Id, u: Id) -> Told<C> {
        let cast = Cast { p, q, o, u, ..Cast::default() };
        self.tell(
            &cast,
            &[
                "So {p} gave {q:him} {o:the} for {u:the}.",
                "{p} and {q:who} swapped {o:the} and {u:the}.",
                "{q} took {o:the}, and {p} got {u:the}.",
            ],
        )?;
        self.world.items[o].at = Where::With(q);
        self.world.items[u].at = Where::With(p);
        self.world.items[o].origin = Origin::Given(p);
        self.world.items[u].origin = Origin::Given(q);
        Ok(())
    }
}

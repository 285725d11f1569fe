//! A thread left behind tells who took something, and what was said before tells where to look for the thief.

use crate::stories::chooser::Chooser;
use crate::stories::teller::{Cast, Teller, Told};
use crate::stories::world::{Pool, Where};

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn who(&mut self) -> Told<C> {
        let [p, q, r] = std::array::from_fn(|_| self.world.person());
        let o = self.world.item_with(p, Pool::Topic);
        let [u, v] = [q, r].map(|who| self.world.item_with(who, Pool::Clothes));
        let [x, y, z, away] = std::array::from_fn(|_| self.world.site());
        let cast = Cast { p, q, r, o, u, v, x, y, z, ..Cast::default() };
        self.title(&cast, &["Who took {o:full}?", "{p:name} and {o:full}", "{q:name} or {r:name}?"])?;
        self.open(&cast)?;
        self.tell(&cast, &["{p} had {o:a} {o:use}.", "{p} had {o:a} that {o:kin}."])?;
        self.tell(
            &cast,
            &[
                "{q}, who wore {u:a}, was there too.",
                "{q} came (along|by) in {u:a}.",
                "There {p} met {q:who}, who wore {u:a}.",
            ],
        )?;
        self.tell(&cast, &["{r} wore {v:a}.", "Then {r} came too, in {v:a}."])?;
        (self.world.people[q].at, self.world.people[r].at) = (Some(x), Some(x));
        self.aside(p)?;
        self.plan(&Cast { p: q, x: y, ..cast })?;
        self.plan(&Cast { p: r, x: z, ..cast })?;
        self.world.items[o].at = Where::Lies(x, None);
        let leaving = Cast { y: away, ..cast };
        self.tell(
            &leaving,
            &["{p} put {o:the} {o:spot} and went {y:to}.", "{p} left {o:the} {o:spot} and went {y:to}."],
        )?;
        self.world.moves(p, away);
        (self.world.people[q].at, self.world.people[r].at) = (None, None);
        self.pause(p)?;
        self.go(p, x)?;
        let caught = if self.chance(1, 2)? { Cast { y, ..cast } } else { Cast { q: r, u: v, y: z, ..cast } };
        self.solve(&caught)?;
        self.hand(&Cast { p: caught.q, q: p, ..caught })?;
        self.tell(
            &caught,
            &[
                "{p} was not angry any more.",
                "They (laughed|shook hands), and all was well again.",
                "\"Just ask me next time,\" said {p:who}.",
            ],
        )?;
        self.epilogue(p)
    }

    /// Somebody says where he or she will be.
    fn plan(&mut self, cast: &Cast) -> Told<C> {
        self.tell(
            cast,
            &[
                "\"Later I will be {x:in},\" said {p:who}.",
                "{p} wanted to go {x:to} later.",
                "\"I must go {x:to} soon,\" said {p:who}.",
            ],
        )
    }

    /// `p` finds the thread of `q`, whose clothes are `u`, and then `q`, who is at `y`.
    fn solve(&mut self, cast: &Cast) -> Told<C> {
        let Cast { p, q, o, y, .. } = *cast;
        self.tell(
            cast,
            &[
                "But {o:the} was gone, and where it had been lay {u:an} thread.",
                "Instead of {o:the} there was only {u:an} thread {o:spot}.",
            ],
        )?;
        self.world.items[o].at = Where::With(q);
        self.tell(
            cast,
            &[
                "\"That is from the {u:noun} of {q:name},\" thought {p:who}.",
                "So {p} knew that it was {q:name}.",
                "\"It was {q:name}!\" (cried|said|whispered) {p:who}.",
                "{p} remembered the {u:noun} that {q:name} wore.",
            ],
        )?;
        self.aside(p)?;
        self.go(p, y)?;
        self.world.moves(q, y);
        self.tell(
            cast,
            &[
                "{q} was there with {o:the}.",
                "{q} (blushed|jumped up|turned red) and held out {o:the}.",
                "There sat {q:who} with {o:the} in {q:his} hand.",
            ],
        )?;
        self.tell(
            cast,
            &[
                "\"I only (wanted|took|borrowed) it {o:use},\" said {q:who}.",
                "\"I am sorry,\" said {q:who}, \"I needed it {o:use}.\"",
            ],
        )
    }
}

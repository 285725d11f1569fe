//! Somebody fetches something for somebody else, and may have to ask after it.

use crate::stories::chooser::Chooser;
use crate::stories::teller::{Cast, Teller, Told};
use crate::stories::world::Where;

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn errand(&mut self) -> Told<C> {
        let (p, q, o) = (self.world.person(), self.world.person(), self.world.item());
        let (x, y) = (self.world.site(), self.world.site());
        let cast = Cast { p, q, o, x, y, ..Cast::default() };
        self.title(
            &cast,
            &["{p:name} helps {q:name}", "{p:name} fetches {o:full}", "A {a:weather} {a:day} {a:at}"],
        )?;
        self.open(&cast)?;
        self.world.moves(q, x);
        self.world.items[o].at = Where::Lies(y, None);
        self.tell(
            &cast,
            &["{q:role} was there too.", "{q:role} came along.", "There {q:role} was (at work|busy)."],
        )?;
        self.tell(&cast, &["\"I need the {o:desc} {o:use},\" said {q:who}.", "{q} needed {o:a} {o:use}."])?;
        self.tell(
            &cast,
            &[
                "\"It must be {o:spot} {y:in}.\"",
                "\"It is {o:spot} {y:in},\" {q:who} added.",
                "\"You will find it {o:spot} {y:in}.\"",
            ],
        )?;
        self.aside(p)?;
        self.go(p, y)?;
        self.pause(p)?;
        if self.chance(1, 2)? {
            self.moved(&cast)?;
        }
        self.tell(
            &cast,
            &[
                "{o:the} was {o:spot}, just as {p} had been told.",
                "There, {o:spot}, was {o:the}[, a little (dirty|dusty|wet)].",
                "{p} found {o} {o:spot}.",
            ],
        )?;
        self.world.items[o].at = Where::With(p);
        self.aside(p)?;
        self.go(p, x)?;
        self.hand(&cast)?;
        self.tell(
            &cast,
            &[
                "Now {q} had what {q} needed {o:use}.",
                "At last {q} had {o} {o:use}.",
                "\"(Thank you|You are a great help|How kind of you),\" said {q:who}.",
            ],
        )?;
        if self.chance(1, 2)? {
            let (g, n) = (self.world.goods(), self.number(2, 6)?);
            *self.world.stock(p, g) += n;
            let told = Cast { g, n, ..cast };
            self.tell(
                &told,
                &[
                    "{q} gave {p:him} {n:g} (for the help|as thanks|in return).",
                    "For this {p} got {n:g} from {q:him}.",
                ],
            )?;
        }
        self.epilogue(p)
    }

    /// The thing is no longer where it was said to be; somebody there knows where it is.
    fn moved(&mut self, cast: &Cast) -> Told<C> {
        let Cast { p, o, .. } = *cast;
        self.tell(
            cast,
            &[
                "But {o} was not there.",
                "(Nothing|Only dust|Only an old box) was {o:spot}.",
                "{p} looked {o:spot}, but {o} was not there.",
            ],
        )?;
        let z = self.world.site();
        self.world.items[o].at = Where::Lies(z, None);
        let r = match self.world.company(p) {
            Some(r) => r,
            None => {
                let r = self.world.person();
                self.meet(p, r)?;
                r
            }
        };
        let cast = Cast { r, z, ..*cast };
        self.tell(
            &cast,
            &[
                "\"I put {o} {o:spot} {z:in},\" said {r:who}.",
                "\"Somebody left {o} {o:spot} {z:in},\" {r:who} told {p:him}.",
            ],
        )?;
        self.go(p, z)
    }
}

//! Somebody fetches something for somebody else.

use crate::stories::chooser::Chooser;
use crate::stories::teller::{Cast, Teller, Told};
use crate::stories::world::Where;

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn errand(&mut self) -> Told<C> {
        let (p, q, o) = (self.world.person(), self.world.person(), self.world.item());
        let (x, y) = (self.world.site(), self.world.site());
        let cast = Cast { p, q, o, x, y, ..Cast::default() };
        self.title(&cast, &["{p:name} helps {q:name}", "{o:full}", "{p:name} and {o:full}"])?;
        self.open(&cast)?;
        self.world.moves(q, x);
        self.world.items[o].at = Where::Lies(y, None);
        self.tell(
            &cast,
            &["{q:role} was there too.", "{q:role} came and sat down.", "There {q:role} was at work."],
        )?;
        self.tell(&cast, &["\"I need the {o:desc} {o:use},\" said {q}."])?;
        self.tell(&cast, &["\"It must be {o:spot} {y:in}.\"", "\"It is {o:spot} {y:in},\" {q} added."])?;
        self.aside(p)?;
        self.go(p, y)?;
        self.aside(p)?;
        self.tell(&cast, &["{o} was {o:spot}, just as {q} had said.", "{p} found {o} {o:spot}."])?;
        self.world.items[o].at = Where::With(p);
        self.aside(p)?;
        self.go(p, x)?;
        self.world.items[o].at = Where::With(q);
        self.tell(&cast, &["{p} gave {o} to {q}.", "{p} handed {q} {o}."])?;
        self.tell(&cast, &["Now {q} had {o} {o:use}.", "At last {q} had what {q} needed {o:use}."])
    }
}

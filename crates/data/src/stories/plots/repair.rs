//! Something breaks; somebody has the tool that mends it, and wants it back.

use crate::stories::chooser::Chooser;
use crate::stories::teller::{Cast, Teller, Told};
use crate::stories::world::{Origin, Pool, Where};

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn repair(&mut self) -> Told<C> {
        let [p, q, r] = std::array::from_fn(|_| self.world.person());
        let o = self.world.item_with(p, Pool::Topic);
        let u = self.world.item_with(r, Pool::Mends(o));
        let (x, y) = (self.world.site(), self.world.site());
        let cast = Cast { p, q, r, o, u, x, y, ..Cast::default() };
        self.title(&cast, &["{p:name} and {o:full}", "{p:name} mends {o:full}", "{p:name} asks for help"])?;
        self.open(&cast)?;
        self.tell(&cast, &["{p} had {o:a} {o:use}.", "{p} had {o:a} that {o:kin}."])?;
        self.aside(p)?;
        self.tell(
            &cast,
            &[
                "But {p} (fell|stumbled), and {o:the} was {o:broken}.",
                "Something heavy fell on {o}, and then it was {o:broken}.",
                "{p} dropped {o}, and then it was {o:broken}.",
            ],
        )?;
        self.world.moves(q, x);
        self.tell(
            &cast,
            &["{q:role} looked at {o}.", "{q} (saw it|heard it|came near).", "{q:role} came to help."],
        )?;
        self.tell(
            &cast,
            &["\"You need {u:a} {u:use},\" said {q:who}.", "\"With {u:a} you can mend it,\" said {q:who}."],
        )?;
        self.tell(&cast, &["\"Ask {r:name}, who is {y:in}.\"", "\"{r:name} has one {y:in}.\""])?;
        self.world.moves(r, y);
        self.world.asked |= 1 << r; // who has just told where r is does not ask for it
        self.aside(p)?;
        self.go(p, y)?;
        self.aside(p)?;
        self.tell(
            &cast,
            &["\"Can I have your {u:noun}?\" {p} asked {r:who}.", "{p} asked {r:who} for {u:the}."],
        )?;
        self.tell(
            &cast,
            &["\"Yes, but bring it back[ (soon|today)],\" said {r:who}.", "{r} gladly gave it to {p:him}."],
        )?;
        self.world.items[u].at = Where::With(p);
        self.world.items[u].origin = Origin::Given(r);
        let home = self.chance(1, 2)?;
        if home {
            self.go(p, x)?;
        }
        self.tell(&cast, &["{p} used {u:the} {u:use}.", "With {u:that} {p} mended {o:the}."])?;
        self.tell(
            &cast,
            &[
                "Soon {o:the} was no longer {o:broken}.",
                "It took (an hour|a while|until noon), but then {o:the} was (good|fine) again.",
                "Now {p} could use {o:the} again {o:use}.",
            ],
        )?;
        self.aside(p)?;
        if home {
            self.go(p, y)?;
        }
        self.tell(&cast, &["{p} gave {u:the} back to {r:him}.", "{r} got {u:the} back."])?;
        self.world.items[u].at = Where::With(r);
        self.world.items[u].origin = Origin::Untold;
        self.epilogue(p)
    }
}

//! An animal runs off with something, and people tell where it went.

use crate::stories::chooser::Chooser;
use crate::stories::teller::{Cast, Teller, Told};
use crate::stories::world::{Pool, Where};

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn chase(&mut self) -> Told<C> {
        let p = self.world.person();
        let (o, x) = (self.world.item_with(p, Pool::Topic), self.world.site());
        let mut cast = Cast { p, o, x, ..Cast::default() };
        self.title(
            &cast,
            &["{p:name} and the {a:animal}", "The {a:animal} and {o:full}", "The {a:animal} {a:at}"],
        )?;
        self.open(&cast)?;
        self.tell(&cast, &["{p} had {o:a} {o:use}.", "{p} had {o:a} that {o:kin}."])?;
        self.aside(p)?;
        self.tell(
            &cast,
            &[
                "Then a {a:animal} came and took {o}.",
                "Suddenly a {a:animal} (snatched|grabbed|stole) {o} and {a:went} away.",
                "A (hungry|cheeky|young) {a:animal} came near and took {o}.",
            ],
        )?;
        self.world.items[o].at = Where::Unknown;
        cast.y = self.world.site();
        self.tell(
            &cast,
            &[
                "It {a:went} {y:to}.",
                "{p} saw that it {a:went} {y:to}.",
                "(Quickly|Happily) it {a:went} {y:to}.",
                "\"Stop!\" {p} shouted, but it {a:went} {y:to}.",
            ],
        )?;
        let mut bait = false;
        for turn in 0..3 {
            self.go(p, cast.y)?;
            if turn > 0 && (turn == 2 || self.chance(1, 2)?) {
                break;
            }
            let q = match self.world.company(p) {
                Some(q) => q,
                None => {
                    let q = self.world.person();
                    self.meet(p, q)?;
                    q
                }
            };
            self.aside(p)?;
            cast = Cast { q, y: self.world.site(), ..cast };
            self.ask(&cast)?;
            if !bait && self.chance(1, 2)? {
                bait = true;
                self.tell(
                    &cast,
                    &[
                        "{q} gave {p:him} {a:bait} for it.",
                        "\"Take {a:bait},\" said {q:who}, \"it likes that.\"",
                    ],
                )?;
            }
        }
        self.catch(&cast, bait)?;
        self.epilogue(p)
    }

    /// Asks `q`, who has seen the animal go to `y`.
    fn ask(&mut self, cast: &Cast) -> Told<C> {
        self.tell(
            cast,
            &[
                "\"Have you seen (the|a) {a:animal}?\" asked {p:who}.",
                "\"Where did the {a:animal} go?\" (asked|cried) {p:who}.",
                "{p} asked {q:who} about the {a:animal}.",
            ],
        )?;
        self.tell(
            cast,
            &[
                "\"It {a:went} {y:to},\" said {q:who}.",
                "{q} had seen how it {a:went} {y:to} with {o:the}.",
                "\"It was here with your {o:noun}, and then it {a:went} {y:to},\" said {q:who}.",
            ],
        )
    }

    fn catch(&mut self, cast: &Cast, bait: bool) -> Told<C> {
        let Cast { p, o, y, .. } = *cast;
        self.world.items[o].at = Where::Lies(y, None);
        self.tell(
            cast,
            &[
                "The {a:animal} (sat|was hiding|was resting) {o:spot} with {o:the}.",
                "There it (was|sat), {o:spot}.",
            ],
        )?;
        if bait {
            self.tell(
                cast,
                &[
                    "When it got {a:bait}, it dropped {o:the}.",
                    "{p} gave it {a:bait} and took {o:the}.",
                    "It (liked|loved) {a:bait} more than {o:the}.",
                ],
            )?;
        } else {
            self.tell(
                cast,
                &[
                    "{p} waited until the {a:animal} was asleep and took {o:the}.",
                    "{p} clapped {p:his} hands, and it dropped {o:the}.",
                    "(Slowly|Quietly|Carefully) {p} came nearer and took {o:the}.",
                ],
            )?;
        }
        self.world.items[o].at = Where::With(p);
        self.tell(
            cast,
            &[
                "Now {p} had {o:the} again {o:use}.",
                "{p} was (glad|happy) to have {o:that} again.",
                "{p} held {o} tight and (laughed|smiled|sighed).",
            ],
        )
    }
}

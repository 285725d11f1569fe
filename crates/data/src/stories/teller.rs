//! From templates to sentences.
//!
//! A template is a sentence with holes. `{p}` is filled by whoever plays that letter in the [`Cast`], as the text
//! so far allows: a name, a role, a pronoun whose referent is clear. `(walked|ran)` chooses, earlier wordings
//! more often (Zipf); `[at once ]` is told one time in three.

use super::chooser::Chooser;
use super::words::ZIPF;
use super::world::{Id, World};

/// The result of telling something: it fails only where a given text contradicts it.
pub(super) type Told<C, T = ()> = Result<T, <C as Chooser>::Stop>;

/// Who and what fills the holes of a template.
#[derive(Clone, Copy, Default)]
pub(super) struct Cast {
    pub(super) p: Id,
    pub(super) q: Id,
    pub(super) r: Id,
    pub(super) o: Id,
    pub(super) u: Id,
    pub(super) v: Id,
    pub(super) x: Id,
    pub(super) y: Id,
    pub(super) z: Id,
    pub(super) g: Id,
    pub(super) n: usize,
    pub(super) m: usize,
    pub(super) s: &'static str,
    pub(super) t: &'static str,
}

/// What the reader has just read of: the candidates for a pronoun. One bit for each person, thing, place.
#[derive(Clone, Copy, Default)]
pub(super) struct Mentions {
    pub(super) people: u32,
    pub(super) items: u32,
    pub(super) sites: u32,
}

/// Tells a story to a chooser.
pub(super) struct Teller<'c, C: Chooser> {
    pub(super) chooser: &'c mut C,
    pub(super) world: World,
    pub(super) before: Mentions,
    pub(super) now: Mentions,
    /// How many sentences have been told.
    pub(super) told: usize,
    capital: bool,
    begun: bool,
}

impl<'c, C: Chooser> Teller<'c, C> {
    pub(super) fn new(chooser: &'c mut C, world: World) -> Self {
        let (before, now) = (Mentions::default(), Mentions::default());
        Self { chooser, world, before, now, told: 0, capital: true, begun: false }
    }

    /// Picks one of `n`, the first most often.
    pub(super) fn rank(&mut self, n: usize) -> Told<C, usize> {
        self.chooser.choose(&ZIPF[..n])
    }

    /// Picks one of `n` that is not in the set `taken`, the first most often.
    pub(super) fn rank_free(&mut self, n: usize, taken: impl Fn(usize) -> bool) -> Told<C, usize> {
        let mut weights = [0; ZIPF.len()];
        for (i, weight) in weights[..n].iter_mut().enumerate() {
            *weight = if taken(i) { 0 } else { ZIPF[i] };
        }
        self.chooser.choose(&weights[..n])
    }

    /// True `yes` times of `of`.
    pub(super) fn chance(&mut self, yes: u32, of: u32) -> Told<C, bool> {
        Ok(self.chooser.choose(&[yes, of - yes])? == 0)
    }

    /// A number from `low` to `high`, all alike.
    pub(super) fn number(&mut self, low: usize, high: usize) -> Told<C, usize> {
        Ok(low + self.chooser.choose(&[1; 24][..=high - low])?)
    }

    /// Tells one sentence in one of these wordings.
    pub(super) fn tell(&mut self, cast: &Cast, wordings: &[&'static str]) -> Told<C> {
        if self.begun {
            self.chooser.say(" ")?;
        }
        self.begun = true;
        self.capital = true;
        let wording = self.rank(wordings.len())?;
        self.speak(cast, wordings[wording])?;
        self.chooser.sentence_ends();
        self.told += 1;
        self.before = std::mem::take(&mut self.now);
        Ok(())
    }

    /// Tells the title: a line of its own, to which no pronoun goes back.
    pub(super) fn title(&mut self, cast: &Cast, wordings: &[&'static str]) -> Told<C> {
        self.tell(cast, wordings)?;
        self.before = Mentions::default();
        self.begun = false;
        self.chooser.say("\n")
    }

    /// Tells a template, or a part of one.
    fn speak(&mut self, cast: &Cast, template: &'static str) -> Told<C> {
        let mut rest = template;
        while let Some(open) = rest.find(['{', '[', '(']) {
            self.say(&rest[..open])?;
            let close = open + closing(&rest[open..]);
            let inner = &rest[open + 1..close];
            match rest.as_bytes()[open] {
                b'{' => self.fill(cast, inner)?,
                b'[' => {
                    if self.chance(1, 3)? {
                        self.speak(cast, inner)?;
                    }
                }
                _ => {
                    let ways = inner.split('|').count();
                    let way = self.rank(ways)?;
                    self.speak(cast, inner.split('|').nth(way).expect("below the count"))?;
                }
            }
            rest = &rest[close + 1..];
        }
        self.say(rest)
    }

    /// Says a piece of a sentence, its first letter large where a sentence begins.
    pub(super) fn say(&mut self, text: &str) -> Told<C> {
        match text.as_bytes().first() {
            Some(b'"') if self.capital => {
                self.chooser.say("\"")?;
                self.say(&text[1..])
            }
            Some(letter) if self.capital => {
                self.capital = false;
                let large = [letter.to_ascii_uppercase()];
                self.chooser.say(std::str::from_utf8(&large).expect("templates begin with ASCII"))?;
                self.chooser.say(&text[1..])
            }
            Some(_) => self.chooser.say(text),
            None => Ok(()),
        }
    }
}

/// The bracket that closes the one at the start of `text`.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => {
                depth -= 1;
                if depth == 0 {
                    return i;
                }
            }
            _ => {}
        }
    }
    panic!("a bracket is left open in {text:?}")
}

//! The information of a text, read from the text alone.

use super::chooser::{Chooser, Ledger};
use super::narrate;

/// The text is not a story that the generator can tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no story goes on like this at byte {offset}: {found:?}")]
pub struct NotAStory {
    /// How far some story agrees with the text, in bytes.
    pub offset: usize,
    /// The text from there on, cut to a few words.
    pub found: String,
}

/// One way in which the generator can come to a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivation {
    /// −ln of the probability of all its choices.
    pub nats: f64,
    /// (byte offset, nats of the choices made so far) at the end of the title and of each sentence.
    pub nats_at: Vec<(usize, f64)>,
}

/// −ln p(text) in nats, from the text alone: the sum over every derivation that the grammar has for it.
///
/// # Errors
///
/// [`NotAStory`] when no sequence of choices tells this text from its title to its end.
pub fn information(text: &str) -> Result<f64, NotAStory> {
    Ok(sum(&derivations(text)?))
}

/// −ln of the probability that a story *begins* with this text: the least loss, added up over its tokens, that
/// any model can reach on a document that is cut off here.
///
/// # Errors
///
/// [`NotAStory`] when no story begins like this.
pub fn prefix_information(text: &str) -> Result<f64, NotAStory> {
    Ok(sum(&search(text, End::Anywhere)?))
}

/// Every derivation of a whole story; exactly one, because the grammar is unambiguous.
///
/// # Errors
///
/// [`NotAStory`] when there is none.
pub fn derivations(text: &str) -> Result<Vec<Derivation>, NotAStory> {
    search(text, End::WithTheStory)
}

/// −ln Σ exp(−nats).
fn sum(derivations: &[Derivation]) -> f64 {
    let least = derivations.iter().map(|d| d.nats).fold(f64::INFINITY, f64::min);
    least - derivations.iter().map(|d| (least - d.nats).exp()).sum::<f64>().ln()
}

/// Where a text may end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    WithTheStory,
    Anywhere,
}

fn search(text: &str, end: End) -> Result<Vec<Derivation>, NotAStory> {
    let mut replay = Replay::of(text);
    let mut found = Vec::new();
    loop {
        replay.rewind();
        let complete = match narrate(&mut replay) {
            Ok(_) => replay.at == text.len(),
            Err(Stop::TextEnds) => end == End::Anywhere,
            Err(Stop::Contradiction) => false,
        };
        if complete {
            let nats = replay.ledger.settle();
            found.push(Derivation { nats, nats_at: replay.ledger.marks.clone() });
        }
        if !replay.turn() {
            break;
        }
    }
    if found.is_empty() {
        let rest = &text.as_bytes()[replay.furthest..];
        let found = String::from_utf8_lossy(&rest[..rest.len().min(40)]).into_owned();
        return Err(NotAStory { offset: replay.furthest, found });
    }
    Ok(found)
}

/// Follows a text: the telling is run again and again, each time down the next path of choices, depth first, and
/// stopped at the first word that is not the text's.
struct Replay<'t> {
    text: &'t str,
    at: usize,
    /// The branch taken at each choice so far.
    path: Vec<usize>,
    depth: usize,
    furthest: usize,
    ledger: Ledger,
}

/// Why a telling was stopped.
enum Stop {
    /// It said something else than the text.
    Contradiction,
    /// It agrees with all of the text and wants to go on.
    TextEnds,
}

impl<'t> Replay<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, at: 0, path: Vec::new(), depth: 0, furthest: 0, ledger: Ledger::new() }
    }

    fn rewind(&mut self) {
        (self.at, self.depth) = (0, 0);
        self.ledger.clear();
    }

    /// Turns to the next path; false when there is none.
    fn turn(&mut self) -> bool {
        self.path.truncate(self.depth);
        match self.path.last_mut() {
            Some(branch) => *branch += 1,
            None => return false,
        }
        true
    }
}

impl Chooser for Replay<'_> {
    type Stop = Stop;

    fn choose(&mut self, weights: &[u32]) -> Result<usize, Stop> {
        if self.depth == self.path.len() {
            self.path.push(0);
        }
        let from = self.path[self.depth];
        let Some(branch) = (from..weights.len()).find(|&i| weights[i] > 0) else {
            return Err(Stop::Contradiction); // every branch has been tried: `turn` goes back to the choice before
        };
        self.path[self.depth] = branch;
        self.depth += 1;
        self.ledger.pay(weights[branch], weights.iter().sum());
        Ok(branch)
    }

    fn say(&mut self, text: &str) -> Result<(), Stop> {
        let rest = &self.text.as_bytes()[self.at..];
        let agree = rest.iter().zip(text.as_bytes()).take_while(|(a, b)| a == b).count();
        self.furthest = self.furthest.max(self.at + agree);
        if agree < text.len() {
            return Err(if agree == rest.len() { Stop::TextEnds } else { Stop::Contradiction });
        }
        self.at += agree;
        Ok(())
    }

    fn sentence_ends(&mut self) {
        self.ledger.mark(self.at);
    }
}

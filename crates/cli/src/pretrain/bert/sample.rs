use tercet_bert::{BertBatch, BertForPreTraining};
use tercet_objectives::masked::{self, Instance};
use tercet_tensor::Tape;
use tercet_tokenizer::Tokenizer;

use super::batch::PairBatch;
use super::examples::Entries;

/// The beginning of a sentence pair with what the model says for the hidden tokens: `the [lamp]` where it is right,
/// `the [lamp, not coat]` where it is not. `|` stands between the sentences.
pub fn text(
    model: &BertForPreTraining,
    tokenizer: &Tokenizer,
    entries: &Entries,
    pair: &Instance,
    tokens: usize,
) -> String {
    let PairBatch { batch, hidden, .. } = masked::batch([pair]).into();
    let said = said(model, &batch, &hidden.rows);
    let mut answers = hidden.iter().zip(said).peekable();
    let mut text = String::new();
    let word = |id: u32| tokenizer.id_to_token(id).unwrap_or_default();
    for (row, &id) in (0..).zip(pair.ids.iter().take(tokens)).skip(1) {
        let answer = answers.next_if(|((hidden, _), _)| *hidden == row);
        let shown = match answer {
            Some(((_, right), said)) if right == said => format!("[{}]", word(said)),
            Some(((_, right), said)) => format!("[{}, not {}]", word(said), word(right)),
            None if entries.frames(id) => "|".to_owned(),
            None => word(id),
        };
        match shown.strip_prefix("##") {
            Some(rest) => text += rest,
            None => text = format!("{text} {shown}"),
        }
    }
    text.trim_end_matches([' ', '|']).trim_start().to_owned()
}

/// The id with the highest score at each row.
fn said(model: &BertForPreTraining, batch: &BertBatch, rows: &[u32]) -> Vec<u32> {
    let (logits, _) = model.logits(&Tape::off(), batch, rows);
    let highest =
        |logits: &[f32]| (0..).zip(logits).max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(id, _)| id);
    logits.chunks(logits.cols()).map(highest).collect()
}

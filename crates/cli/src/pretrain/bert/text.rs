use std::path::Path;

use rayon::prelude::*;
use tercet_data::stories::Stories;
use tercet_data::{Corpus, Error as DataError, StoreWriter, TokenStore, sentences};
use tercet_tokenizer::{Fingerprint, Tokenizer};

use super::{Bert, SentencesArg};
use crate::error::Error;
use crate::output::{Waiting, count};
use crate::pretrain::settings::Settings;
use crate::pretrain::source::{
    existing, make_folder, store_path, stories, stories_identity, tokenizer_of_corpus, tokenizer_of_stories,
};

/// The ids of a document's sentences.
pub type Document = Vec<Vec<u32>>;

/// How much text is tokenised at once, shared out over all threads.
const TOGETHER: usize = 1 << 22;
/// The most tokens of held-out stories, which have no end.
const MOST_OF_STORIES: usize = 1 << 22;

/// What a run reads.
pub struct Text {
    /// Makes the ids.
    pub tokenizer: Tokenizer,
    /// The documents to train on.
    pub train: Vec<Document>,
    /// The documents to measure the model on.
    pub held_out: Vec<Document>,
    /// What it is, for a person.
    pub name: String,
}

impl Text {
    /// Prepares text and tokenizer as the settings say. `saved` is the tokenizer of a run that goes on.
    ///
    /// # Errors
    /// When something cannot be read or written, or there are too few documents.
    pub fn prepare(settings: &Settings<Bert>, saved: Option<Tokenizer>) -> Result<Self, Error> {
        let text = if settings.data.text.is_empty() {
            Self::of_stories(settings, saved)?
        } else {
            Self::of_files(settings, saved)?
        };
        for documents in [&text.train, &text.held_out] {
            if documents.len() < 2 {
                let expected = "two documents to train on and two to hold out, as a sentence that does not follow \
                                comes from another document";
                let all = text.train.len() + text.held_out.len();
                let found = format!("{} in all", count(all as u64));
                return Err(Error::Input { what: text.name, expected, found });
            }
        }
        Ok(text)
    }

    fn of_files(settings: &Settings<Bert>, saved: Option<Tokenizer>) -> Result<Self, Error> {
        let (data, paths) = (&settings.data, &settings.data.text);
        if paths.iter().any(|path| path.extension().is_some_and(|extension| extension == "ids")) {
            let expected = "text: a token store does not know where sentences end";
            return Err(Error::flag("text", expected, paths[0].display()));
        }
        let corpus = Corpus::open(paths, data.document_split())?;
        let tokenizer = tokenizer_of_corpus(settings, &corpus, saved)?;
        let all = of_corpus(settings, &corpus, &tokenizer)?;
        let (train, held_out) = if data.held_out_text.is_empty() {
            spread(all, data.held_out)?
        } else {
            let corpus = Corpus::open(&data.held_out_text, data.document_split())?;
            (all, of_corpus(settings, &corpus, &tokenizer)?)
        };
        let name = match paths.as_slice() {
            [path] => path.display().to_string(),
            _ => format!("{} bytes of text", count(corpus.bytes())),
        };
        Ok(Self { tokenizer, train, held_out, name })
    }

    fn of_stories(settings: &Settings<Bert>, saved: Option<Tokenizer>) -> Result<Self, Error> {
        let (stories, told) = (stories(), settings.data.stories);
        let tokenizer = tokenizer_of_stories(settings, saved)?;
        let source = Fingerprint::of(format!("sentences {} {told}", stories_identity()).as_bytes());
        let all = (0..told).map(|index| Ok(sentences_of(stories, index)));
        let train = stored(settings, &tokenizer, source, "telling stories", all)?;
        let most = settings.data.eval_tokens.clamp(1, MOST_OF_STORIES);
        let (mut held_out, mut tokens) = (Vec::new(), 0);
        for index in told.. {
            if tokens >= most && held_out.len() > 1 {
                break;
            }
            let document = encoded(&tokenizer, &sentences_of(stories, index))?;
            tokens += document.iter().map(Vec::len).sum::<usize>();
            held_out.push(document);
        }
        Ok(Self { tokenizer, train, held_out, name: format!("{} generated stories", count(told)) })
    }
}

/// The sentences of a story, as it knows them.
fn sentences_of(stories: Stories, index: u64) -> Vec<String> {
    let story = stories.story(index);
    story.sentences.iter().map(|range| story.text[range.clone()].to_owned()).collect()
}

/// The documents of a corpus, tokenised once and kept.
fn of_corpus(
    settings: &Settings<Bert>,
    corpus: &Corpus,
    tokenizer: &Tokenizer,
) -> Result<Vec<Document>, Error> {
    let how = settings.own.sentences;
    let source = Fingerprint::of(format!("sentences {how:?} {:?}", corpus.fingerprint().0).as_bytes());
    let split = move |document: Result<String, DataError>| {
        let document = document?;
        let lines = || document.lines().map(str::to_owned).collect();
        Ok(match how {
            SentencesArg::Lines => lines(),
            SentencesArg::Split => sentences(&document).map(str::to_owned).collect(),
        })
    };
    stored(settings, tokenizer, source, "tokenising", corpus.documents().map(split))
}

/// Documents from the store that keeps them, or tokenised and put there. In it every sentence ends with `[SEP]`.
fn stored(
    settings: &Settings<Bert>,
    tokenizer: &Tokenizer,
    source: Fingerprint,
    what: &'static str,
    documents: impl Iterator<Item = Result<Vec<String>, Error>>,
) -> Result<Vec<Document>, Error> {
    let end = tokenizer.token_to_id("[SEP]").unwrap_or_default();
    let path = store_path(settings, &source, tokenizer);
    let store = match existing(&path, tokenizer, source)? {
        Some(store) => store,
        None => write(&path, tokenizer, source, end, what, documents)?,
    };
    let mut ids = Vec::new();
    let mut read = |index: u64| {
        ids.clear();
        store.read(store.document(index)?, &mut ids)?;
        Ok(ids.split(|&id| id == end).filter(|ids| !ids.is_empty()).map(<[u32]>::to_vec).collect())
    };
    let documents: Vec<Document> = (0..store.documents()).map(&mut read).collect::<Result<_, Error>>()?;
    Ok(documents.into_iter().filter(|document| !document.is_empty()).collect())
}

fn write(
    path: &Path,
    tokenizer: &Tokenizer,
    source: Fingerprint,
    end: u32,
    what: &'static str,
    mut documents: impl Iterator<Item = Result<Vec<String>, Error>>,
) -> Result<TokenStore, Error> {
    make_folder(path)?;
    let mut waiting = Waiting::new(what);
    let mut writer = StoreWriter::create(path, tokenizer.vocab_size(), tokenizer.fingerprint(), source)?;
    loop {
        let (mut together, mut bytes) = (Vec::new(), 0);
        while bytes < TOGETHER
            && let Some(document) = documents.next()
        {
            let document = document?;
            bytes += document.iter().map(String::len).sum::<usize>();
            together.push(document);
        }
        if together.is_empty() {
            return Ok(writer.finish()?);
        }
        let made: Vec<Document> =
            together.par_iter().map(|document| encoded(tokenizer, document)).collect::<Result<_, _>>()?;
        for document in made {
            for mut sentence in document {
                sentence.push(end);
                writer.push(&sentence)?;
            }
            writer.end_document()?;
        }
        waiting.amount(writer.documents(), "documents");
    }
}

/// The ids of sentences; one without any is left out.
fn encoded(tokenizer: &Tokenizer, sentences: &[String]) -> Result<Document, Error> {
    let mut encoder = tokenizer.encoder();
    let mut ids_of = |sentence: &String| {
        let mut ids = Vec::new();
        encoder.encode(sentence, &mut ids)?;
        Ok(ids)
    };
    let document: Document = sentences.iter().map(&mut ids_of).collect::<Result<_, Error>>()?;
    Ok(document.into_iter().filter(|ids| !ids.is_empty()).collect())
}

/// Holds documents out, spread evenly over all, so that every part of a corpus is among them: (train, held out).
fn spread(documents: Vec<Document>, share: f64) -> Result<(Vec<Document>, Vec<Document>), Error> {
    if !(share > 0.0 && share < 1.0) {
        let (name, expected) = ("the held-out fraction", "between 0 and 1");
        return Err(DataError::Setting { name, expected, found: share.to_string() }.into());
    }
    let all = documents.len();
    let held_out = ((all as f64 * share).round() as usize).max(2);
    let is_held_out = |index: usize| (index + 1) * held_out / all > index * held_out / all;
    let (mut train, mut apart) = (Vec::new(), Vec::new());
    for (index, document) in documents.into_iter().enumerate() {
        if is_held_out(index) { apart.push(document) } else { train.push(document) }
    }
    Ok((train, apart))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_out_documents_come_from_everywhere() {
        let documents = |n: u32| (0..n).map(|i| vec![vec![i]]).collect::<Vec<Document>>();
        let (train, held_out) = spread(documents(100), 0.05).unwrap();
        assert_eq!((train.len(), held_out.len()), (95, 5));
        assert_eq!(held_out.concat().concat(), [19, 39, 59, 79, 99]);
        assert_eq!(spread(documents(10), 0.01).unwrap().1.len(), 2);
        assert_eq!(spread(documents(3), 0.05).unwrap().0.len(), 1);
        assert!(spread(documents(10), 1.0).is_err());
    }
}

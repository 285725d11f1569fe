use std::path::{Path, PathBuf};

use tercet_data::stories::Stories;
use tercet_data::{Corpus, Error as DataError, Piece, Progress, StoreWriter, TokenStore, View};
use tercet_tokenizer::{Fingerprint, Tokenizer, Training};

use super::recipe::Recipe;
use super::settings::Settings;
use crate::error::Error;
use crate::model::folder_of;
use crate::output::{Waiting, count};

/// Seed of the generated corpus.
const STORIES_SEED: u64 = 0;
/// Stories that a tokenizer is trained on.
const STORIES_FOR_TOKENIZER: u64 = 4000;

/// What a run reads, as one long text of ids in which a separator ends each document.
pub struct Source {
    /// Makes the ids.
    pub tokenizer: Tokenizer,
    /// The text to train on.
    pub train: View,
    /// The text to measure the model on.
    pub held_out: HeldOutText,
    /// What it is, for a person.
    pub name: String,
}

/// Text that training does not see.
pub enum HeldOutText {
    /// Documents of a store.
    Documents(View),
    /// Stories of the generator, from number `first` on.
    Stories { stories: Stories, first: u64, separator: u32 },
}

impl Source {
    /// Prepares text and tokenizer as the settings say. `saved` is the tokenizer of a run that goes on.
    ///
    /// # Errors
    /// When something cannot be read or written, or does not fit.
    pub fn prepare(settings: &Settings<impl Recipe>, saved: Option<Tokenizer>) -> Result<Self, Error> {
        match settings.data.text.as_slice() {
            [] => Self::of_stories(settings, saved),
            [path] if path.extension().is_some_and(|extension| extension == "ids") => {
                Self::of_store(settings, path, saved)
            }
            paths => Self::of_text(settings, paths, saved),
        }
    }

    fn of_text(
        settings: &Settings<impl Recipe>,
        paths: &[PathBuf],
        saved: Option<Tokenizer>,
    ) -> Result<Self, Error> {
        let corpus = Corpus::open(paths, settings.data.document_split())?;
        let tokenizer = tokenizer_of_corpus(settings, &corpus, saved)?;
        let store = store_of(settings, &corpus, &tokenizer)?;
        let mut name = format!("{} bytes of text", count(corpus.bytes()));
        let (train, held_out) = if settings.data.held_out_text.is_empty() {
            store.view().split(settings.data.held_out)?
        } else {
            let corpus = Corpus::open(&settings.data.held_out_text, settings.data.document_split())?;
            (store.view(), store_of(settings, &corpus, &tokenizer)?.view())
        };
        if let [path] = paths {
            name = path.display().to_string();
        }
        Ok(Self { tokenizer, train, held_out: HeldOutText::Documents(held_out), name })
    }

    fn of_store(
        settings: &Settings<impl Recipe>,
        path: &Path,
        saved: Option<Tokenizer>,
    ) -> Result<Self, Error> {
        let store = TokenStore::open(path)?;
        let given = settings.data.tokenizer.as_deref().map(Tokenizer::open).transpose()?;
        let Some(tokenizer) = saved.or(given) else {
            return Err(Error::flag("tokenizer", "the tokenizer that made the store", "missing"));
        };
        store.check_tokenizer(&tokenizer)?;
        let (train, held_out) = store.view().split(settings.data.held_out)?;
        let held_out = HeldOutText::Documents(held_out);
        Ok(Self { tokenizer, train, held_out, name: path.display().to_string() })
    }

    fn of_stories(settings: &Settings<impl Recipe>, saved: Option<Tokenizer>) -> Result<Self, Error> {
        let (stories, count) = (stories(), settings.data.stories);
        let tokenizer = tokenizer_of_stories(settings, saved)?;
        let Some(separator) = tokenizer.end_of_text() else {
            let expected = "a tokenizer with an end of text, which the stories need between them";
            return Err(Error::flag("tokenizer", expected, "one without"));
        };
        let source = Fingerprint::of(format!("{} {count}", stories_identity()).as_bytes());
        let path = store_path(settings, &source, &tokenizer);
        let store = match existing(&path, &tokenizer, source)? {
            Some(store) => store,
            None => tell(&path, stories, count, &tokenizer, source, separator)?,
        };
        let held_out = HeldOutText::Stories { stories, first: count, separator };
        Ok(Self { tokenizer, train: store.view(), held_out, name: format!("{count} generated stories") })
    }
}

/// The generated corpus, the same for every run so that losses compare.
pub fn stories() -> Stories {
    Stories::new(STORIES_SEED)
}

/// What changes when the stories do.
pub fn stories_identity() -> String {
    format!("stories {STORIES_SEED} {} {}", env!("CARGO_PKG_VERSION"), stories().story(0).text)
}

/// The tokenizer of the settings: given, or trained once on this text and kept.
///
/// # Errors
/// When it cannot be read, trained or kept.
pub fn tokenizer_of_corpus(
    settings: &Settings<impl Recipe>,
    corpus: &Corpus,
    saved: Option<Tokenizer>,
) -> Result<Tokenizer, Error> {
    tokenizer(settings, saved, &format!("{:?}", corpus.fingerprint().0), |training| {
        let mut waiting = Waiting::new("training the tokenizer");
        let total = corpus.bytes();
        Ok(corpus.train_tokenizer(training, move |bytes| waiting.share(bytes, total))?)
    })
}

/// The tokenizer of the settings: given, or trained once on stories and kept.
///
/// # Errors
/// When it cannot be read, trained or kept.
pub fn tokenizer_of_stories(
    settings: &Settings<impl Recipe>,
    saved: Option<Tokenizer>,
) -> Result<Tokenizer, Error> {
    tokenizer(settings, saved, &stories_identity(), |training| {
        let _waiting = Waiting::new("training the tokenizer");
        Ok(training.run((0..STORIES_FOR_TOKENIZER).map(|index| stories().story(index).text))?)
    })
}

/// The tokenizer of the settings: given, or made by `train` and kept for this text.
///
/// # Errors
/// When it cannot be read, trained or kept.
pub fn tokenizer<R: Recipe>(
    settings: &Settings<R>,
    saved: Option<Tokenizer>,
    text: &str,
    train: impl FnOnce(&Training) -> Result<Tokenizer, Error>,
) -> Result<Tokenizer, Error> {
    if let Some(saved) = saved {
        return Ok(saved);
    }
    if let Some(path) = &settings.data.tokenizer {
        return Ok(Tokenizer::open(path)?);
    }
    if let Some(model) = &settings.model.from {
        return Ok(Tokenizer::open(folder_of(model)?)?);
    }
    let training = R::tokenizer_training(settings);
    let key = Fingerprint::of(format!("{training:?} {text}").as_bytes());
    let kept = settings.cache().join(format!("{key}-tokenizer"));
    if kept.join("tokenizer_config.json").is_file() {
        return Ok(Tokenizer::open(&kept)?);
    }
    let tokenizer = train(&training)?;
    tokenizer.save(&kept)?;
    Ok(tokenizer)
}

/// The text of a corpus as ids, kept for later runs.
///
/// # Errors
/// When it cannot be read or kept.
pub fn store_of(
    settings: &Settings<impl Recipe>,
    corpus: &Corpus,
    tokenizer: &Tokenizer,
) -> Result<TokenStore, Error> {
    let path = store_path(settings, &corpus.fingerprint(), tokenizer);
    make_folder(&path)?;
    let mut waiting = Waiting::new("tokenising");
    // Documents that are whole files of a character-level text need no mark between them.
    let separator = tokenizer.end_of_text();
    let progress = |p: Progress| waiting.share(p.bytes, p.total_bytes);
    Ok(TokenStore::open_or_build(&path, corpus, tokenizer, separator, progress)?)
}

/// Where the ids of a text are kept.
pub fn store_path(settings: &Settings<impl Recipe>, source: &Fingerprint, tokenizer: &Tokenizer) -> PathBuf {
    let key = Fingerprint::of(format!("{:?} {:?}", source.0, tokenizer.fingerprint().0).as_bytes());
    settings.cache().join(format!("{key}.ids"))
}

/// Makes the folder of a store.
///
/// # Errors
/// When it cannot be written.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().expect("a store lies in a folder");
    std::fs::create_dir_all(folder).map_err(Error::io(folder))
}

/// The store that is kept, where it is of this text and tokenizer.
///
/// # Errors
/// When it is damaged.
pub fn existing(
    path: &Path,
    tokenizer: &Tokenizer,
    source: Fingerprint,
) -> Result<Option<TokenStore>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let store = TokenStore::open(path)?;
    let same = store.tokenizer() == tokenizer.fingerprint() && store.source() == source;
    Ok(same.then_some(store))
}

/// Writes generated stories into a store.
fn tell(
    path: &Path,
    stories: Stories,
    count: u64,
    tokenizer: &Tokenizer,
    source: Fingerprint,
    separator: u32,
) -> Result<TokenStore, Error> {
    make_folder(path)?;
    let mut waiting = Waiting::new("telling stories");
    let piece = |index| Piece { text: stories.story(index).text, ends_document: true, bytes_read: index + 1 };
    let pieces = (0..count).map(|index| Ok::<_, DataError>(piece(index)));
    let mut writer = StoreWriter::create(path, tokenizer.vocab_size(), tokenizer.fingerprint(), source)?;
    writer.push_pieces(pieces, tokenizer, Some(separator), count, |p| waiting.share(p.bytes, count))?;
    Ok(writer.finish()?)
}

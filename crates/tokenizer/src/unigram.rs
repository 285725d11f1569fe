use std::path::Path;

use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::Precompiled;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Model, NormalizerWrapper, Tokenizer as Pipeline};

use crate::spiece::{Kind, Spiece};
use crate::{Error, Result, Tokenizer};

/// How many sentinels T5 has.
pub(crate) const SENTINELS: usize = 100;
/// The sign of a space, U+2581.
pub(crate) const SPACE: char = '▁';

impl Tokenizer {
    /// Opens T5's `spiece.model` and adds sentinels after its pieces: the last id is `<extra_id_0>`, the one before it
    /// `<extra_id_1>`, and so on. T5 has 100. A text ends with `</s>`.
    ///
    /// # Errors
    /// When the file is not a SentencePiece model, or one that is not Unigram.
    pub fn from_spiece(model: impl AsRef<Path>, sentinels: usize) -> Result<Self> {
        let path = model.as_ref();
        let spiece = Spiece::read(path)?;
        Ok(Self::new(from_pieces(spiece, sentinels).map_err(|e| Error::format(path, e))?, None))
    }

    /// The ids of the sentinels: `<extra_id_0>`, `<extra_id_1>`, ...; none where the tokenizer is not T5's.
    pub fn sentinels(&self) -> Vec<u32> {
        (0..).map_while(|i| self.token_to_id(&sentinel(i))).collect()
    }
}

fn sentinel(i: usize) -> String {
    format!("<extra_id_{i}>")
}

/// The pipeline that Hugging Face converts a `spiece.model` of T5 to.
fn from_pieces(spiece: Spiece, sentinels: usize) -> tokenizers::Result<Pipeline> {
    let unknown = spiece.pieces.iter().position(|piece| piece.kind == Kind::Unknown);
    let is_special = |kind| matches!(kind, Kind::Unknown | Kind::Control);
    let special: Vec<_> =
        spiece.pieces.iter().filter(|piece| is_special(piece.kind)).map(|piece| piece.text.clone()).collect();
    let own: Vec<_> = spiece.pieces.iter().filter(|piece| piece.kind == Kind::UserDefined).collect();
    let own: Vec<_> = own.into_iter().map(|piece| AddedToken::from(piece.text.as_str(), false)).collect();
    let pieces = spiece.pieces.into_iter().map(|piece| (piece.text, f64::from(piece.score))).collect();
    let normalizer = match spiece.charsmap.as_slice() {
        [] => None,
        charsmap => Some(Precompiled::from(charsmap)?.into()),
    };
    let model = with_sentinels(pieces, unknown, spiece.byte_fallback, sentinels)?;
    let mut pipeline = unigram(model, normalizer, &special, sentinels)?;
    pipeline.add_tokens(own)?;
    Ok(pipeline)
}

/// A model of these pieces, with sentinels after them where they are not among them.
pub(crate) fn with_sentinels(
    mut pieces: Vec<(String, f64)>,
    unknown: Option<usize>,
    byte_fallback: bool,
    sentinels: usize,
) -> tokenizers::Result<Unigram> {
    if !pieces.iter().any(|(text, _)| *text == sentinel(0)) {
        pieces.extend((0..sentinels).rev().map(|i| (sentinel(i), 0.0)));
    }
    Unigram::from(pieces, unknown, byte_fallback)
}

/// T5's pipeline around a model.
pub(crate) fn unigram(
    model: Unigram,
    normalizer: Option<NormalizerWrapper>,
    special_tokens: &[String],
    sentinels: usize,
) -> tokenizers::Result<Pipeline> {
    let byte_fallback = model.byte_fallback();
    let end = model.token_to_id("</s>");
    let spaces = Metaspace::new(SPACE, PrependScheme::Always, true);
    let mut pipeline = Pipeline::new(model);
    pipeline.with_normalizer(normalizer)?;
    pipeline.with_pre_tokenizer(Some(Sequence::new(vec![WhitespaceSplit.into(), spaces.clone().into()])));
    if byte_fallback {
        pipeline.with_decoder(Some(Decoders::new(vec![ByteFallback::new().into(), spaces.into()])));
    } else {
        pipeline.with_decoder(Some(spaces));
    }
    if let Some(end) = end {
        let template = TemplateProcessing::builder()
            .try_single("$A </s>")?
            .try_pair("$A </s> $B:0 </s>")?
            .special_tokens(vec![("</s>", end)])
            .build()?;
        pipeline.with_post_processor(Some(template));
    }
    let special = special_tokens.iter().cloned();
    let sentinels = (0..sentinels).rev().map(sentinel);
    let added: Vec<_> = special.chain(sentinels).map(|token| AddedToken::from(token, true)).collect();
    pipeline.add_special_tokens(added)?;
    Ok(pipeline)
}

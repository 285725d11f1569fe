use std::str::FromStr;

use crate::config::Config;
use crate::error::Error;

/// Which T5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The paper's: ReLU, the output layer tied to the embedding.
    V1_0,
    /// Its successor, which FLAN-T5 continues: gated GELU, untied; narrower feed-forward layers, for there are two.
    V1_1,
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "1.0" => Ok(Self::V1_0),
            "1.1" => Ok(Self::V1_1),
            _ => Err(Error::Config {
                field: "version",
                expected: "1.0 or 1.1".to_owned(),
                found: name.to_owned(),
            }),
        }
    }
}

/// A size with a name. Widths and numbers are those of v1.0; v1.1 distributes its parameters a little otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// 2 + 2 layers, 128 wide, 2 heads: for tests and first steps.
    Tiny,
    /// 4 + 4 layers, 256 wide, 4 heads.
    Mini,
    /// 6 + 6 layers (v1.1: 8 + 8), 512 wide: 61M or 77M parameters.
    Small,
    /// 12 + 12 layers, 768 wide: 223M or 248M.
    Base,
    /// 24 + 24 layers, 1024 wide: 738M or 783M.
    Large,
    /// 24 + 24 layers: 2.9G; v1.1 calls it XL.
    B3,
    /// 24 + 24 layers: 11G; v1.1 calls it XXL.
    B11,
}

impl Preset {
    /// Every preset, smallest first.
    pub const ALL: [Self; 7] =
        [Self::Tiny, Self::Mini, Self::Small, Self::Base, Self::Large, Self::B3, Self::B11];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Mini => "mini",
            Self::Small => "small",
            Self::Base => "base",
            Self::Large => "large",
            Self::B3 => "3b",
            Self::B11 => "11b",
        }
    }

    /// The configuration of this size, everything else at its default.
    pub fn config(self, version: Version) -> Config {
        use Version::{V1_0, V1_1};
        let (num_layers, d_model, num_heads, d_kv, d_ff) = match (self, version) {
            (Self::Tiny, V1_0) => (2, 128, 2, 64, 512),
            (Self::Tiny, V1_1) => (2, 128, 2, 64, 384),
            (Self::Mini, V1_0) => (4, 256, 4, 64, 1024),
            (Self::Mini, V1_1) => (4, 256, 4, 64, 704),
            (Self::Small, V1_0) => (6, 512, 8, 64, 2048),
            (Self::Small, V1_1) => (8, 512, 6, 64, 1024),
            (Self::Base, V1_0) => (12, 768, 12, 64, 3072),
            (Self::Base, V1_1) => (12, 768, 12, 64, 2048),
            (Self::Large, V1_0) => (24, 1024, 16, 64, 4096),
            (Self::Large, V1_1) => (24, 1024, 16, 64, 2816),
            (Self::B3, V1_0) => (24, 1024, 32, 128, 16384),
            (Self::B3, V1_1) => (24, 2048, 32, 64, 5120),
            (Self::B11, V1_0) => (24, 1024, 128, 128, 65536),
            (Self::B11, V1_1) => (24, 4096, 64, 64, 10240),
        };
        let (feed_forward_proj, tie_word_embeddings) = match version {
            V1_0 => ("relu".to_owned(), true),
            V1_1 => ("gated-gelu".to_owned(), false),
        };
        Config {
            num_layers,
            d_model,
            num_heads,
            d_kv,
            d_ff,
            feed_forward_proj,
            tie_word_embeddings,
            ..Config::default()
        }
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let unknown = || Error::Config { field: "size", expected: names(), found: name.to_owned() };
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(unknown)
    }
}

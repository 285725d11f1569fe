use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use tokenizers::{Model, ModelWrapper};

use crate::word_piece::normalization;
use crate::{Error, Result, Tokenizer};

impl Tokenizer {
    /// Saves the tokenizer in Hugging Face form into a folder, which is made if it is missing.
    ///
    /// Writes `tokenizer.json`, `tokenizer_config.json` and the vocabulary files of the model (`vocab.json` and
    /// `merges.txt` for BPE, `vocab.txt` for WordPiece), each whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let made = tempfile::tempdir_in(folder).map_err(Error::io(folder))?;
        let files = match self.as_saved().get_model() {
            // Nothing reads the file that `tokenizers` would write.
            ModelWrapper::Unigram(_) => Vec::new(),
            model => model.save(made.path(), None).map_err(|e| Error::format(folder, e))?,
        };
        for file in files {
            let bytes = fs::read(&file).map_err(Error::io(&file))?;
            let name = file.file_name().expect("a saved vocabulary has a file name");
            write(&folder.join(name), &bytes)?;
        }
        let content = self.as_saved().to_string(true).expect("a tokenizer is plain data");
        write(&folder.join("tokenizer.json"), content.as_bytes())?;
        write(&folder.join("tokenizer_config.json"), format!("{:#}\n", self.config()).as_bytes())
    }

    /// What transformers needs besides `tokenizer.json` to know the class and the special tokens.
    fn config(&self) -> Value {
        let normalization = normalization(self.as_saved());
        let mut config = match (self.as_saved().get_model(), normalization) {
            (ModelWrapper::BPE(_), _) => {
                json!({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": false})
            }
            (_, Some(normalization)) => {
                let mut config = json!(normalization);
                config["tokenizer_class"] = json!("BertTokenizer");
                config
            }
            (ModelWrapper::Unigram(_), _) if !self.sentinels().is_empty() => {
                json!({"tokenizer_class": "T5Tokenizer", "extra_ids": self.sentinels().len()})
            }
            _ => json!({"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": false}),
        };
        config["clean_up_tokenization_spaces"] = json!(false);
        let own = [
            ("pad_token", ["[PAD]", "<pad>"]),
            ("unk_token", ["[UNK]", "<unk>"]),
            ("cls_token", ["[CLS]", "<cls>"]),
            ("sep_token", ["[SEP]", "<sep>"]),
            ("mask_token", ["[MASK]", "<mask>"]),
        ];
        for (name, tokens) in own {
            if let Some(token) = tokens.into_iter().find(|token| self.token_to_id(token).is_some()) {
                config[name] = json!(token);
            }
        }
        let Some(end) = self.end_of_text.and_then(|id| self.id_to_token(id)) else { return config };
        match end.as_str() {
            "[SEP]" => {}
            "</s>" => config["eos_token"] = json!(end),
            _ => ["bos_token", "eos_token", "unk_token"].iter().for_each(|name| config[*name] = json!(end)),
        }
        config
    }
}

/// Writes beside the file, then renames, so that a kill leaves the old file or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().expect("a file in a folder");
    let mut builder = tempfile::Builder::new();
    // As any other new file; a temporary one would be for its owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(Error::io(path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(Error::io(path))?;
    file.persist(path).map_err(|e| Error::io(path)(e.error))?;
    Ok(())
}

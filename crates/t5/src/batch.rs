use tercet_attention::Batch;
use tercet_tensor::ops::Target;

/// T5's input for training: texts to read, and what the decoder should say about each. There is no padding.
#[derive(Clone)]
pub struct T5Batch {
    /// What the encoder reads.
    pub inputs: Batch,
    /// What the decoder reads, one sequence for each of `inputs`: its own answer, one position late.
    pub decoder_inputs: Batch,
    /// What each row of the decoder should say next.
    pub labels: Vec<u32>,
}

impl T5Batch {
    /// A batch of texts and their answers, each with its end id. The decoder reads `start` and then the answer but for
    /// its last id (teacher forcing).
    ///
    /// # Panics
    /// When there are not as many answers as texts.
    pub fn new<S: AsRef<[u32]>, L: AsRef<[u32]>>(inputs: &[S], answers: &[L], start: u32) -> Self {
        Self::teacher_forced(Batch::new(inputs), Batch::new(answers), start)
    }

    /// [`T5Batch::new`] of texts and answers that lie end to end already.
    ///
    /// # Panics
    /// When there are not as many answers as texts.
    pub fn teacher_forced(inputs: Batch, answers: Batch, start: u32) -> Self {
        let Batch { ids: labels, positions, sequences } = answers;
        let (texts, count) = (inputs.sequences.len(), sequences.len());
        assert_eq!(texts, count, "{texts} texts, {count} answers");
        let mut ids = Vec::with_capacity(labels.len());
        for range in sequences.ranges() {
            let before_last = labels[range.clone()].split_last().map(|(_, rest)| rest);
            ids.extend(
                before_last.into_iter().flat_map(|rest| [start].into_iter().chain(rest.iter().copied())),
            );
        }
        Self { inputs, decoder_inputs: Batch { ids, positions, sequences }, labels }
    }

    /// A target of weight `weight` for every row of the decoder.
    pub fn targets(&self, weight: f32) -> Vec<Target> {
        self.labels.iter().zip(0..).map(|(&id, row)| Target { row, id, weight }).collect()
    }
}

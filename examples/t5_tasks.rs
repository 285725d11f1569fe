//! Two tasks as text to text: a small T5 learns to sort and to count, and is asked.
//!
//! `cargo run --release -p tercet-examples --bin t5_tasks [STEPS]`

use std::error::Error;

use tercet_attention::Batch;
use tercet_generate::{GenerationConfig, generate};
use tercet_t5::{Config, InitPreset, Preset, T5Batch, T5ForConditionalGeneration, Version};
use tercet_tasks::{Content, Encoder, Lengths, Member, Mixing, Mixture, Split, Task};
use tercet_tensor::ops::LossTerms;
use tercet_tensor::{Params, Pool, Tape};
use tercet_tokenizer::{Special, Training};
use tercet_train::{Adafactor, Decays, Optimizer, Rule};

const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let steps: u64 = std::env::args().nth(1).map_or(Ok(400), |steps| steps.parse())?;

    // A mixture draws a task by its rate, and the task's next example. Both kinds of examples have no end.
    let tasks = [Task::named("sort")?, Task::named("count")?];
    let member = |task: &'static Task| Ok(Member::of_task(task, None, Split::Train, 0)?.with_rate(1.0));
    let members = tasks.into_iter().map(member).collect::<Result<Vec<_>, tercet_tasks::Error>>()?;
    let mut mixture = Mixture::new(members, Mixing::default(), 0)?;

    let mut texts = Vec::new();
    for task in tasks {
        let examples = task.open(None, Split::Train, 0)?.first(500);
        texts.extend(examples.into_iter().flat_map(|example| [example.inputs, example.targets]));
    }
    let tokenizer = Training::unigram(500).run(texts.iter())?;
    let (start, end) = (0, tokenizer.end_of_text().expect("a trained Unigram vocabulary has one"));
    let encoder = Encoder::new(tokenizer.clone(), Lengths { inputs: 64, targets: 16 })?;
    let ended = |mut ids: Vec<u32>| {
        ids.push(end);
        ids
    };

    let config = Config { vocab_size: tokenizer.vocab_size(), ..Preset::Tiny.config(Version::V1_1) };
    let config = config.without_dropout();
    let params = Params::new();
    let model = T5ForConditionalGeneration::new(&params, &config, InitPreset::T5x);
    params.init(0);
    let mut optimizer = Optimizer::new(Rule::Adafactor(Adafactor::default()), Decays::Matrices, &params);
    let pool = Pool::new();

    for step in 0..steps {
        // Examples of any lengths lie end to end.
        let (mut inputs, mut answers) = (Vec::new(), Vec::new());
        for drawn in mixture.by_ref().take(BATCH) {
            let Content::Text(example) = drawn?.content else { continue };
            let ids = encoder.encode("example", &example)?;
            inputs.push(ended(ids.inputs));
            answers.push(ended(ids.targets));
        }
        let batch = T5Batch::new(&inputs, &answers, start);

        params.zero_grad();
        let loss = {
            let tape = Tape::train_in(&pool, step);
            let targets = batch.targets(1.0 / batch.labels.len() as f32);
            let loss = model.loss(&tape, &batch, &targets, LossTerms::default()).total;
            tape.backward(&loss);
            loss.item()
        };
        optimizer.step(&params, 0.01, 1.0);
        if (step + 1) % (steps / 10).max(1) == 0 {
            println!("step {:4}  loss {loss:.3}", step + 1);
        }
    }

    // Questions that were not among those to learn from, answered greedily, all at once.
    let sort = tasks[0];
    let questions = sort.open(None, Split::Validation, 0)?.first(50);
    let inputs = questions.iter().map(|question| Ok(ended(encoder.inputs(&question.inputs)?)));
    let inputs = Batch::new(&inputs.collect::<Result<Vec<_>, tercet_tasks::Error>>()?);
    let settings =
        GenerationConfig { max_new_tokens: Some(16), eos_token_id: vec![end], ..GenerationConfig::default() };
    let mut session = model.session(&config, &inputs, 16);
    let starts = vec![[start]; questions.len()];
    let written = generate(|step| session.step(step.parents, step.ids), &starts, &settings)?;
    let answers = written.iter().map(|outputs| tokenizer.decode(&outputs[0].ids, Special::Without));
    let answers = answers.collect::<Result<Vec<_>, _>>()?;
    for (question, answer) in questions.iter().zip(&answers).take(3) {
        println!("{} → {answer}", question.inputs);
    }
    println!("sorted rightly, of 100: {}", sort.score(&questions, &answers)[0].value);
    Ok(())
}

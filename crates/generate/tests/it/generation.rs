//! Greedy search, sampling and beams over models whose best sequences are known.

use tercet_generate::{
    EarlyStopping, Error, Finish, Generation, GenerationConfig, Output, Step, generate, uniform,
};

const VOCABULARY: usize = 6;

/// A model of which each sequence's logits are a function of its own ids, kept in a cache as a real one would.
struct Cached<F> {
    cache: Vec<Vec<u32>>,
    logits: F,
}

impl<F: Fn(&[u32]) -> Vec<f32>> Cached<F> {
    fn model(logits: F) -> impl FnMut(Step<'_>) -> Vec<f32> {
        let mut cached = Cached { cache: Vec::new(), logits };
        move |step| cached.step(step)
    }

    fn step(&mut self, step: Step<'_>) -> Vec<f32> {
        assert!(step.parents.is_empty() || step.parents.len() == step.ids.len());
        self.cache = match step.parents {
            [] => vec![Vec::new(); step.ids.len()],
            parents => parents.iter().map(|&parent| self.cache[parent].clone()).collect(),
        };
        self.cache.iter_mut().zip(step.ids).for_each(|(ids, new)| ids.extend(*new));
        self.cache.iter().flat_map(|ids| (self.logits)(ids)).collect()
    }
}

/// Logits without pattern, that depend on all ids.
fn noise(ids: &[u32]) -> Vec<f32> {
    let seed = ids.iter().fold(17, |hash: u64, &id| hash.wrapping_mul(31).wrapping_add(u64::from(id) + 1));
    (0..VOCABULARY as u64).map(|id| 4.0 * uniform(seed, id, 0) as f32).collect()
}

fn config(max_new_tokens: usize) -> GenerationConfig {
    GenerationConfig { max_new_tokens: Some(max_new_tokens), ..Default::default() }
}

fn ids(outputs: Vec<Vec<Output>>) -> Vec<Vec<u32>> {
    outputs.into_iter().flatten().map(|output| output.ids).collect()
}

#[test]
fn a_batch_gives_what_each_prompt_gives_alone() {
    let prompts = [vec![1, 2, 3], vec![4], vec![0, 0, 0, 0, 0, 5], vec![2, 2]];
    for num_beams in [1, 3] {
        let config = GenerationConfig { num_beams, eos_token_id: vec![3], ..config(30) };
        let together = generate(Cached::model(noise), &prompts, &config).unwrap();
        let lengths: Vec<usize> = together.iter().map(|outputs| outputs[0].ids.len()).collect();
        assert!(lengths.iter().any(|&length| length != lengths[0]), "all end together: {lengths:?}");
        for (prompt, together) in prompts.iter().zip(together) {
            assert_eq!(generate(Cached::model(noise), &[prompt], &config).unwrap(), [together]);
        }
    }
}

#[test]
fn sampling_follows_the_distribution() {
    let logits = [1.0f32, 0.0, -1.0, 0.5];
    let model = |step: Step<'_>| logits.repeat(step.ids.len());
    let config = GenerationConfig { do_sample: true, temperature: 0.5, ..config(20_000) };
    let sampled = ids(generate(model, &[[0]], &config).unwrap()).remove(0);
    let total: f64 = logits.iter().map(|&logit| f64::from(2.0 * logit).exp()).sum();
    for (id, &logit) in (0..).zip(&logits) {
        let expected = f64::from(2.0 * logit).exp() / total;
        let found = sampled.iter().filter(|&&sampled| sampled == id).count() as f64 / sampled.len() as f64;
        let deviation = (expected * (1.0 - expected) / sampled.len() as f64).sqrt();
        assert!((found - expected).abs() < 4.0 * deviation, "id {id}: {found}, expected {expected}");
    }
}

#[test]
fn the_seed_and_nothing_else_decides_a_sample() {
    let sample = |seed| {
        let config = GenerationConfig { do_sample: true, seed, ..config(30) };
        ids(generate(Cached::model(noise), &[[1], [1]], &config).unwrap())
    };
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    assert_ne!(sample(1)[0], sample(1)[1], "equal prompts draw their own numbers");
}

#[test]
fn a_prompt_is_read_once_for_all_its_samples() {
    let prompts = [vec![1, 2], vec![4], vec![0, 5, 1]];
    let config = GenerationConfig { do_sample: true, num_return_sequences: 3, ..config(12) };
    let mut read = Vec::new();
    let mut cached = Cached { cache: Vec::new(), logits: noise };
    let model = |step: Step<'_>| {
        read.push(step.ids.iter().map(|ids| ids.len()).collect::<Vec<_>>());
        cached.step(step)
    };
    let found = generate(model, &prompts, &config).unwrap();
    assert_eq!((&read[0], &read[1]), (&vec![2, 1, 3], &vec![1; 9]));
    // The same as each prompt given three times.
    let thrice: Vec<Vec<u32>> = prompts.iter().flat_map(|prompt| vec![prompt.clone(); 3]).collect();
    let alone = GenerationConfig { num_return_sequences: 1, ..config };
    let expected = ids(generate(Cached::model(noise), &thrice, &alone).unwrap());
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [3; 3]);
    assert_eq!(ids(found), expected);
}

#[test]
fn enough_beams_find_the_most_probable_sequence() {
    const LENGTH: usize = 4;
    let log_p = |ids: &[u32]| {
        let step = |n: usize| {
            let logits = noise(&ids[..n]);
            let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
            f64::from(logits[ids[n] as usize]) - sum.ln()
        };
        (1..ids.len()).map(step).sum::<f64>()
    };
    let all = (0..VOCABULARY.pow(LENGTH as u32)).map(|n| {
        let digits = (0..LENGTH as u32).map(|i| (n / VOCABULARY.pow(i) % VOCABULARY) as u32);
        std::iter::once(2).chain(digits).collect::<Vec<u32>>()
    });
    let mut all: Vec<(f64, Vec<u32>)> = all.map(|ids| (log_p(&ids), ids)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));

    let beams = VOCABULARY.pow(LENGTH as u32 - 1);
    let config =
        GenerationConfig { num_beams: beams, num_return_sequences: 5, length_penalty: 0.0, ..config(LENGTH) };
    let found = generate(Cached::model(noise), &[[2]], &config).unwrap().remove(0);
    for (output, (log_p, ids)) in found.iter().zip(&all) {
        assert_eq!((&output.ids[..], output.finish), (&ids[1..], Finish::Length));
        assert!((f64::from(output.score.unwrap()) - log_p).abs() < 1e-5);
    }
}

#[test]
fn beams_stop_when_their_rule_says_so() {
    // An end has p = 0.3 at every step, so that finished sequences come soon; 0 has 0.5, 1 has 0.2.
    let p = [0.5f32, 0.2, 0.3];
    let count = |p: [f32; 3], early_stopping, length_penalty| {
        let mut steps = 0;
        let counted = |step: Step<'_>| {
            steps += 1;
            p.map(f32::ln).repeat(step.ids.len())
        };
        let config = GenerationConfig {
            num_beams: 2,
            eos_token_id: vec![2],
            early_stopping,
            length_penalty,
            ..config(50)
        };
        generate(counted, &[[0]], &config).unwrap();
        steps
    };
    let steps = |early_stopping, length_penalty| count(p, early_stopping, length_penalty);
    // Finished after the first steps: ln 0.3 = -1.20 and ln 0.5·0.3 = -1.90; the best beam has n·ln 0.5 = -0.69·n.
    assert_eq!(steps(EarlyStopping::AtEnoughFinished, 0.0), 2);
    assert_eq!(steps(EarlyStopping::Heuristic, 0.0), 3, "-0.69·3 is the first below -1.90");
    assert_eq!(steps(EarlyStopping::Never, 0.0), 3, "no length helps where length does not count");
    assert_eq!(steps(EarlyStopping::AtEnoughFinished, 1.0), 2);
    assert_eq!(steps(EarlyStopping::Heuristic, 1.0), 50, "each step, -0.69 is better than any end");
    // A penalty of -1 multiplies by the length: -1.20 and -3.79 finish; -0.69·n² is below from 3 on.
    assert_eq!(steps(EarlyStopping::Heuristic, -1.0), 3);
    // Where longer is better: 0.9 and 0.06·0.9 finish with -0.1 and -2.9/2² = -0.7; 0.06² has -5.6/2² = -1.4 after two
    // steps, but may come to -5.6/50².
    let p = [0.06, 0.04, 0.9];
    assert_eq!(count(p, EarlyStopping::Heuristic, 2.0), 2);
    assert_eq!(count(p, EarlyStopping::Never, 2.0), 50);
}

#[test]
fn a_sequence_can_be_stopped_from_outside() {
    let mut generation = Generation::new(Cached::model(noise), &[[1], [2], [3]], &config(5)).unwrap();
    let first = generation.next().unwrap().unwrap();
    generation.stop(1);
    let rest: Vec<_> = generation.map(Result::unwrap).collect();
    assert_eq!(first.sequence, 0);
    assert_eq!(rest.len(), 4 + 5);
    assert!(rest.iter().all(|token| token.sequence != 1));
}

#[test]
fn a_sequence_ends_at_the_models_last_position() {
    let config = GenerationConfig { max_length: Some(8), ..config(100) };
    let outputs = generate(Cached::model(noise), &[vec![1; 3], vec![1; 7]], &config).unwrap();
    assert_eq!(ids(outputs).iter().map(Vec::len).collect::<Vec<_>>(), [5, 1]);
}

#[test]
fn what_cannot_be_generated_from_is_named() {
    let message = |prompt: &[u32], config| {
        let model = |step: Step<'_>| vec![f32::NAN; step.ids.len() * 2];
        generate(model, &[prompt], &config).unwrap_err().to_string()
    };
    assert_eq!(message(&[], config(1)), "prompt 0 is empty, expected at least one id");
    let short = GenerationConfig { max_length: Some(2), ..config(1) };
    assert_eq!(message(&[1, 1], short), "prompt 0 has 2 ids, expected fewer than the maximum length of 2");
    assert_eq!(
        message(&[1], config(1)),
        "sequence 0: at position 1 every id is ruled out or its logit is not a number"
    );
    let cold = GenerationConfig { temperature: 0.0, ..config(1) };
    assert_eq!(message(&[1], cold), "generation config: temperature is 0, expected a number above 0");
    let many = GenerationConfig { num_return_sequences: 2, ..config(1) };
    assert_eq!(
        message(&[1], many),
        "generation config: num_return_sequences is 2, expected from 1 to num_beams, or any number when do_sample is true"
    );
    let endless = GenerationConfig::default();
    assert_eq!(
        message(&[1], endless),
        "generation config: max_new_tokens is none, expected a limit where eos_token_id is missing"
    );
    assert!(matches!(GenerationConfig::from_json(r#"{"early_stopping": "soon"}"#), Err(Error::Json(_))));
}

#[test]
fn a_configuration_survives_the_way_there_and_back() {
    let text = r#"{"eos_token_id": [1, 2], "top_k": null, "early_stopping": "never", "transformers_version": "5.0", "max_length": 9}"#;
    let config = GenerationConfig::from_json(text).unwrap();
    assert_eq!(config.other["transformers_version"], "5.0");
    let again = GenerationConfig::from_json(&serde_json::to_string(&config).unwrap()).unwrap();
    assert_eq!(config, again);
}

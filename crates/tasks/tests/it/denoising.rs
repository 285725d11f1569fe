//! Text without labels: all of it comes, in an order that can be resumed.

use tercet_objectives::denoising::Objective;
use tercet_objectives::spans::{Example, Noise};
use tercet_tasks::Denoising;

use crate::{store, tokenizer};

/// 300 documents of 7 ids each and an end: 70 of each of 30 ids.
fn documents(end: u32) -> Vec<Vec<u32>> {
    let document = |at: u32| (0..7).map(|i| 10 + (at * 7 + i) % 30).chain([end]).collect();
    (0..300).map(document).collect()
}

fn denoising(objective: Objective) -> Denoising {
    let (tokenizer, folder) = (tokenizer(), tempfile::tempdir().unwrap());
    let end = tokenizer.end_of_text().unwrap();
    let store = store(&folder, &tokenizer, &documents(end));
    Denoising::new(store.view(), &tokenizer, objective, 20, 3).unwrap()
}

fn take(text: &mut Denoising, count: usize) -> Vec<Example> {
    (0..count).map(|_| text.next_example().unwrap()).collect()
}

#[test]
fn an_epoch_has_every_id_once() {
    let mut text = denoising(Objective::PrefixLm { density: 0.5 });
    assert_eq!(text.length(), 20);
    let mut ids = Vec::new();
    while text.position().epoch == 0 {
        let Example { inputs, targets } = text.next_example().unwrap();
        ids.extend(inputs.into_iter().chain(targets));
    }
    // The last example is the first of the next epoch.
    let mut counts = vec![0; 40];
    ids.iter().for_each(|&id| counts[id as usize] += 1);
    assert!((2100 - 2..=2100 + 20).contains(&ids.len()), "{} ids", ids.len());
    assert!(counts[..10].iter().all(|&count| count == 0), "ends are left out");
    assert!(counts[10..].iter().all(|&count| count >= 69), "{counts:?}");
}

#[test]
fn spans_fill_their_length() {
    let mut text = denoising(Objective::Spans(Noise::default()));
    let lengths = Noise::default().lengths(20).unwrap();
    assert_eq!(text.length(), lengths.text);
    let examples = take(&mut text, 50);
    let full = examples.iter().filter(|e| e.inputs.len() + 1 == lengths.inputs).count();
    assert!(full >= 45, "{full} of 50 are of full length");
    assert!(examples.iter().all(|e| e.targets.len() < lengths.targets));
}

#[test]
fn a_resume_goes_on_with_the_next_example() {
    let mut text = denoising(Objective::default());
    for skipped in [0, 1, 30, 200] {
        take(&mut text, skipped);
        let position = text.position();
        let expected = take(&mut text, 60);
        let mut resumed = denoising(Objective::default());
        resumed.restore(position).unwrap();
        assert_eq!(take(&mut resumed, 60), expected);
        assert_eq!(resumed.position(), text.position());
    }
}

#[test]
fn neighbours_in_a_batch_are_not_neighbours_in_the_text() {
    let mut text = denoising(Objective::PrefixLm { density: 0.5 });
    let starts: Vec<u32> = take(&mut text, 40).iter().map(|example| example.inputs[0]).collect();
    assert!(starts.windows(2).filter(|pair| pair[0] < pair[1]).count() < 32, "{starts:?}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let (tokenizer, folder) = (tokenizer(), tempfile::tempdir().unwrap());
    let end = tokenizer.end_of_text().unwrap();
    let text = store(&folder, &tokenizer, &documents(end)).view();
    // 100 sentinels are not enough for single ids hidden in 2047.
    let e = Denoising::new(text.clone(), &tokenizer, Objective::Iid { density: 0.5 }, 2048, 0).unwrap_err();
    assert!(e.to_string().contains("one with enough sentinels"), "{e}");
    let noise = Noise { density: 1.5, mean_span: 3.0 };
    assert!(Denoising::new(text.clone(), &tokenizer, Objective::Spans(noise), 20, 0).is_err());
    let plain = tercet_tokenizer::Training::byte_level_bpe(300).run(["a b c"].iter()).unwrap();
    assert!(Denoising::new(text.clone(), &plain, Objective::default(), 20, 0).is_err());
    let mut position = denoising(Objective::default()).position();
    position.documents = 5;
    let e = denoising(Objective::default()).restore(position).unwrap_err();
    assert!(e.to_string().starts_with("the saved position is in data of 5 windows"), "{e}");
    let nothing = tempfile::tempdir().unwrap();
    let ends = store(&nothing, &tokenizer, &[vec![end], vec![end], vec![end]]).view();
    let mut ends = Denoising::new(ends, &tokenizer, Objective::default(), 20, 0).unwrap();
    assert!(ends.next_example().is_err());
}

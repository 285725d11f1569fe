//! From examples to ids.

use tercet_tasks::{Content, Encoder, Example, Lengths, Reference};

use crate::tokenizer;

fn example(inputs: &str, targets: &str) -> Example {
    Example { inputs: inputs.to_owned(), targets: targets.to_owned(), reference: Reference::Target }
}

#[test]
fn inputs_are_cut_and_targets_are_not() {
    let tokenizer = tokenizer();
    let encoder = Encoder::new(tokenizer.clone(), Lengths { inputs: 4, targets: 6 }).unwrap();
    let ids = encoder.encode("sort", &example("sort: five four three two one", "one two")).unwrap();
    assert_eq!(ids.inputs.len(), 3);
    assert_eq!(tokenizer.decode(&ids.targets, tercet_tokenizer::Special::Without).unwrap(), "one two");
    let e = encoder.encode("sort", &example("sort: five", "one two three four five one two three four five"));
    let message = e.unwrap_err().to_string();
    let (start, end) = message.split_once(" ids where ").unwrap();
    assert!(start.starts_with("sort: a target of "), "{message}");
    assert!(end.starts_with("6 are allowed, the end of text included: \"one two three"), "{message}");
}

#[test]
fn corrupted_text_has_to_fit_as_well() {
    let encoder = Encoder::new(tokenizer(), Lengths { inputs: 4, targets: 4 }).unwrap();
    let ids = |count: u32| tercet_objectives::spans::Example {
        inputs: vec![1; 9],
        targets: vec![1; count as usize],
    };
    assert_eq!(encoder.encode_content("text", Content::Ids(ids(3))).unwrap().inputs.len(), 3);
    assert!(encoder.encode_content("text", Content::Ids(ids(4))).is_err());
    assert!(Encoder::new(tokenizer(), Lengths { inputs: 1, targets: 4 }).is_err());
}

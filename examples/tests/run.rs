//! Runs every example in a small size, and holds the number that it ends in against what it must be.

use std::process::Command;

/// The last word that an example prints, as a number.
fn last_number(example: &str, arguments: &[&str]) -> f64 {
    let output = Command::new(example).args(arguments).output().expect("the example starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    let word = out.split_whitespace().last().unwrap_or_else(|| panic!("{example} printed nothing"));
    word.parse().unwrap_or_else(|_| panic!("{example} ends in {word:?}:\n{out}"))
}

#[test]
fn pretrain_gpt2_learns() {
    let loss = last_number(env!("CARGO_BIN_EXE_pretrain_gpt2"), &["30"]);
    // Uniform guessing over 1024 tokens is ln 1024 = 6.93; the stories themselves hold far less.
    assert!((2.0..6.2).contains(&loss), "{loss}");
}

#[test]
fn pretrain_bert_learns() {
    let accuracy = last_number(env!("CARGO_BIN_EXE_pretrain_bert"), &["40"]);
    // Saying the most frequent token always is right about every fifteenth time; never by a head that is blind.
    assert!((0.04..0.9).contains(&accuracy), "{accuracy}");
}

#[test]
fn load_gpt2_gives_normed_features() {
    // An untrained final norm gives every token's features a mean square of 1, up to its ε.
    let size = last_number(env!("CARGO_BIN_EXE_load_gpt2"), &[]);
    assert!((0.98..=1.0).contains(&size), "{size}");
}

#[test]
fn new_op_is_what_its_equation_says() {
    let deviation = last_number(env!("CARGO_BIN_EXE_new_op"), &[]);
    assert!(deviation < 1e-6, "{deviation}");
}

#[test]
fn objective_only_predicts_every_id_but_the_first() {
    assert_eq!(last_number(env!("CARGO_BIN_EXE_objective_only"), &[]), 999.0);
}

#[test]
fn span_corruption_fills_inputs_of_512_from_568() {
    assert_eq!(last_number(env!("CARGO_BIN_EXE_span_corruption"), &[]), 568.0);
}

#[test]
fn bert_features_gives_vectors_of_length_one() {
    assert_eq!(last_number(env!("CARGO_BIN_EXE_bert_features"), &[]), 1.0);
}

#[test]
fn fill_mask_knows_what_it_has_learned() {
    let probability = last_number(env!("CARGO_BIN_EXE_fill_mask"), &[]);
    // One word of six; there are five other endings that the sentence could have.
    assert!(probability > 0.5, "{probability}");
}

#[test]
fn pretrain_t5_learns() {
    let loss = last_number(env!("CARGO_BIN_EXE_pretrain_t5"), &["30"]);
    // Uniform guessing over 1024 tokens is ln 1024 = 6.93.
    assert!((1.5..6.3).contains(&loss), "{loss}");
}

#[test]
fn t5_tasks_are_learnt() {
    let right = last_number(env!("CARGO_BIN_EXE_t5_tasks"), &["300"]);
    assert!(right > 50.0, "{right}");
}

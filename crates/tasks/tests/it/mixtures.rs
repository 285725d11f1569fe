//! Several tasks as one stream: how often each comes, the same stream again, the stream from the middle.

use std::collections::BTreeMap;

use tercet_objectives::denoising::Objective;
use tercet_tasks::{Content, Denoising, Error, Member, Mixing, Mixture, MixtureFile, Position, Split, Task};

use crate::{folder, store, tokenizer};

/// Two tasks of 30 and 10 examples, a generated one, and text.
fn members() -> Vec<Member> {
    let rows = |count: usize| (0..count).map(|i| format!("number {i}\t{}\n", i % 2)).collect::<String>();
    let table = |count| folder("train.tsv", &format!("sentence\tlabel\n{}", rows(count)));
    let read = |count| {
        Member::of_task(Task::named("sst2").unwrap(), Some(table(count).path()), Split::Train, 0).unwrap()
    };
    let generated = Member::of_task(Task::named("sort").unwrap(), None, Split::Train, 5).unwrap();
    let (tokenizer, folder) = (tokenizer(), tempfile::tempdir().unwrap());
    let documents: Vec<Vec<u32>> =
        (0..200).map(|i| (0..9).map(|j| 10 + (i * 9 + j) % 30).collect()).collect();
    let text = store(&folder, &tokenizer, &documents).view();
    let text = Denoising::new(text, &tokenizer, Objective::default(), 20, 1).unwrap();
    vec![read(30), read(10), generated, Member::of_text("unsupervised", text)]
}

fn mixture(mixing: Mixing, seed: u64) -> Mixture {
    Mixture::new(members(), mixing, seed).unwrap()
}

const EVEN: Mixing = Mixing { limit: 40.0, temperature: 1.0 };

#[test]
fn rates_are_the_papers() {
    let mixing = Mixing { limit: 100.0, temperature: 2.0 };
    assert_eq!(mixing.rate(Some(64)), 8.0);
    assert_eq!(mixing.rate(Some(6400)), 10.0);
    assert_eq!(mixing.rate(None), 10.0);
    assert_eq!(Mixing::default().rate(Some(392_702)), 392_702.0);
    assert_eq!(Mixing::default().rate(Some(1_000_000)), 524_288.0);
    let mixture = mixture(EVEN, 0);
    let expected = [30.0, 10.0, 40.0, 40.0].map(|rate| rate / 120.0);
    for (member, share) in expected.into_iter().enumerate() {
        assert!((mixture.share(member) - share).abs() < 1e-12);
    }
}

#[test]
fn members_come_as_often_as_their_rates_say() {
    const DRAWS: usize = 40_000;
    let mixture = mixture(EVEN, 11);
    let shares: Vec<f64> = (0..4).map(|member| mixture.share(member)).collect();
    let mut counts = [0.0; 4];
    for drawn in mixture.take(DRAWS) {
        counts[drawn.unwrap().member] += 1.0;
    }
    for (count, share) in counts.iter().zip(shares) {
        let expected = DRAWS as f64 * share;
        let deviation = (expected * (1.0 - share)).sqrt();
        assert!(
            (count - expected).abs() < 4.5 * deviation,
            "{count} draws, expected {expected} ± {deviation}"
        );
    }
}

#[test]
fn a_rate_of_its_own_counts_as_it_is() {
    let [a, b, ..] = &members()[..] else { panic!("four members") };
    let members = vec![a.clone().with_rate(3.0), b.clone().with_rate(1.0)];
    let mixture = Mixture::new(members, Mixing { limit: 1.0, temperature: 9.0 }, 0).unwrap();
    assert!((mixture.share(0) - 0.75).abs() < 1e-12);
}

#[test]
fn every_example_comes_once_an_epoch_in_a_new_order() {
    let mut texts: Vec<String> = Vec::new();
    for drawn in mixture(EVEN, 2) {
        let drawn = drawn.unwrap();
        if let (0, Content::Text(example)) = (drawn.member, drawn.content) {
            texts.push(example.inputs);
        }
        if texts.len() == 60 {
            break;
        }
    }
    let (first, second) = texts.split_at(30);
    assert_ne!(first, second);
    for epoch in [first, second] {
        let mut counts = BTreeMap::new();
        epoch.iter().for_each(|text| *counts.entry(text).or_insert(0) += 1);
        assert_eq!(counts.len(), 30);
    }
}

#[test]
fn a_resume_is_no_interruption() {
    let mut whole = mixture(EVEN, 4);
    for skipped in [0, 1, 100, 777] {
        whole.by_ref().take(skipped).for_each(|drawn| drop(drawn.unwrap()));
        let saved = serde_json::to_string(&whole.position()).unwrap();
        let expected: Vec<_> = whole.by_ref().take(200).map(Result::unwrap).collect();
        let mut resumed = mixture(EVEN, 99);
        let position: Position = serde_json::from_str(&saved).unwrap();
        resumed.restore(&position).unwrap();
        assert_eq!(resumed.by_ref().take(200).map(Result::unwrap).collect::<Vec<_>>(), expected);
        assert_eq!(resumed.position(), whole.position());
    }
}

#[test]
fn the_seed_decides_the_stream() {
    let stream = |seed| mixture(EVEN, seed).take(100).map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(stream(1), stream(1));
    assert_ne!(stream(1), stream(2));
}

#[test]
fn a_position_of_another_mixture_is_refused() {
    let position = mixture(EVEN, 0).position();
    let mut other = Mixture::new(members()[..2].to_vec(), EVEN, 0).unwrap();
    let e = other.restore(&position).unwrap_err().to_string();
    let expected = "a mixture of sst2, sst2, sort, unsupervised, this one is of sst2, sst2";
    assert!(e.ends_with(expected), "{e}");
    let members = members();
    let swapped = vec![members[1].clone(), members[0].clone(), members[2].clone(), members[3].clone()];
    let e = Mixture::new(swapped, EVEN, 0).unwrap().restore(&position).unwrap_err().to_string();
    assert!(e.ends_with("of sst2 with examples: 30, this one is of sst2 with examples: 10"), "{e}");
}

#[test]
fn what_cannot_be_mixed_is_refused() {
    let refused = |members, mixing| Mixture::new(members, mixing, 0).unwrap_err().to_string();
    assert_eq!(refused(Vec::new(), EVEN), "a mixture must be of at least one member, found none");
    let with = |rate| vec![members()[0].clone().with_rate(rate)];
    assert_eq!(refused(with(-1.0), EVEN), "the rate of sst2 must be a number above 0, found -1");
    assert_eq!(refused(with(f64::NAN), EVEN), "the rate of sst2 must be a number above 0, found NaN");
    let cold = Mixing { temperature: 0.0, ..EVEN };
    assert_eq!(refused(members(), cold), "the temperature of the mixture must be a number above 0, found 0");
}

#[test]
fn a_file_describes_a_mixture() {
    let folder = folder("train.tsv", "sentence\tlabel\nfine\t1\nbad\t0\n");
    let file = folder.path().join("mixture.toml");
    let text = "limit = 100\ntemperature = 2.0\n\n[[member]]\ntask = \"sst2\"\npath = \".\"\n\n\
                [[member]]\ntask = \"sort\"\nrate = 5.0\n\n[[member]]\ntask = \"unsupervised\"\n\
                path = [\"a.txt\", \"b.txt\"]\nobjective = \"prefix-lm\"\n";
    std::fs::write(&file, text).unwrap();
    let read = MixtureFile::read(&file).unwrap();
    assert_eq!(read.mixing, Mixing { limit: 100.0, temperature: 2.0 });
    assert_eq!(read.members[2].paths, ["a.txt", "b.txt"].map(|name| folder.path().join(name)));
    let mixture = read.open(3, |entry| {
        assert_eq!(entry.objective, Objective::PrefixLm { density: 0.5 });
        let (tokenizer, folder) = (tokenizer(), tempfile::tempdir().unwrap());
        let text = store(&folder, &tokenizer, &[(0..80).map(|i| 10 + i % 30).collect()]).view();
        Denoising::new(text, &tokenizer, entry.objective, 20, 0)
    });
    let mixture: Mixture = mixture.unwrap();
    let names: Vec<&str> = mixture.members().iter().map(Member::name).collect();
    assert_eq!(names, ["sst2", "sort", "unsupervised"]);
    let total = 2f64.sqrt() + 5.0 + 2.0; // 80 ids in pieces of 20 are 4 examples
    assert!((mixture.share(0) - 2f64.sqrt() / total).abs() < 1e-12);
    assert_eq!(mixture.take(50).filter(|drawn| drawn.is_ok()).count(), 50);
}

#[test]
fn a_wrong_file_is_named() {
    let message = |text: &str| {
        let folder = folder("mixture.toml", text);
        let e = MixtureFile::read(folder.path().join("mixture.toml")).unwrap_err();
        assert!(matches!(e, Error::MixtureFile { .. }), "{e:?}");
        e.to_string()
    };
    let e = message("[[member]]\ntask = \"sort\"\n\n[[member]]\ntask = \"colla\"\n");
    assert!(
        e.contains("mixture.toml: member 2: no task is called \"colla\"; the tasks are cola, sst2"),
        "{e}"
    );
    assert!(e.ends_with(", unsupervised"), "{e}");
    let e = message("[[member]]\ntask = \"cola\"\n");
    assert!(e.ends_with("member 1: task cola: expected one path, found 0"), "{e}");
    let e = message("[[member]]\ntask = \"sort\"\npath = \"x\"\n");
    assert!(e.ends_with("member 1: task sort: expected no path, its examples are generated, found 1"), "{e}");
    let e = message("temprature = 2.0\n");
    assert!(e.contains("unknown field `temprature`"), "{e}");
    assert!(message("").ends_with("expected at least one [[member]], found none"));
    let e = message("[[member]]\ntask = \"sort\"\ndensity = 0.5\n");
    assert!(e.contains("are for unsupervised only"), "{e}");
    assert!(MixtureFile::read("/nowhere.toml").is_err());
}

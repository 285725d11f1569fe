use std::collections::BTreeSet;

use proptest::prelude::*;
use tercet_data::{Batch, Cursor, Error, Order, Prefetch, View, Windows};

use crate::counting;

/// A view of `tokens` ids that count up from 0, in documents of 7 ids.
fn view(tokens: usize) -> View {
    let folder = tempfile::tempdir().unwrap();
    let mut lengths = vec![7; tokens / 7];
    lengths.push(tokens % 7);
    counting(&folder.path().join("ids"), 1 << 20, &lengths).view()
}

fn take(windows: &Windows, cursor: &mut Cursor, batches: usize) -> Vec<Batch> {
    (0..batches).map_while(|_| windows.next_batch(cursor).unwrap()).collect()
}

fn firsts(batches: &[Batch]) -> Vec<u32> {
    batches.iter().flat_map(Batch::windows).map(|window| window[0]).collect()
}

#[test]
fn an_epoch_of_blocks_predicts_every_id_once() {
    let windows = Windows::new(view(100), Order::Blocks, 9, 4).unwrap();
    assert_eq!(windows.per_epoch(), 11);
    let mut cursor = windows.start(5);
    let batches = take(&windows, &mut cursor, 11);
    assert_eq!((cursor.epoch, cursor.index), (3, 11), "44 windows are four epochs");
    for epoch in firsts(&batches).chunks(11) {
        assert_eq!(epoch.iter().copied().collect::<BTreeSet<_>>(), (0..11).map(|block| block * 9).collect());
    }
    assert_ne!(firsts(&batches)[..11], firsts(&batches)[11..22]);
    for window in batches.iter().flat_map(Batch::windows) {
        assert_eq!(window, (window[0]..window[0] + 10).collect::<Vec<_>>());
    }
}

#[test]
fn crops_begin_anywhere() {
    let windows = Windows::new(view(30), Order::Crops, 9, 100).unwrap();
    let batches = take(&windows, &mut windows.start(5), 10);
    let places: BTreeSet<u32> = firsts(&batches).into_iter().collect();
    assert_eq!(places, (0..21).collect(), "1,000 draws reach all 21 places, the last too");
    assert!(batches.iter().all(|batch| batch.starts.windows(2).all(|w| w[1] - w[0] == 10)));
}

#[test]
fn sequential_windows_count_every_target_once() {
    for (tokens, stride) in [(100, 9), (100, 4), (101, 3), (10, 9), (11, 9), (5, 9), (2, 1)] {
        let windows = Windows::new(view(tokens), Order::Sequential { stride }, 9, 3).unwrap();
        let batches = take(&windows, &mut windows.start(0), 1000);
        let mut targets: Vec<u32> = Vec::new();
        for batch in &batches {
            for (window, context) in batch.windows().zip(&batch.context) {
                assert!(window.len() <= 10);
                targets.extend_from_slice(&window[*context..]);
            }
        }
        assert_eq!(targets, (1..tokens as u32).collect::<Vec<_>>(), "{tokens} ids at stride {stride}");
    }
}

#[test]
fn documents_come_whole_or_cut_to_length() {
    let folder = tempfile::tempdir().unwrap();
    let store = counting(&folder.path().join("ids"), 100, &[3, 20, 1, 6]);
    let windows = Windows::new(store.view(), Order::Documents, 9, 4).unwrap();
    let batch = windows.next_batch(&mut windows.start(2)).unwrap().unwrap();
    let mut documents: Vec<Vec<u32>> = batch.windows().map(<[u32]>::to_vec).collect();
    documents.sort();
    assert_eq!(documents, [(0..3).collect(), (3..13).collect(), vec![23], (24..30).collect::<Vec<_>>()]);
}

#[test]
fn a_seed_decides_the_order() {
    for order in [Order::Blocks, Order::Crops, Order::Documents] {
        let windows = Windows::new(view(1000), order, 9, 50).unwrap();
        let draw = |seed| firsts(&take(&windows, &mut windows.start(seed), 1));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}

proptest! {
    #[test]
    fn going_on_from_a_saved_position_is_as_if_never_stopped(
        order in prop_oneof![
            Just(Order::Blocks), Just(Order::Crops), Just(Order::Documents), Just(Order::Sequential { stride: 3 })
        ],
        seed: u64, before in 0usize..9, batch in 1usize..9,
    ) {
        let windows = Windows::new(view(100), order, 7, batch).unwrap();
        let mut cursor = windows.start(seed);
        let whole = take(&windows, &mut cursor.clone(), 12);
        let first = take(&windows, &mut cursor, before);
        let saved = serde_json::to_string(&cursor).unwrap();
        let second = take(&windows, &mut serde_json::from_str(&saved).unwrap(), 12 - before);
        prop_assert_eq!([first, second].concat(), whole);
    }
}

#[test]
fn prefetched_batches_are_the_same_and_the_position_is_of_the_last_taken() {
    let windows = Windows::new(view(500), Order::Blocks, 7, 4).unwrap();
    let whole = take(&windows, &mut windows.start(3), 30);
    let mut at = windows.start(3);
    let mut all = Vec::new();
    for taken in [1, 0, 7, 22] {
        let mut prefetch = Prefetch::new(windows.clone(), at, 3, |batch| batch).unwrap();
        all.extend(prefetch.by_ref().take(taken).map(Result::unwrap));
        // Give the thread time to run ahead of what was taken.
        std::thread::sleep(std::time::Duration::from_millis(5));
        at = prefetch.cursor();
    }
    assert_eq!(all, whole);
}

#[test]
fn prefetch_ends_with_a_sequential_order_and_passes_a_panic_on() {
    let windows = Windows::new(view(50), Order::Sequential { stride: 7 }, 7, 2).unwrap();
    let prefetch = Prefetch::new(windows.clone(), windows.start(0), 2, |batch| batch.ids.len()).unwrap();
    assert_eq!(prefetch.map(Result::unwrap).sum::<usize>(), 49 + 7);

    let mut broken =
        Prefetch::new(windows.clone(), windows.start(0), 2, |_| -> usize { panic!("made to fail") }).unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| broken.next())).unwrap_err();
    assert_eq!(*panic.downcast_ref::<&str>().unwrap(), "made to fail");
}

#[test]
fn what_cannot_work_is_refused() {
    let new = |tokens, order, length, batch| Windows::new(view(tokens), order, length, batch).unwrap_err();
    let error = new(9, Order::Blocks, 9, 1);
    assert!(matches!(error, Error::TooShort { tokens: 9, needed: 10 }), "{error}");
    assert!(matches!(
        new(1, Order::Sequential { stride: 9 }, 9, 1),
        Error::TooShort { tokens: 1, needed: 2 }
    ));
    assert!(matches!(new(50, Order::Blocks, 0, 1), Error::Setting { name: "the window length", .. }));
    assert!(matches!(new(50, Order::Blocks, usize::MAX, 1), Error::TooShort { .. }));
    assert!(matches!(new(50, Order::Blocks, 9, 0), Error::Setting { name: "the batch size", .. }));
    assert!(matches!(
        new(50, Order::Sequential { stride: 10 }, 9, 1),
        Error::Setting { name: "the stride", .. }
    ));

    let other = Windows::new(view(100), Order::Blocks, 9, 1).unwrap().start(0);
    let windows = Windows::new(view(200), Order::Blocks, 9, 1).unwrap();
    let error = windows.next_batch(&mut other.clone()).unwrap_err();
    assert!(matches!(error, Error::OtherData { expected: 22, found: 11 }), "{error}");
    assert!(Prefetch::new(windows, other, 1, |batch| batch).is_err());
}

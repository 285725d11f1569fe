//! Checkpoints: exact resume, kills, damage, full disks.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tercet_tensor::{OnMissing, Rng, Weights};
use tercet_train::{
    Checkpoint, Checkpoints, End, Error, Evaluation, Event, Optimizer, Outcome, Record, RunFolder,
    TrainConfig, Trainer, read_metrics,
};

use crate::toy::{Stream, Toy, config};

const STEPS: u64 = 60;

fn settings() -> TrainConfig {
    TrainConfig { save_every: 5, eval_every: 10, ..config(STEPS) }
}

/// Trains the toy in a folder, from its latest checkpoint if it has one.
fn train(out: &Path, settings: TrainConfig, stop_at: Option<u64>) -> Result<(Toy, Outcome), Error> {
    let toy = Toy::new();
    let stop = Arc::new(AtomicBool::new(false));
    let trainer = Trainer::new(&toy.params, settings)
        .stop_on(stop.clone())
        .evaluate(|_| Ok(Evaluation::of_loss(f64::from(toy.params.values()[0]).abs())))
        .model_files(|folder| Ok(fs::write(folder.join("config.json"), "{}")?))
        .observe(|event| {
            if matches!(event, Event::Step(report) if Some(report.step) == stop_at) {
                stop.store(true, Ordering::Relaxed);
            }
        });
    let trainer = match RunFolder::open(out) {
        Ok(folder) => trainer.resume(folder),
        Err(Error::NoRun { .. }) => trainer.output(RunFolder::create(out)?),
        Err(error) => return Err(error),
    };
    let outcome = trainer.run(&mut Stream::new(), |tape, batch, weights| toy.loss(tape, batch, weights))?;
    Ok((toy, outcome))
}

/// Weights and moments of a checkpoint, byte by byte.
fn tensors(path: &Path) -> Vec<Vec<u8>> {
    ["model.safetensors", "optimizer.safetensors"].map(|name| fs::read(path.join(name)).unwrap()).into()
}

fn step_losses(out: &Path) -> Vec<(u64, f64)> {
    let records = read_metrics(&out.join("metrics.jsonl")).unwrap();
    records
        .into_iter()
        .filter_map(|record| match record {
            Record::Step { step, loss, .. } => Some((step, loss)),
            _ => None,
        })
        .collect()
}

#[test]
fn an_interrupted_run_ends_with_the_bits_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let (expected, outcome) = train(&whole, settings(), None).unwrap();
    assert_eq!(outcome.end, End::Finished);
    for stop_at in [3, 17, 31] {
        let (_, outcome) = train(&broken, settings(), Some(stop_at)).unwrap();
        assert_eq!((outcome.end, outcome.step), (End::Interrupted, stop_at));
    }
    let (found, resumed) = train(&broken, settings(), None).unwrap();
    assert_eq!(found.bits(), expected.bits());
    assert_eq!((resumed.best, resumed.mean_loss), (outcome.best, outcome.mean_loss));
    let end = |out: &Path| Checkpoints::new(out.join("checkpoints")).path(STEPS);
    assert_eq!(tensors(&end(&broken)), tensors(&end(&whole)));
    assert_eq!(step_losses(&broken), step_losses(&whole), "the logs have a gap or a double line");
    assert_eq!(step_losses(&broken).len(), STEPS as usize);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let bits = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let out = folder.path().join(threads.to_string());
        pool.install(|| train(&out, settings(), None).unwrap().0.bits())
    });
    assert_eq!(bits[0], bits[1]);
}

#[test]
fn the_last_checkpoints_and_the_best_one_stay() {
    let folder = tempfile::tempdir().unwrap();
    let toy = Toy::new();
    let losses = RefCell::new(vec![3.0, 1.0, 2.0, 2.0, 2.0, 2.0].into_iter());
    Trainer::new(&toy.params, settings())
        .output(RunFolder::create(folder.path()).unwrap())
        .evaluate(|_| Ok(Evaluation::of_loss(losses.borrow_mut().next().unwrap())))
        .run(&mut Stream::new(), |tape, batch, weights| toy.loss(tape, batch, weights))
        .unwrap();
    let checkpoints = Checkpoints::new(folder.path().join("checkpoints"));
    assert_eq!(checkpoints.steps().unwrap(), [20, 55, 60]);
    for file in ["metrics.jsonl", "loss.svg", "loss.png"] {
        assert!(folder.path().join(file).metadata().unwrap().len() > 1000, "{file}");
    }
    let latest = checkpoints.latest().unwrap().checkpoint.unwrap();
    assert_eq!(latest.state().best.unwrap().step, 20);
}

#[test]
fn a_checkpoint_is_a_safetensors_model_under_the_parameters_names() {
    let folder = tempfile::tempdir().unwrap();
    let (toy, outcome) = train(folder.path(), settings(), None).unwrap();
    let path = outcome.checkpoint.unwrap();
    assert_eq!(fs::read_to_string(path.join("config.json")).unwrap(), "{}");
    let bytes = fs::read(path.join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort();
    assert_eq!(names, ["lm_head.bias", "lm_head.weight", "wte.weight"]);
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    let other = Toy::new();
    let weights = Weights::open(&path).unwrap();
    weights.load(&other.params, |name| Some(name.to_owned()), OnMissing::Fail).unwrap();
    assert_eq!(other.bits(), toy.bits());
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (expected, _) = train(folder.path(), settings(), None).unwrap();
    let checkpoints = Checkpoints::new(folder.path().join("checkpoints"));
    for name in ["model.safetensors", "optimizer.safetensors", "state.json", "config.json"] {
        let path = checkpoints.path(STEPS).join(name);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        for bytes in [&bad[..], &good[..good.len() - 1]] {
            fs::write(&path, bytes).unwrap();
            let error = Checkpoint::open(checkpoints.path(STEPS)).unwrap_err();
            let message = error.to_string();
            assert!(matches!(error, Error::Damaged { .. }), "{message}");
            assert!(message.contains(name) && message.contains("CRC-32C"), "{message}");
        }
        fs::write(&path, good).unwrap();
    }
    let manifest = checkpoints.path(STEPS).join("manifest.json");
    fs::write(&manifest, &fs::read(&manifest).unwrap()[..40]).unwrap();

    let latest = checkpoints.latest().unwrap();
    assert_eq!((latest.damaged.len(), latest.damaged[0].0), (1, STEPS));
    assert_eq!(latest.checkpoint.unwrap().state().step, STEPS - 5);
    let (found, outcome) = train(folder.path(), settings(), None).unwrap();
    assert_eq!((outcome.step, found.bits()), (STEPS, expected.bits()));
    let aside = folder.path().join("checkpoints").join(format!("aside-0-step-{STEPS:06}"));
    assert!(aside.exists(), "the damaged checkpoint was not kept");
}

#[test]
fn resuming_from_an_older_checkpoint_sets_the_later_ones_aside() {
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainConfig { keep_last: 100, ..settings() };
    let (expected, _) = train(folder.path(), settings.clone(), None).unwrap();
    let toy = Toy::new();
    let run = RunFolder::open(folder.path()).unwrap();
    let old = run.checkpoints().path(40);
    let aside = RefCell::new(0);
    Trainer::new(&toy.params, settings)
        .resume_from(run, old)
        .observe(|event| *aside.borrow_mut() += u32::from(matches!(event, Event::SetAside { .. })))
        .run(&mut Stream::new(), |tape, batch, weights| toy.loss(tape, batch, weights))
        .unwrap();
    assert_eq!((aside.into_inner(), toy.bits()), (4, expected.bits()));
    assert_eq!(step_losses(folder.path()).len(), STEPS as usize);
}

#[test]
fn settings_that_would_change_the_numbers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), settings(), Some(10)).unwrap();
    let refused = |settings| train(folder.path(), settings, None).map(|_| ()).unwrap_err().to_string();
    let message = refused(TrainConfig { seed: 4, ..settings() });
    assert_eq!(message, "the run was started with seed = 3, it cannot be resumed with 4");
    assert!(refused(TrainConfig { accumulate: 1, ..settings() }).contains("accumulate"));
    let longer = TrainConfig { steps: STEPS + 5, ..settings() };
    assert_eq!(train(folder.path(), longer, None).unwrap().1.step, STEPS + 5);
}

#[test]
fn a_folder_with_a_run_and_a_folder_in_use_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(RunFolder::open(folder.path()), Err(Error::NoRun { .. })));
    let held = RunFolder::create(folder.path()).unwrap();
    assert!(matches!(RunFolder::create(folder.path()), Err(Error::InUse { .. })));
    drop(held);
    train(folder.path(), config(2), None).unwrap();
    let error = RunFolder::create(folder.path()).unwrap_err();
    assert!(error.to_string().contains("already holds a run"), "{error}");
}

#[test]
fn a_write_that_fails_leaves_the_earlier_checkpoints_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), settings(), Some(10)).unwrap();
    let toy = Toy::new();
    let run = RunFolder::open(folder.path()).unwrap();
    let error = Trainer::new(&toy.params, settings())
        .resume(run)
        .model_files(|folder| {
            fs::write(folder.join("config.json"), "{ half")?;
            Err("No space left on device".into())
        })
        .run(&mut Stream::new(), |tape, batch, weights| toy.loss(tape, batch, weights))
        .unwrap_err();
    let message = error.to_string();
    assert!(message.contains("step-000015: No space left on device"), "{message}");
    let checkpoints = folder.path().join("checkpoints");
    let names: Vec<_> = fs::read_dir(&checkpoints).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("15")), "{names:?}");
    assert_eq!(Checkpoints::new(checkpoints).latest().unwrap().checkpoint.unwrap().state().step, 10);
}

#[test]
fn a_checkpoint_of_another_model_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_, outcome) = train(folder.path(), settings(), Some(5)).unwrap();
    let checkpoint = Checkpoint::open(outcome.checkpoint.unwrap()).unwrap();
    let params = tercet_tensor::Params::new();
    params.root().param("wte.weight", &[2, 2], tercet_tensor::Init::Ones);
    params.init(0);
    let mut optimizer = Optimizer::new(settings().optimizer, settings().decays, &params);
    let error = checkpoint.restore(&params, &mut optimizer).unwrap_err();
    assert!(error.to_string().contains("wte.weight"), "{error}");
    assert_eq!(params.values()[..], [1.0; 4]);
}

const CHILD_OUT: &str = "TERCET_TRAIN_TEST_OUT";

/// Not a test of its own: the process that the tests below start and kill.
#[test]
#[ignore = "runs as a child of other tests"]
fn child() {
    let Some(out) = std::env::var_os(CHILD_OUT) else { return };
    let settings = TrainConfig { save_every: 2, ..settings() };
    if let Err(error) = train(Path::new(&out), settings, None) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn child_command(out: &Path, shell: Option<&str>) -> Command {
    let this = std::env::current_exe().unwrap();
    let arguments = ["--exact", "checkpoints::child", "--ignored", "--test-threads", "1", "--nocapture"];
    let mut command = match shell {
        None => Command::new(this),
        Some(before) => {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("{before}; exec \"$0\" \"$@\"")).arg(this);
            command
        }
    };
    command.args(arguments).env(CHILD_OUT, out).stdout(Stdio::null());
    command
}

#[test]
fn a_run_killed_at_twenty_random_moments_ends_bitwise_equal() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let begun = std::time::Instant::now();
    assert!(child_command(&whole, None).status().unwrap().success());
    let whole_run = begun.elapsed();
    let mut rng = Rng::new(11);
    let mut cut_short = 0;
    for _ in 0..20 {
        let mut child = child_command(&killed, None).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(whole_run.as_secs_f64() * 0.3 * rng.uniform()));
        child.kill().unwrap();
        cut_short += u32::from(!child.wait().unwrap().success());
        if killed.join("checkpoints").exists() {
            let latest = Checkpoints::new(killed.join("checkpoints")).latest().unwrap();
            assert!(latest.damaged.is_empty(), "{:?}", latest.damaged);
        }
    }
    println!("{cut_short} of 20 runs were killed before their end, one whole run takes {whole_run:?}");
    assert!(child_command(&killed, None).status().unwrap().success());
    let end = |out: &Path| Checkpoints::new(out.join("checkpoints")).path(STEPS);
    assert_eq!(tensors(&end(&killed)), tensors(&end(&whole)));
    assert_eq!(step_losses(&killed), step_losses(&whole));
}

/// A limit on the size of files stands for a disk that is full: the system call fails in the middle of a write.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_grow_is_reported_with_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let out: PathBuf = folder.path().join("run");
    // One block of 512 or 1024 bytes; the signal that would kill the process is ignored.
    let output = child_command(&out, Some("trap '' XFSZ; ulimit -f 1")).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{message}");
    let line = message.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(line.contains("step-000002") && line.contains("File too large"), "{message}");
    assert_eq!(fs::read_dir(out.join("checkpoints")).unwrap().count(), 0);
}

//! Every schedule of the reference folder, at every step it lists.

use serde_json::Value;
use tercet_train::{Decay, Ramp, Schedule};

use crate::reference;

fn schedule(name: &str, arguments: &Value) -> Option<Schedule> {
    let whole = |field: &str| arguments[field].as_u64();
    let real = |field: &str| arguments[field].as_f64();
    let total = whole("total").unwrap_or(0);
    let floor = real("min_lr_rate").unwrap_or(0.0);
    let decay = match name {
        "t5_rsqrt" => return Some(Schedule::new(Decay::ReciprocalSqrt { plateau: whole("warmup")? })),
        _ if name.starts_with("constant") => Decay::Constant,
        _ if name.starts_with("bert_google_linear") => Decay::LinearFromStart { total },
        _ if name.starts_with("linear") => Decay::Linear { total, floor: 0.0 },
        _ if name.starts_with("cosine_hard_restarts") => {
            Decay::CosineRestarts { total, cycles: whole("num_cycles")? as u32 }
        }
        _ if name.starts_with("cosine") => {
            Decay::Cosine { total, floor, cycles: real("num_cycles").unwrap_or(0.5) }
        }
        _ if name.starts_with("polynomial") => {
            let floor = real("lr_end")? / real("lr_init")?;
            Decay::Polynomial { total, floor, power: real("power")? }
        }
        _ if name.starts_with("inverse_sqrt") => Decay::InverseSqrt { timescale: whole("timescale") },
        _ if name.starts_with("wsd_cosine") => {
            Decay::StableThenCosine { total, tail: whole("decay_steps")?, floor }
        }
        _ => return None,
    };
    Some(Schedule::new(decay).with_warmup(whole("warmup").unwrap_or(0)))
}

#[test]
fn the_reference_schedules_agree_at_every_step() {
    let Some(path) = reference("optim/schedules.json") else { return };
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cases = file["schedules"].as_object().unwrap();
    for (name, case) in cases {
        let schedule = schedule(name, &case["arguments"]).unwrap_or_else(|| panic!("no schedule for {name}"));
        for (n, expected) in case["factors"].as_array().unwrap().iter().enumerate() {
            let (expected, found) = (expected.as_f64().unwrap(), schedule.factor(n as u64));
            let tolerance = 1e-15 + 1e-12 * expected.abs();
            assert!(
                (expected - found).abs() <= tolerance,
                "{name} at step {n}: expected {expected}, found {found}"
            );
        }
    }
    println!("{} schedules compared", cases.len());
    assert!(cases.len() >= 15);
}

#[test]
fn the_ramps_differ_where_they_should() {
    let schedule = Schedule::new(Decay::Constant).with_warmup(4);
    let first_two = |ramp| [0, 3].map(|n| schedule.with_ramp(ramp).factor(n));
    assert_eq!(first_two(Ramp::FromZero), [0.0, 0.75]);
    assert_eq!(first_two(Ramp::ToFull), [0.25, 1.0]);
    assert_eq!(first_two(Ramp::Between), [0.2, 0.8]);
}

#[test]
fn a_schedule_survives_json_and_names_an_unknown_field() {
    let schedule = Schedule::new(Decay::Cosine { total: 80, floor: 0.1, cycles: 0.5 }).with_warmup(10);
    let json = serde_json::to_string(&schedule).unwrap();
    assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule);
    let short: Schedule = serde_json::from_str(r#"{"decay": {"kind": "linear", "total": 5}}"#).unwrap();
    assert_eq!(short, Schedule::new(Decay::Linear { total: 5, floor: 0.0 }));
    let error =
        serde_json::from_str::<Schedule>(r#"{"warm": 1, "decay": {"kind": "constant"}}"#).unwrap_err();
    assert!(error.to_string().contains("warm"), "{error}");
}

//! What a run leaves beside its checkpoints: event files and pictures.

use tercet_train::{EventFile, LossCurve};

fn noisy_curve(steps: u64) -> LossCurve {
    let mut noise = 1u64;
    let train = (1..=steps)
        .map(|step| {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let jitter = (noise >> 40) as f64 / (1u64 << 24) as f64 - 0.5;
            (step, 2.2 + 7.0 * (-(step as f64) / (0.08 * steps as f64)).exp() + 0.35 * jitter)
        })
        .collect();
    let held_out = (1..=10).map(|k| (k * steps / 10, 2.3 + 7.0 * (-1.25 * k as f64).exp())).collect();
    LossCurve {
        title: "GPT-2 mini: 3.2M parameters, 12 Mtok (seed 1)".into(),
        train,
        held_out,
        floor: Some(1.9),
    }
}

#[test]
fn the_loss_curve_is_a_whole_svg_and_a_whole_png() {
    let folder = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("TERCET_KEEP").map_or(folder.path().to_owned(), Into::into);
    let (svg, png) = (folder.join("loss.svg"), folder.join("loss.png"));
    let curve = noisy_curve(12_000);
    curve.write_svg(&svg).unwrap();
    curve.write_png(&png).unwrap();

    let text = std::fs::read_to_string(&svg).unwrap();
    assert!(text.trim_end().ends_with("</svg>") && text.contains("held-out loss") && text.contains("12,000"));
    assert!(text.len() < 200_000, "{} bytes for a thinned curve", text.len());

    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&png).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let orange = pixels.chunks_exact(3).filter(|rgb| rgb[0] > 200 && rgb[1] < 120 && rgb[2] < 60).count();
    assert!(orange > 500, "the held-out curve covers {orange} pixels");
}

#[test]
fn curves_with_nothing_to_draw_are_drawn_too() {
    let folder = tempfile::tempdir().unwrap();
    for (k, curve) in [
        LossCurve::default(),
        LossCurve { train: vec![(1, f64::NAN)], ..LossCurve::default() },
        LossCurve { train: vec![(1, 2.0)], held_out: vec![(1, 2.0)], ..LossCurve::default() },
    ]
    .iter()
    .enumerate()
    {
        curve.write_svg(&folder.path().join(format!("{k}.svg"))).unwrap();
        curve.write_png(&folder.path().join(format!("{k}.png"))).unwrap();
    }
}

#[test]
fn event_files_never_collide() {
    let folder = tempfile::tempdir().unwrap();
    for first_step in [0, 7] {
        let mut events = EventFile::create(folder.path(), first_step).unwrap();
        events.scalar("loss/train", first_step + 1, 2.5).unwrap();
        events.text("sample", first_step + 1, "Once upon a time").unwrap();
        events.flush().unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

//! Bars of speed: each contender's, where the fastest of the others is 1.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::measure::Measured;

const WIDTH: i32 = 900;
const LEFT: i32 = 330;
const RIGHT: i32 = 90;
const TOP: i32 = 52;
const BAR: i32 = 17;
const GAP: i32 = 14;

const OURS: RGBColor = RGBColor(31, 94, 168);
const THEIRS: RGBColor = RGBColor(178, 184, 196);
const INK: RGBColor = RGBColor(50, 50, 56);
const GRID: RGBColor = RGBColor(140, 140, 148);

/// Draws the chart.
pub fn write(path: &Path, title: &str, results: &[Measured]) -> Result<(), String> {
    let bars: i32 = results.iter().map(|measured| measured.names.len() as i32).sum();
    let height = TOP + bars * BAR + (results.len() as i32 + 1) * GAP;
    draw(path, title, results, height).map_err(|e| format!("{}: {e}", path.display()))
}

fn draw(
    path: &Path,
    title: &str,
    results: &[Measured],
    height: i32,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let area = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let style =
        |size: i32, side| ("sans-serif", size).into_font().color(&INK).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(title.to_owned(), (LEFT, 18), style(17, HPos::Left)))?;
    let caption = "speed, the fastest of the others = 1";
    area.draw(&Text::new(caption.to_owned(), (LEFT, 38), style(12, HPos::Left)))?;
    let most = results.iter().flat_map(speeds).fold(1.0, f64::max);
    let length = |speed: f64| (speed / most * f64::from(WIDTH - LEFT - RIGHT)) as i32;
    let one = LEFT + length(1.0);
    area.draw(&PathElement::new(vec![(one, TOP), (one, height - GAP / 2)], GRID.stroke_width(1)))?;
    let mut y = TOP + GAP / 2;
    for measured in results {
        for (i, (name, speed)) in measured.names.iter().zip(speeds(measured)).enumerate() {
            let middle = y + BAR / 2;
            let label = if i == 0 { format!("{}: {name}", measured.work) } else { name.clone() };
            area.draw(&Text::new(label, (LEFT - 8, middle), style(13, HPos::Right)))?;
            let color = if i == 0 { OURS } else { THEIRS };
            let end = LEFT + length(speed);
            area.draw(&Rectangle::new([(LEFT, y + 2), (end, y + BAR - 2)], color.filled()))?;
            area.draw(&Text::new(format!("{speed:.2}"), (end + 6, middle), style(12, HPos::Left)))?;
            y += BAR;
        }
        y += GAP;
    }
    area.present()
}

/// Each contender's speed beside the fastest of the others.
fn speeds(measured: &Measured) -> Vec<f64> {
    let best = measured.seconds(measured.fastest_peer().unwrap_or(0));
    (0..measured.names.len()).map(|i| best / measured.seconds(i)).collect()
}

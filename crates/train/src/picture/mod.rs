//! The loss curve as a picture: an SVG, and a PNG that needs no font on the machine.

use std::{fmt::Display, io, ops::Range, path::Path};

use plotters::{
    chart::{ChartBuilder, ChartContext, LabelAreaPosition},
    coord::{Shift, types::RangedCoordf64},
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea},
    element::{Circle, PathElement, Text},
    prelude::{Cartesian2d, DashedLineSeries, DrawingBackend, LineSeries, SVGBackend},
    style::{
        Color, IntoTextStyle, RGBColor, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use canvas::{Canvas, FINENESS};

mod canvas;
mod stroke_font;

const SIZE: (u32, u32) = (1080, 640);
const MARGIN: i32 = 18;
const TEXT: i32 = 15;
const TITLE: i32 = 19;

const RAW: RGBColor = RGBColor(190, 211, 235);
const MEAN: RGBColor = RGBColor(31, 94, 168);
const HELD_OUT: RGBColor = RGBColor(214, 90, 30);
const FLOOR: RGBColor = RGBColor(60, 140, 80);
const GRID: RGBColor = RGBColor(232, 232, 236);
const AXIS: RGBColor = RGBColor(140, 140, 148);
const INK: RGBColor = RGBColor(50, 50, 56);

/// What a run's losses were, to be drawn.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let curve = tercet_train::LossCurve {
///     title: "GPT-2 mini".into(),
///     train: (1..=100).map(|step| (step, 9.0 / step as f64 + 2.0)).collect(),
///     held_out: vec![(50, 2.3), (100, 2.2)],
///     floor: Some(1.9),
/// };
/// curve.write_svg(&folder.path().join("loss.svg"))?;
/// curve.write_png(&folder.path().join("loss.png"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossCurve {
    /// Stands above the chart.
    pub title: String,
    /// The loss of each training step, by step.
    pub train: Vec<(u64, f64)>,
    /// The loss on held-out text, by step.
    pub held_out: Vec<(u64, f64)>,
    /// The loss that a perfect model would reach, where it is known.
    pub floor: Option<f64>,
}

impl LossCurve {
    /// Writes the curve as an SVG.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_svg(&self, path: &Path) -> io::Result<()> {
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
            self.draw(&area, 1).map_err(io::Error::other)?;
        }
        std::fs::write(path, text)
    }

    /// Writes the curve as a PNG.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_png(&self, path: &Path) -> io::Result<()> {
        let mut canvas = Canvas::new(SIZE.0, SIZE.1);
        {
            let area = (&mut canvas).into_drawing_area();
            self.draw(&area, FINENESS as i32).map_err(io::Error::other)?;
        }
        canvas.write_png(path)
    }

    /// Draws everything `scale` times as large as the picture's own pixels.
    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, scale: i32) -> Drawn<DB> {
        let mean = running_mean(&self.train);
        area.fill(&RGBColor(255, 255, 255))?;
        let margin = MARGIN * scale;
        area.draw(&Text::new(self.title.as_str(), (margin, margin), text(TITLE * scale, HPos::Left)))?;
        let mut chart = ChartBuilder::on(area)
            .margin(margin)
            .margin_top(margin + 62 * scale)
            .margin_right(margin + 22 * scale)
            .set_label_area_size(LabelAreaPosition::Left, 66 * scale)
            .set_label_area_size(LabelAreaPosition::Bottom, 48 * scale)
            .build_cartesian_2d(self.steps(), self.losses(&mean))?;
        draw_mesh(&mut chart, scale)?;

        let width = |pixels: i32| (pixels * scale) as u32;
        let line = |points: &[(f64, f64)], color: RGBColor, pen: i32| {
            LineSeries::new(points.to_vec(), color.stroke_width(width(pen)))
        };
        let mut legend = Legend { area, scale, x: margin, y: margin + 40 * scale };
        if !self.train.is_empty() {
            chart.draw_series(line(&thinned(&points(&self.train)), RAW, 1))?;
            chart.draw_series(line(&thinned(&mean), MEAN, 2))?;
            legend.entry(RAW, 1, "training loss of a step")?;
            legend.entry(MEAN, 2, "running mean")?;
        }
        if let Some(floor) = self.floor {
            let steps = self.steps();
            let ends = [(steps.start, floor), (steps.end, floor)];
            let style = FLOOR.stroke_width(width(2));
            chart.draw_series(DashedLineSeries::new(ends, 9 * scale, 6 * scale, style))?;
            legend.dashed(FLOOR, 2, &format!("floor {floor:.3}"))?;
        }
        if let Some(&(_, last)) = self.held_out.last() {
            let held_out = points(&self.held_out);
            chart.draw_series(line(&held_out, HELD_OUT, 2))?;
            let dots = if held_out.len() <= 60 { held_out } else { held_out[held_out.len() - 1..].to_vec() };
            chart.draw_series(dots.into_iter().map(|at| Circle::new(at, 4 * scale, HELD_OUT.filled())))?;
            legend.entry(HELD_OUT, 2, &format!("held-out loss, last {last:.3}"))?;
        }
        area.present()
    }

    fn steps(&self) -> Range<f64> {
        let last = self.train.iter().chain(&self.held_out).map(|&(step, _)| step).max();
        0.0..last.unwrap_or(1).max(1) as f64
    }

    /// From a little below the least to a little above the largest loss; single outliers of the raw curve are cut.
    fn losses(&self, mean: &[(f64, f64)]) -> Range<f64> {
        let mut raw: Vec<f64> =
            self.train.iter().map(|&(_, loss)| loss).filter(|loss| loss.is_finite()).collect();
        raw.sort_by(f64::total_cmp);
        let ordinary = raw.iter().copied().take(raw.len() - raw.len() / 500);
        let others =
            mean.iter().copied().chain(points(&self.held_out)).map(|(_, loss)| loss).chain(self.floor);
        let (low, high) = ordinary
            .chain(others)
            .filter(|loss| loss.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), loss| (low.min(loss), high.max(loss)));
        if low > high {
            return 0.0..1.0;
        }
        let room = 0.05 * (high - low).max(0.1);
        low - room..high + room
    }
}

type Area<DB> = DrawingArea<DB, Shift>;
type Chart<'a, DB> = ChartContext<'a, DB, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

fn draw_mesh<DB: DrawingBackend>(chart: &mut Chart<DB>, scale: i32) -> Drawn<DB> {
    let losses = chart.y_range();
    let decimals = if losses.end - losses.start < 2.0 { 2 } else { 1 };
    chart
        .configure_mesh()
        .light_line_style(RGBColor(255, 255, 255).mix(0.0))
        .bold_line_style(GRID.stroke_width(scale as u32))
        .axis_style(AXIS.stroke_width(scale as u32))
        .set_all_tick_mark_size(5 * scale)
        .x_labels(11)
        .y_labels(9)
        .x_label_formatter(&|step| grouped(*step))
        .y_label_formatter(&|loss| format!("{loss:.decimals$}"))
        .label_style(text(TEXT * scale, HPos::Left))
        .axis_desc_style(text(TEXT * scale, HPos::Left))
        .x_desc("step")
        .y_desc("loss (nats per token)")
        .draw()
}

/// A row of samples and words above the chart.
struct Legend<'a, DB: DrawingBackend> {
    area: &'a Area<DB>,
    scale: i32,
    x: i32,
    y: i32,
}

impl<DB: DrawingBackend> Legend<'_, DB> {
    /// A line as it is drawn in the chart, and what it is.
    fn entry(&mut self, color: RGBColor, pen: i32, words: &str) -> Drawn<DB> {
        self.sample(color, pen, &[(0, 26)])?;
        self.words(words)
    }

    /// The same for a line of dashes.
    fn dashed(&mut self, color: RGBColor, pen: i32, words: &str) -> Drawn<DB> {
        self.sample(color, pen, &[(0, 10), (16, 26)])?;
        self.words(words)
    }

    fn sample(&mut self, color: RGBColor, pen: i32, dashes: &[(i32, i32)]) -> Drawn<DB> {
        let style = color.stroke_width((pen * self.scale).max(self.scale + 1) as u32);
        for &(start, end) in dashes {
            let ends = [start, end].map(|x| (self.x + x * self.scale, self.y));
            self.area.draw(&PathElement::new(ends, style))?;
        }
        self.x += 34 * self.scale;
        Ok(())
    }

    fn words(&mut self, words: &str) -> Drawn<DB> {
        let size = TEXT * self.scale;
        let left = text(size, HPos::Left).pos(Pos::new(HPos::Left, VPos::Center));
        self.area.draw(&Text::new(words, (self.x, self.y), left))?;
        self.x += (stroke_font::width(words) * f64::from(size)) as i32 + 28 * self.scale;
        Ok(())
    }
}

fn text(size: i32, side: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_text_style(&SIZE).color(&INK).pos(Pos::new(side, VPos::Top))
}

fn points(curve: &[(u64, f64)]) -> Vec<(f64, f64)> {
    curve.iter().filter(|(_, loss)| loss.is_finite()).map(|&(step, loss)| (step as f64, loss)).collect()
}

/// The mean over the hundredth of the curve around each step.
fn running_mean(curve: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let points = points(curve);
    let reach = points.len() / 200;
    let sums: Vec<f64> = std::iter::once(0.0)
        .chain(points.iter().scan(0.0, |sum, &(_, loss)| {
            *sum += loss;
            Some(*sum)
        }))
        .collect();
    let mean = |(i, &(step, _)): (usize, &(f64, f64))| {
        let (from, to) = (i.saturating_sub(reach), (i + reach + 1).min(points.len()));
        (step, (sums[to] - sums[from]) / (to - from) as f64)
    };
    points.iter().enumerate().map(mean).collect()
}

/// At most some thousands of points: the least and the largest of each stretch.
fn thinned(curve: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let stretch = curve.len().div_ceil(1500);
    if stretch < 3 {
        return curve.to_vec();
    }
    let extremes = |points: &[(f64, f64)]| {
        let by_loss = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (low, high) = (*points.iter().min_by(by_loss)?, *points.iter().max_by(by_loss)?);
        Some(if low.0 <= high.0 { [low, high] } else { [high, low] })
    };
    curve.chunks(stretch).filter_map(extremes).flatten().collect()
}

/// 12000 as "12,000".
fn grouped(number: impl Display) -> String {
    let digits = format!("{number:.0}");
    let first = digits.len() % 3;
    let groups =
        digits.as_bytes()[first..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let head = (first > 0).then(|| digits[..first].to_owned());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

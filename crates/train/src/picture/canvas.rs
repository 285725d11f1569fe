//! A bitmap to draw charts on: round pens, stroked letters, smooth edges through supersampling.

use std::{convert::Infallible, io, path::Path};

use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    text_anchor::{HPos, VPos},
};

use super::stroke_font::{self, CAPITALS, PEN};

/// Pixels drawn for each pixel of the picture, along one side.
pub(super) const FINENESS: u32 = 3;

/// An RGB bitmap, white at first, `FINENESS` times as fine as the picture it becomes.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    /// A canvas for a picture of `width` × `height` pixels.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let (width, height) = ((width * FINENESS) as usize, (height * FINENESS) as usize);
        Self { width, height, pixels: vec![[255; 3]; width * height] }
    }

    /// Averages the fine pixels and writes the picture.
    pub(super) fn write_png(&self, path: &Path) -> io::Result<()> {
        let side = FINENESS as usize;
        let (width, height) = (self.width / side, self.height / side);
        let mut bytes = Vec::with_capacity(width * height * 3);
        for rows in self.pixels.chunks_exact(side * self.width) {
            let mut sums = vec![[0u32; 3]; width];
            for row in rows.chunks_exact(self.width) {
                for (sum, fine) in sums.iter_mut().zip(row.chunks_exact(side)) {
                    for pixel in fine {
                        sum.iter_mut().zip(pixel).for_each(|(sum, &channel)| *sum += u32::from(channel));
                    }
                }
            }
            bytes.extend(sums.iter().flatten().map(|sum| (sum / (FINENESS * FINENESS)) as u8));
        }
        let file = io::BufWriter::new(std::fs::File::create(path)?);
        let mut encoder = png::Encoder::new(file, width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(io::Error::from)?;
        writer.write_image_data(&bytes).map_err(io::Error::from)?;
        writer.finish().map_err(io::Error::from)
    }

    fn blend(&mut self, x: i64, y: i64, color: BackendColor) {
        if (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y) {
            let pixel = &mut self.pixels[y as usize * self.width + x as usize];
            for (old, new) in pixel.iter_mut().zip(<[u8; 3]>::from(color.rgb)) {
                *old = (f64::from(*old) * (1.0 - color.alpha) + f64::from(new) * color.alpha).round() as u8;
            }
        }
    }

    /// Colours everything within half a pen width of the line from `a` to `b`.
    fn pen_stroke(&mut self, a: (f64, f64), b: (f64, f64), width: f64, color: BackendColor) {
        let radius = (width / 2.0).max(0.5);
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = dx * dx + dy * dy;
        let (top, bottom) = (a.1.min(b.1) - radius, a.1.max(b.1) + radius);
        let (left, right) = (a.0.min(b.0) - radius, a.0.max(b.0) + radius);
        let rows = top.floor().max(0.0) as i64..=bottom.ceil().min(self.height as f64) as i64;
        for y in rows {
            for x in left.floor().max(0.0) as i64..=right.ceil().min(self.width as f64) as i64 {
                let (px, py) = (x as f64 - a.0, y as f64 - a.1);
                let along = if length > 0.0 { ((px * dx + py * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
                let (ex, ey) = (px - along * dx, py - along * dy);
                if ex * ex + ey * ey <= radius * radius {
                    self.blend(x, y, color);
                }
            }
        }
    }
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for &mut Canvas {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.width as u32, self.height as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        self.blend(x.into(), y.into(), color);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let (width, color) = (f64::from(style.stroke_width()), style.color());
        let points: Vec<_> = path.into_iter().map(|(x, y)| (f64::from(x), f64::from(y))).collect();
        points.windows(2).for_each(|pair| self.pen_stroke(pair[0], pair[1], width, color));
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, anchor: BackendCoord) -> Drawn {
        let (em, color) = (style.size(), style.color());
        let (width, height) = (stroke_font::width(text) * em, CAPITALS * em);
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let baseline = match style.anchor().v_pos {
            VPos::Top => height,
            VPos::Center => height / 2.0,
            VPos::Bottom => 0.0,
        };
        let turn = style.transform();
        // The transform is one of whole quarter turns, so its columns say all about it.
        let (right, down) = (turn.transform(1, 0), turn.transform(0, 1));
        let place = |&(x, y): &(f64, f64)| {
            let (x, y) = (left + x * em, baseline - y * em);
            let turned = |a: i32, b: i32| x * f64::from(a) + y * f64::from(b);
            (f64::from(anchor.0) + turned(right.0, down.0), f64::from(anchor.1) + turned(right.1, down.1))
        };
        stroke_font::draw_strokes(text, |stroke| {
            for pair in stroke.windows(2) {
                self.pen_stroke(place(&pair[0]), place(&pair[1]), PEN * em, color);
            }
        });
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok(((stroke_font::width(text) * style.size()).ceil() as u32, (CAPITALS * style.size()).ceil() as u32))
    }
}

//! Layer norm (Ba et al. 2016) and RMS norm (Zhang & Sennrich 2019) over rows, forward and backward.

use crate::cpu::{self, Isa};
use crate::elementwise::{CHUNK, lane_sums};
use crate::{Out, per_isa};
use rayon::prelude::*;

/// `y = (x − mean)·rstd·weight + bias` for each row of `x` (rows, width), with the row's mean and
/// `rstd = 1/√(variance + eps)`, both kept for the backward. The width is that of `weight`.
///
/// # Panics
/// If the shapes do not fit.
pub fn layer_norm(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    y: &mut [f32],
    mean: &mut [f32],
    rstd: &mut [f32],
) {
    let width = check_rows(x, weight, y.len(), rstd.len());
    assert_eq!(mean.len(), rstd.len(), "means for {} rows, deviations for {}", mean.len(), rstd.len());
    check_width(weight, bias);
    let (isa, rows) = (cpu::isa(), (CHUNK / width).max(1));
    y.par_chunks_mut(rows * width)
        .zip(x.par_chunks(rows * width))
        .zip(mean.par_chunks_mut(rows))
        .zip(rstd.par_chunks_mut(rows))
        .for_each(|(((y, x), mean), rstd)| layer_norm_chunk(isa, x, weight, bias, eps, y, mean, rstd));
}

/// Gradients of [`layer_norm`]. With `x̂ = (x − mean)·rstd` and `g = dy·weight`:
/// `dx = rstd·(g − mean(g) − x̂·mean(g·x̂))` in each row, `dweight = Σ dy·x̂` and `dbias = Σ dy` over the rows.
///
/// # Panics
/// If the shapes do not fit.
#[allow(clippy::too_many_arguments)] // what the forward took and kept, and the three gradients
pub fn layer_norm_backward(
    dy: &[f32],
    x: &[f32],
    weight: &[f32],
    mean: &[f32],
    rstd: &[f32],
    dx: Option<Out>,
    dweight: Option<Out>,
    dbias: Option<Out>,
) {
    check_rows(x, weight, dy.len(), rstd.len());
    assert_eq!(mean.len(), rstd.len(), "means for {} rows, deviations for {}", mean.len(), rstd.len());
    let rows = Rows { dy, x, weight, mean, rstd };
    rows.backward(layer_norm_backward_chunk, dx, [dweight, dbias]);
}

/// `y = x·rstd·weight` for each row of `x` (rows, width), with `rstd = 1/√(mean(x²) + eps)` kept for the backward:
/// no mean is subtracted and there is no bias (T5's layer norm). The width is that of `weight`.
///
/// # Panics
/// If the shapes do not fit.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32], rstd: &mut [f32]) {
    let width = check_rows(x, weight, y.len(), rstd.len());
    let (isa, rows) = (cpu::isa(), (CHUNK / width).max(1));
    y.par_chunks_mut(rows * width)
        .zip(x.par_chunks(rows * width))
        .zip(rstd.par_chunks_mut(rows))
        .for_each(|((y, x), rstd)| rms_norm_chunk(isa, x, weight, eps, y, rstd));
}

/// Gradients of [`rms_norm`]. With `x̂ = x·rstd` and `g = dy·weight`: `dx = rstd·(g − x̂·mean(g·x̂))` in each row and
/// `dweight = Σ dy·x̂` over the rows.
///
/// # Panics
/// If the shapes do not fit.
pub fn rms_norm_backward(
    dy: &[f32],
    x: &[f32],
    weight: &[f32],
    rstd: &[f32],
    dx: Option<Out>,
    dweight: Option<Out>,
) {
    check_rows(x, weight, dy.len(), rstd.len());
    let rows = Rows { dy, x, weight, mean: &[], rstd };
    rows.backward(rms_norm_backward_chunk, dx, [dweight, None]);
}

per_isa! {
    fn layer_norm_chunk<T>(
        x: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32, y: &mut [f32], mean: &mut [f32], rstd: &mut [f32],
    ) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width));
        for ((x, y), (mean, rstd)) in rows.zip(mean.iter_mut().zip(rstd)) {
            let [sum] = lane_sums([x], |x| x);
            let m = sum / width as f32;
            let [squares] = lane_sums([x], |[x]| [(x - m) * (x - m)]);
            let r = 1.0 / (squares / width as f32 + eps).sqrt();
            (*mean, *rstd) = (m, r);
            let columns = y.iter_mut().zip(x).zip(weight);
            match bias {
                Some(bias) => columns.zip(bias).for_each(|(((y, x), w), b)| *y = T::fma((x - m) * r, *w, *b)),
                None => columns.for_each(|((y, x), w)| *y = (x - m) * r * w),
            }
        }
    }
}

per_isa! {
    fn rms_norm_chunk<T>(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32], rstd: &mut [f32]) {
        let width = weight.len();
        for ((x, y), rstd) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(rstd) {
            let [squares] = lane_sums([x], |[x]| [x * x]);
            let r = 1.0 / (squares / width as f32 + eps).sqrt();
            *rstd = r;
            y.iter_mut().zip(x).zip(weight).for_each(|((y, x), w)| *y = x * r * w);
        }
    }
}

/// What a backward reads of some rows; RMS norm has no means.
#[derive(Clone, Copy)]
struct Rows<'a> {
    dy: &'a [f32],
    x: &'a [f32],
    weight: &'a [f32],
    mean: &'a [f32],
    rstd: &'a [f32],
}

/// Where the gradients of some rows go: `dx` unless it is not wanted, and to `sums`, unless that is empty, the row
/// sums for the weight and the bias, one after the other.
struct Gradients<'a> {
    dx: Option<Out<'a>>,
    sums: &'a mut [f32],
}

impl<'a> Rows<'a> {
    /// Runs `chunk` on fixed groups of rows and adds up their sums in order.
    fn backward(self, chunk: fn(Isa, Rows, Gradients), dx: Option<Out>, dparams: [Option<Out>; 2]) {
        let (isa, width) = (cpu::isa(), self.weight.len());
        // At most 32 groups, so that their sums take little memory; small groups are not worth a task.
        let rows = self.rstd.len().div_ceil(32).max((CHUNK / width).max(1));
        let groups = self.rstd.len().div_ceil(rows);
        let sums_len = if dparams.iter().any(Option::is_some) { 2 * width } else { 0 };
        let mut sums = vec![0.0; groups * sums_len];
        let mut dx_groups = dx.map(|dx| {
            assert_eq!(dx.data.len(), self.x.len(), "dx has {} values, x {}", dx.data.len(), self.x.len());
            let accum = dx.accum;
            dx.data.chunks_mut(rows * width).map(move |data| Out { data, accum })
        });
        let mut sums_groups = sums.chunks_mut(sums_len.max(1));
        let tasks: Vec<_> = (0..groups)
            .map(|group| {
                let dx = dx_groups.as_mut().and_then(Iterator::next);
                let sums = sums_groups.next().unwrap_or_default();
                (self.group(group * rows, rows), Gradients { dx, sums })
            })
            .collect();
        tasks.into_par_iter().for_each(|(rows, gradients)| chunk(isa, rows, gradients));
        for (i, dparam) in dparams.into_iter().enumerate() {
            if let Some(dparam) = dparam {
                add_groups(sums.chunks(sums_len).map(|sums| &sums[i * width..][..width]), dparam);
            }
        }
    }

    /// `rows` rows from `start` on, or as many as are left.
    fn group(self, start: usize, rows: usize) -> Rows<'a> {
        let (end, width) = ((start + rows).min(self.rstd.len()), self.weight.len());
        Rows {
            dy: &self.dy[start * width..end * width],
            x: &self.x[start * width..end * width],
            weight: self.weight,
            mean: self.mean.get(start..end).unwrap_or_default(),
            rstd: &self.rstd[start..end],
        }
    }
}

/// Σ of the groups in order, to `out`.
fn add_groups<'a>(groups: impl Iterator<Item = &'a [f32]>, out: Out) {
    let mut total = vec![0.0; out.data.len()];
    for group in groups {
        assert_eq!(
            out.data.len(),
            group.len(),
            "a gradient of {} values for a width of {}",
            out.data.len(),
            group.len()
        );
        total.iter_mut().zip(group).for_each(|(total, x)| *total += x);
    }
    out.accum.store_all(out.data, total.into_iter());
}

per_isa! {
    fn layer_norm_backward_chunk<T>(rows: Rows, gradients: Gradients) {
        let Rows { dy, x, weight, mean, rstd } = rows;
        let width = weight.len();
        let (dweight, dbias) = gradients.sums.split_at_mut(gradients.sums.len() / 2);
        let mut dx_rows = gradients.dx.map(|dx| (dx.accum, dx.data.chunks_exact_mut(width)));
        for (r, (x, dy)) in x.chunks_exact(width).zip(dy.chunks_exact(width)).enumerate() {
            let (mean, rstd) = (mean[r], rstd[r]);
            if let Some((accum, dx)) = dx_rows.as_mut().and_then(|(accum, rows)| Some((*accum, rows.next()?))) {
                let [g, g_hat] = lane_sums([dy, weight, x], |[dy, w, x]| [dy * w, dy * w * ((x - mean) * rstd)]);
                let (g, g_hat) = (g / width as f32, g_hat / width as f32);
                let columns = dy.iter().zip(weight).zip(x);
                accum.store_all(dx, columns.map(|((dy, w), x)| rstd * (dy * w - g - (x - mean) * rstd * g_hat)));
            }
            for (((dweight, dbias), dy), x) in dweight.iter_mut().zip(dbias.iter_mut()).zip(dy).zip(x) {
                *dweight = T::fma(*dy, (x - mean) * rstd, *dweight);
                *dbias += dy;
            }
        }
    }
}

per_isa! {
    fn rms_norm_backward_chunk<T>(rows: Rows, gradients: Gradients) {
        let Rows { dy, x, weight, rstd, .. } = rows;
        let width = weight.len();
        let mut dx_rows = gradients.dx.map(|dx| (dx.accum, dx.data.chunks_exact_mut(width)));
        for (r, (x, dy)) in x.chunks_exact(width).zip(dy.chunks_exact(width)).enumerate() {
            let rstd = rstd[r];
            if let Some((accum, dx)) = dx_rows.as_mut().and_then(|(accum, rows)| Some((*accum, rows.next()?))) {
                let [g_hat] = lane_sums([dy, weight, x], |[dy, w, x]| [dy * w * (x * rstd)]);
                let g_hat = g_hat / width as f32;
                let columns = dy.iter().zip(weight).zip(x);
                accum.store_all(dx, columns.map(|((dy, w), x)| rstd * (dy * w - x * rstd * g_hat)));
            }
            for ((dweight, dy), x) in gradients.sums.iter_mut().zip(dy).zip(x) {
                *dweight = T::fma(*dy, x * rstd, *dweight);
            }
        }
    }
}

/// The width of rows that are normalised together.
#[track_caller]
fn check_rows(x: &[f32], weight: &[f32], y: usize, rows: usize) -> usize {
    let width = weight.len();
    assert!(
        width > 0 && x.len() == rows * width && y == x.len(),
        "inputs of {} and {y} values for {rows} rows of width {width}",
        x.len()
    );
    width
}

#[track_caller]
fn check_width(weight: &[f32], bias: Option<&[f32]>) {
    if let Some(bias) = bias {
        assert_eq!(bias.len(), weight.len(), "a bias of {} for a weight of {}", bias.len(), weight.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPS: f32 = 1e-5;

    fn ramp(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * i + 31 * seed) as f32 * 0.071).sin() + 0.3).collect()
    }

    fn wide(x: &[f32]) -> Vec<f64> {
        x.iter().map(|&x| f64::from(x)).collect()
    }

    /// Which norm, as a function of x, weight and bias in f64: the definition.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Norm {
        Layer,
        Rms,
    }

    fn twin(norm: Norm, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
        let width = weight.len();
        let mut y = Vec::new();
        for x in x.chunks(width) {
            let mean = if norm == Norm::Layer { x.iter().sum::<f64>() / width as f64 } else { 0.0 };
            let square = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width as f64;
            let scale = 1.0 / (square + f64::from(EPS)).sqrt();
            y.extend((0..width).map(|c| (x[c] - mean) * scale * weight[c] + bias[c]));
        }
        y
    }

    #[track_caller]
    fn assert_close(got: &[f32], want: &[f64], tolerance: f64) {
        assert_eq!(got.len(), want.len());
        for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
            let error = (f64::from(got) - want).abs();
            assert!(error <= tolerance * want.abs().max(1.0), "element {i}: {got} not {want}");
        }
    }

    /// ∂⟨y, dy⟩/∂z by central differences, where `y` makes the output from `z`.
    fn numeric_gradient(z: &[f64], dy: &[f64], y: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
        let at = |i: usize, h: f64| {
            let mut z = z.to_vec();
            z[i] += h;
            y(&z).iter().zip(dy).map(|(y, dy)| y * dy).sum::<f64>()
        };
        (0..z.len()).map(|i| (at(i, 1e-5) - at(i, -1e-5)) / 2e-5).collect()
    }

    #[test]
    fn values_and_every_gradient_are_those_of_the_definition() {
        for norm in [Norm::Layer, Norm::Rms] {
            for (rows, width) in [(1, 1), (3, 5), (2, 32), (4, 71)] {
                let (x, weight, dy) = (ramp(rows * width, 1), ramp(width, 2), ramp(rows * width, 3));
                let bias = if norm == Norm::Layer { ramp(width, 4) } else { vec![0.0; width] };
                let (mut y, mut mean, mut rstd) = (vec![f32::NAN; x.len()], vec![0.0; rows], vec![0.0; rows]);
                let (mut dx, mut dweight, mut dbias) =
                    (vec![1.0; x.len()], vec![1.0; width], vec![f32::NAN; width]);
                let (out_dx, out_dweight) = (Some(Out::add(&mut dx)), Some(Out::add(&mut dweight)));
                if norm == Norm::Layer {
                    layer_norm(&x, &weight, Some(&bias), EPS, &mut y, &mut mean, &mut rstd);
                    let out_dbias = Some(Out::set(&mut dbias));
                    layer_norm_backward(&dy, &x, &weight, &mean, &rstd, out_dx, out_dweight, out_dbias);
                } else {
                    rms_norm(&x, &weight, EPS, &mut y, &mut rstd);
                    rms_norm_backward(&dy, &x, &weight, &rstd, out_dx, out_dweight);
                }
                let (x, weight, bias, dy) = (wide(&x), wide(&weight), wide(&bias), wide(&dy));
                let plus_one = |g: Vec<f64>| g.into_iter().map(|g| 1.0 + g).collect::<Vec<_>>();
                assert_close(&y, &twin(norm, &x, &weight, &bias), 2e-6);
                let want = numeric_gradient(&x, &dy, |x| twin(norm, x, &weight, &bias));
                // A single column has no variance: its slopes are of size 1/√eps and cancel in f32.
                assert_close(&dx, &plus_one(want), if width == 1 { 3e-4 } else { 1e-5 });
                let want = numeric_gradient(&weight, &dy, |weight| twin(norm, &x, weight, &bias));
                assert_close(&dweight, &plus_one(want), 1e-5);
                if norm == Norm::Layer {
                    assert_close(&dbias, &numeric_gradient(&bias, &dy, |b| twin(norm, &x, &weight, b)), 1e-5);
                }
            }
        }
    }

    #[test]
    fn each_gradient_can_be_left_out_and_the_rest_stay_the_same() {
        let (rows, width) = (300, 96);
        let (x, weight, dy) = (ramp(rows * width, 1), ramp(width, 2), ramp(rows * width, 3));
        let (mut y, mut mean, mut rstd) = (vec![0.0; x.len()], vec![0.0; rows], vec![0.0; rows]);
        layer_norm(&x, &weight, None, EPS, &mut y, &mut mean, &mut rstd);
        let run = |wanted: [bool; 3]| {
            let mut gradients = [vec![0.0; x.len()], vec![0.0; width], vec![0.0; width]];
            let [dx, dweight, dbias] = &mut gradients;
            layer_norm_backward(
                &dy,
                &x,
                &weight,
                &mean,
                &rstd,
                wanted[0].then(|| Out::set(dx)),
                wanted[1].then(|| Out::set(dweight)),
                wanted[2].then(|| Out::set(dbias)),
            );
            gradients
        };
        let all = run([true; 3]);
        for wanted in [[true, false, false], [false, true, false], [false, false, true], [false; 3]] {
            for (i, gradient) in run(wanted).into_iter().enumerate() {
                assert_eq!(gradient == all[i], wanted[i], "gradient {i} of {wanted:?}");
            }
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let (rows, width) = (1500, 48);
        let (x, weight, dy) = (ramp(rows * width, 1), ramp(width, 2), ramp(rows * width, 3));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut y, mut rstd) = (vec![0.0; x.len()], vec![0.0; rows]);
            let (mut dx, mut dweight) = (vec![0.0; x.len()], vec![0.0; width]);
            pool.install(|| {
                rms_norm(&x, &weight, EPS, &mut y, &mut rstd);
                rms_norm_backward(
                    &dy,
                    &x,
                    &weight,
                    &rstd,
                    Some(Out::set(&mut dx)),
                    Some(Out::set(&mut dweight)),
                );
            });
            (y, dx, dweight)
        };
        assert_eq!(run(1), run(3));
    }

    /// A mean far from zero must not cost the variance its digits.
    #[test]
    fn a_large_mean_is_harmless() {
        let x: Vec<f32> = (0..768).map(|i| 1000.0 + (i % 2) as f32).collect();
        let (mut y, mut mean, mut rstd) = (vec![0.0; 768], [0.0], [0.0]);
        layer_norm(&x, &[1.0; 768], None, EPS, &mut y, &mut mean, &mut rstd);
        let want: Vec<f64> = (0..768).map(|i| if i % 2 == 0 { -0.99998 } else { 0.99998 }).collect();
        assert_close(&y, &want, 2e-4);
    }

    #[test]
    #[should_panic(expected = "inputs of 7 and 7 values for 2 rows of width 3")]
    fn shapes_are_checked() {
        rms_norm(&[0.0; 7], &[1.0; 3], EPS, &mut [0.0; 7], &mut [0.0; 2]);
    }
}

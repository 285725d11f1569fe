use rayon::prelude::*;

use crate::rng::Rng;

/// Floats drawn from one random stream; a large matrix is filled by many streams at once.
const CHUNK: usize = 1 << 16;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// Normal with mean 0.
    Normal {
        /// Standard deviation.
        std: f32,
    },
    /// Normal with mean 0, drawn again beyond two standard deviations (TensorFlow's `truncated_normal_initializer`).
    TruncatedNormal {
        /// Standard deviation before truncation.
        std: f32,
    },
    /// Uniform in [-limit, limit).
    Uniform {
        /// Half the width of the interval.
        limit: f32,
    },
}

impl Init {
    /// Fills `values` from the random streams of this seed and parameter name.
    pub fn fill(&self, seed: u64, name: &str, values: &mut [f32]) {
        let base = Rng::named(seed, name).next_u64();
        values.par_chunks_mut(CHUNK).enumerate().for_each(|(i, chunk)| {
            let mut rng = Rng::new(Rng::new(base.wrapping_add(i as u64)).next_u64());
            chunk.iter_mut().for_each(|v| *v = self.draw(&mut rng));
        });
    }

    fn draw(&self, rng: &mut Rng) -> f32 {
        match *self {
            Self::Zeros => 0.0,
            Self::Ones => 1.0,
            Self::Normal { std } => (f64::from(std) * rng.normal()) as f32,
            Self::TruncatedNormal { std } => loop {
                let z = rng.normal();
                if z.abs() <= 2.0 {
                    break (f64::from(std) * z) as f32;
                }
            },
            Self::Uniform { limit } => (f64::from(limit) * (2.0 * rng.uniform() - 1.0)) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_one_asked_for() {
        let mut values = vec![0.0; 200_000];
        let std = |v: &[f32]| (v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / v.len() as f64).sqrt();
        Init::Normal { std: 0.02 }.fill(1, "w", &mut values);
        assert!((std(&values) - 0.02).abs() < 2e-4);
        Init::TruncatedNormal { std: 0.02 }.fill(1, "w", &mut values);
        assert!(values.iter().all(|v| v.abs() <= 0.04));
        assert!(
            (std(&values) - 0.0176).abs() < 2e-4,
            "a normal cut at two deviations has 0.88 of its spread"
        );
        Init::Uniform { limit: 0.5 }.fill(1, "w", &mut values);
        assert!((std(&values) - 0.5 / 3f64.sqrt()).abs() < 2e-3);
    }

    #[test]
    fn two_names_have_two_streams() {
        let (mut a, mut b) = ([0.0; 8], [0.0; 8]);
        Init::Normal { std: 1.0 }.fill(1, "a", &mut a);
        Init::Normal { std: 1.0 }.fill(1, "b", &mut b);
        assert!(a.iter().zip(&b).all(|(x, y)| x != y));
    }
}

//! Learning-rate schedules: a factor on the base rate for each step.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// Which fraction of the rate each step of the warm-up uses; n counts steps from 0, W is the warm-up's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ramp {
    /// n/W, as in Hugging Face transformers and Google's BERT: the first step has rate 0 and moves nothing.
    #[default]
    FromZero,
    /// (n + 1)/W, as in llm.c: the last step of the warm-up already has the full rate.
    ToFull,
    /// (n + 1)/(W + 1), as in nanoGPT: neither end is wasted.
    Between,
}

/// What the rate does once the warm-up is over; t = (n − W)/(total − W) is the share of the way that is done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// Stays at the full rate.
    Constant,
    /// 1 − t, down to `floor`.
    Linear {
        /// The step at which the floor is reached.
        total: u64,
        /// The smallest factor.
        #[serde(default)]
        floor: f64,
    },
    /// floor + (1 − floor)·(1 + cos(2π·cycles·t))/2; half a cycle is the usual single descent. As in Hugging
    /// Face's version the wave goes on after `total`, where the rate rises again: let a run end there.
    Cosine {
        /// The step at which the descent ends.
        total: u64,
        /// The smallest factor.
        #[serde(default)]
        floor: f64,
        /// Waves over the whole run.
        #[serde(default = "half")]
        cycles: f64,
    },
    /// A fresh half-wave from 1 to 0 in each cycle.
    CosineRestarts {
        /// The step at which the last cycle ends.
        total: u64,
        /// How many descents.
        cycles: u32,
    },
    /// floor + (1 − floor)·(1 − t)^power.
    Polynomial {
        /// The step at which the floor is reached.
        total: u64,
        /// The factor at the end.
        floor: f64,
        /// 1 is a straight line.
        power: f64,
    },
    /// √(timescale/(n − W + timescale)); without a timescale the warm-up's length is used, so that the curve
    /// continues the ramp as √(W/n).
    InverseSqrt {
        /// Steps in which the rate falls to 1/√2 of its peak.
        #[serde(default)]
        timescale: Option<u64>,
    },
    /// Full rate, then one half-wave of a cosine over the last `tail` steps.
    StableThenCosine {
        /// The step at which the rate reaches the floor.
        total: u64,
        /// How many steps the descent takes.
        tail: u64,
        /// The smallest factor.
        #[serde(default)]
        floor: f64,
    },
    /// T5's 1/√max(n, plateau), an absolute rate when the base rate is 1 (Raffel et al., section 3.1.2).
    ReciprocalSqrt {
        /// Steps during which the rate stays at 1/√plateau.
        plateau: u64,
    },
    /// 1 − n/total, counted from the first step and not from the end of the warm-up, as Google's BERT does: the
    /// rate jumps down a little where the warm-up ends.
    LinearFromStart {
        /// The step at which the rate is 0.
        total: u64,
    },
}

/// A warm-up followed by a decay, asked for the factor of each step.
///
/// ```
/// use tercet_train::{Decay, Schedule};
///
/// let schedule = Schedule::new(Decay::Cosine { total: 1000, floor: 0.1, cycles: 0.5 }).with_warmup(100);
/// assert_eq!(schedule.factor(0), 0.0);
/// assert_eq!(schedule.factor(50), 0.5);
/// assert_eq!(schedule.factor(100), 1.0);
/// assert!((schedule.factor(1000) - 0.1).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Steps over which the rate rises.
    #[serde(default)]
    pub warmup: u64,
    /// How it rises.
    #[serde(default)]
    pub ramp: Ramp,
    /// What comes after.
    pub decay: Decay,
}

impl Schedule {
    /// A schedule that starts at once, without a warm-up.
    pub fn new(decay: Decay) -> Self {
        Self { warmup: 0, ramp: Ramp::default(), decay }
    }

    /// The same schedule behind a warm-up of `steps`.
    pub fn with_warmup(self, steps: u64) -> Self {
        Self { warmup: steps, ..self }
    }

    /// The same schedule with another form of warm-up.
    pub fn with_ramp(self, ramp: Ramp) -> Self {
        Self { ramp, ..self }
    }

    /// The factor on the base rate during step `n`, counted from 0.
    pub fn factor(&self, n: u64) -> f64 {
        let warmup = self.warmup as f64;
        if n < self.warmup {
            return match self.ramp {
                Ramp::FromZero => n as f64 / warmup,
                Ramp::ToFull => (n + 1) as f64 / warmup,
                Ramp::Between => (n + 1) as f64 / (warmup + 1.0),
            };
        }
        let after = (n - self.warmup) as f64;
        let way = |total: u64| after / total.saturating_sub(self.warmup).max(1) as f64;
        let done = |total: u64| way(total).min(1.0);
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear { total, floor } => (1.0 - done(total)).max(floor),
            Decay::Cosine { total, floor, cycles } => {
                floor + (1.0 - floor) * wave(2.0 * cycles * way(total)).max(0.0)
            }
            Decay::CosineRestarts { total, cycles } => match done(total) {
                t if t >= 1.0 => 0.0,
                t => wave((f64::from(cycles) * t).fract()),
            },
            Decay::Polynomial { total, floor, power } => {
                floor + (1.0 - floor) * (1.0 - done(total)).powf(power)
            }
            Decay::InverseSqrt { timescale } => {
                let timescale = timescale.unwrap_or(self.warmup).max(1) as f64;
                (timescale / (after + timescale)).sqrt()
            }
            Decay::StableThenCosine { total, tail, floor } => {
                let into = n.saturating_sub(total.saturating_sub(tail)) as f64;
                floor + (1.0 - floor) * wave((into / tail.max(1) as f64).min(1.0))
            }
            Decay::ReciprocalSqrt { plateau } => 1.0 / (n.max(plateau).max(1) as f64).sqrt(),
            Decay::LinearFromStart { total } => 1.0 - n.min(total) as f64 / total.max(1) as f64,
        }
    }
}

/// (1 + cos πx)/2: from 1 at x = 0 to 0 at x = 1.
fn wave(x: f64) -> f64 {
    0.5 * (1.0 + (PI * x).cos())
}

fn half() -> f64 {
    0.5
}

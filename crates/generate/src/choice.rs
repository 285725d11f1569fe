//! Choosing the next id from processed logits.

/// The id of the greatest logit, the first of them where several are equal; none if no logit is above −∞.
pub(crate) fn most_probable(logits: &[f32]) -> Option<u32> {
    let mut best = None;
    let mut greatest = f32::NEG_INFINITY;
    for (id, &logit) in (0..).zip(logits) {
        if logit > greatest {
            (best, greatest) = (Some(id), logit);
        }
    }
    best
}

/// The id at which the distribution softmax(logits), summed up in the order of the ids, passes `u` in [0, 1).
pub(crate) fn sample(u: f64, logits: &[f32]) -> Option<u32> {
    let greatest = logits[most_probable(logits)? as usize];
    let weight = |logit: f32| if logit.is_nan() { 0.0 } else { f64::from(logit - greatest).exp() };
    let total: f64 = logits.iter().map(|&logit| weight(logit)).sum();
    let mut passed = 0.0;
    let mut last = None; // where rounding leaves the sum below u
    for (id, &logit) in (0..).zip(logits) {
        let weight = weight(logit);
        if weight > 0.0 {
            last = Some(id);
            passed += weight;
            if passed > u * total {
                break;
            }
        }
    }
    last
}

/// The random number in [0, 1) with which sequence number `sequence` chooses the id at `position`.
///
/// A pure function of its arguments, so that a sequence does not depend on what else is generated beside it.
pub fn uniform(seed: u64, sequence: u64, position: u64) -> f64 {
    let bits = scramble(scramble(scramble(seed) ^ sequence) ^ position);
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// One step of SplitMix64 (Steele et al. 2014): a bijection whose output bits each depend on all input bits.
fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

//! Filters that keep the better part of a distribution. Each sets the logits of the other ids to −∞.

/// Probabilities of the ids, and their logarithms: softmax and log-softmax in f64.
struct Distribution {
    p: Vec<f64>,
    log_p: Vec<f64>,
}

impl Distribution {
    fn of(logits: &[f32]) -> Self {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shifted = |&logit: &f32| f64::from(logit) - f64::from(max);
        let log_sum = logits.iter().map(|logit| shifted(logit).exp()).sum::<f64>().ln();
        let log_p: Vec<f64> = logits.iter().map(|logit| shifted(logit) - log_sum).collect();
        Distribution { p: log_p.iter().map(|log_p| log_p.exp()).collect(), log_p }
    }

    /// −Σ p·log p, where an id of probability 0 adds nothing.
    fn entropy(&self) -> f64 {
        self.p.iter().zip(&self.log_p).filter(|(p, _)| **p > 0.0).map(|(p, log_p)| -p * log_p).sum()
    }
}

/// Keeps the k greatest logits, and those equal to the k-th.
pub fn top_k(k: usize, logits: &mut [f32]) {
    if let Some(least) = greatest(k, logits) {
        rule_out_where(logits, |_, logit| logit < least);
    }
}

/// Keeps the most probable ids, the last of them the one that reaches p.
pub fn top_p(p: f32, keep: usize, logits: &mut [f32]) {
    let distribution = Distribution::of(logits).p;
    let by_logit = possible_ids(logits, |id| f64::from(logits[id]));
    let mut below = 0.0; // the probability of an id and all that are less probable
    let candidates = by_logit.len().saturating_sub(keep);
    for &id in &by_logit[..candidates] {
        below += distribution[id];
        if below > 1.0 - f64::from(p) {
            break;
        }
        logits[id] = f32::NEG_INFINITY;
    }
}

/// Keeps ids at least p times as probable as the most probable one.
pub fn min_p(p: f32, keep: usize, logits: &mut [f32]) {
    let distribution = Distribution::of(logits).p;
    let least = f64::from(p) * distribution.iter().copied().fold(0.0, f64::max);
    keep_at_least(keep, logits, |id| distribution[id] < least);
}

/// Keeps the ids whose surprise is nearest to the expected one, the last of them the one that reaches p.
pub fn typical(p: f32, keep: usize, logits: &mut [f32]) {
    let distribution = Distribution::of(logits);
    let entropy = distribution.entropy();
    let deviation: Vec<f64> = distribution.log_p.iter().map(|log_p| (-log_p - entropy).abs()).collect();
    let nearest = possible_ids(logits, |id| deviation[id]);
    let mut reached = 0.0;
    let mut farthest = nearest.last().map_or(0.0, |&id| deviation[id]);
    for &id in &nearest {
        reached += distribution.p[id];
        if reached >= f64::from(p) {
            farthest = deviation[id];
            break;
        }
    }
    for &id in nearest.iter().skip(keep) {
        if deviation[id] > farthest {
            logits[id] = f32::NEG_INFINITY;
        }
    }
}

/// Keeps ids of probability ε or more.
pub fn epsilon(epsilon: f32, keep: usize, logits: &mut [f32]) {
    let distribution = Distribution::of(logits).p;
    keep_at_least(keep, logits, |id| distribution[id] < f64::from(epsilon));
}

/// Keeps ids of probability min(ε, √ε·exp(−entropy)) or more.
pub fn eta(epsilon: f32, keep: usize, logits: &mut [f32]) {
    let distribution = Distribution::of(logits);
    let epsilon = f64::from(epsilon);
    let least = epsilon.min(epsilon.sqrt() * (-distribution.entropy()).exp());
    keep_at_least(keep, logits, |id| distribution.p[id] < least);
}

/// Rules out where `out` says so, but none of the `keep` greatest logits.
fn keep_at_least(keep: usize, logits: &mut [f32], out: impl Fn(usize) -> bool) {
    if let Some(kept) = greatest(keep, logits) {
        rule_out_where(logits, |id, logit| out(id) && logit < kept);
    }
}

fn rule_out_where(logits: &mut [f32], out: impl Fn(usize, f32) -> bool) {
    for (id, logit) in logits.iter_mut().enumerate() {
        if out(id, *logit) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// The k-th greatest logit, or the least where there are fewer.
fn greatest(k: usize, logits: &[f32]) -> Option<f32> {
    let mut sorted = logits.to_vec();
    let k = k.clamp(1, sorted.len().max(1)) - 1;
    (k < sorted.len()).then(|| *sorted.select_nth_unstable_by(k, |a, b| b.total_cmp(a)).1)
}

/// The ids that are not ruled out, in ascending order of `key`, equal ones in the order of the ids.
fn possible_ids(logits: &[f32], key: impl Fn(usize) -> f64) -> Vec<usize> {
    let possible = (0..logits.len()).filter(|&id| logits[id] > f32::NEG_INFINITY);
    let mut keys: Vec<(u64, usize)> = possible.map(|id| (ordered_bits(key(id)), id)).collect();
    keys.sort_unstable(); // on whole numbers several times as fast as on floats with a comparison
    keys.into_iter().map(|(_, id)| id).collect()
}

/// Whole numbers in the order of the floats.
fn ordered_bits(x: f64) -> u64 {
    const SIGN: u64 = 1 << 63;
    let bits = x.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

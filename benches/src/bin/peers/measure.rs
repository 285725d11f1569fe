//! Running a contender, and reading what it says of itself.

use std::process::Command;

use serde_json::Value;

use crate::plan::Variables;

/// Someone with a command to run.
pub struct Contender {
    pub name: String,
    pub words: Vec<String>,
    pub environment: Variables,
}

/// What a contender printed of one run.
pub struct Run {
    /// The median of its repetitions.
    pub seconds: f64,
    pub gflop_s: Option<f64>,
    pub share_of_peak: Option<f64>,
    pub peak_rss_mb: Option<f64>,
    /// The line itself.
    pub line: Value,
}

/// All rounds of one piece of work.
pub struct Measured {
    pub work: String,
    pub names: Vec<String>,
    pub commands: Vec<String>,
    /// By contender.
    pub rounds: Vec<Vec<Run>>,
}

impl Contender {
    /// Runs the command, and takes the last line of JSON that it prints.
    pub fn run(&self) -> Result<Run, String> {
        let named = |why: String| format!("{}: `{}` {why}", self.name, self.words.join(" "));
        let (program, arguments) = self.words.split_first().ok_or_else(|| named("is empty".into()))?;
        let mut command = Command::new(program);
        command.args(arguments).envs(&self.environment);
        let output = command.output().map_err(|e| named(format!("does not start: {e}")))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(named(format!("ended with {}: {}", output.status, errors.trim_end())));
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        let line = printed.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = line.ok_or_else(|| named("printed no line of JSON".into()))?;
        let number = |names: &[&str]| names.iter().find_map(|name| line.get(name).and_then(Value::as_f64));
        let seconds = number(&["step_s", "median_s"])
            .filter(|seconds| *seconds > 0.0)
            .ok_or_else(|| named(format!("printed neither step_s nor median_s: {line}")))?;
        Ok(Run {
            seconds,
            gflop_s: number(&["gflop_s"]),
            share_of_peak: number(&["share_of_peak"]),
            peak_rss_mb: number(&["peak_rss_mb"]),
            line,
        })
    }
}

impl Measured {
    pub fn new(work: String, contenders: &[Contender]) -> Self {
        let names = contenders.iter().map(|c| c.name.clone()).collect();
        let commands = contenders.iter().map(|c| c.words.join(" ")).collect();
        Self { work, names, commands, rounds: contenders.iter().map(|_| Vec::new()).collect() }
    }

    /// The median of a contender's seconds.
    pub fn seconds(&self, contender: usize) -> f64 {
        median(self.rounds[contender].iter().map(|run| run.seconds)).expect("a round")
    }

    /// How many times as long as the first contender another took, round by round.
    pub fn ratios(&self, contender: usize) -> Vec<f64> {
        let pairs = self.rounds[contender].iter().zip(&self.rounds[0]);
        pairs.map(|(other, ours)| other.seconds / ours.seconds).collect()
    }

    /// The fastest of the others.
    pub fn fastest_peer(&self) -> Option<usize> {
        (1..self.names.len()).min_by(|&a, &b| self.seconds(a).total_cmp(&self.seconds(b)))
    }
}

/// The middle of some numbers, or of the two in the middle.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        n if n % 2 == 1 => Some(numbers[middle]),
        _ => Some((numbers[middle - 1] + numbers[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prints(line: &str) -> Contender {
        let words = ["printf", "%s\\n", "# loading", line].map(str::to_owned).to_vec();
        Contender { name: "a peer".into(), words, environment: Variables::new() }
    }

    #[test]
    fn the_line_of_a_peer_is_read_and_its_mistakes_are_named() {
        let run = prints(r#"{"median_s":0.5,"gflop_s":20.0}"#).run().expect("a measurement");
        assert_eq!((run.seconds, run.gflop_s, run.share_of_peak), (0.5, Some(20.0), None));
        let no_time = prints(r#"{"seconds":1}"#).run().err().expect("an error");
        assert!(no_time.contains("a peer") && no_time.contains("median_s"), "{no_time}");
        assert!(prints("done").run().is_err_and(|e| e.contains("no line of JSON")));
        let missing = Contender { words: vec!["no-such-program".into()], ..prints("") };
        assert!(missing.run().is_err_and(|e| e.contains("does not start")));
    }

    #[test]
    fn medians_are_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }
}

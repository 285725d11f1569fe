//! The report: a table, how to make it again, and every line that was printed.

use std::fmt::Write as _;
use std::path::Path;

use crate::measure::{Measured, Run, median};

/// Writes `report.md` and `lines.jsonl` into a folder.
pub fn write(folder: &Path, title: &str, results: &[Measured]) -> Result<(), String> {
    let save = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    };
    save("report.md", markdown(title, results))?;
    let lines = results.iter().flat_map(|measured| measured.rounds.iter().flatten());
    save("lines.jsonl", lines.map(|run| format!("{}\n", run.line)).collect())
}

fn markdown(title: &str, results: &[Measured]) -> String {
    let mut text = format!("# {title}\n\nOn {}; medians of the rounds, everyone in turn.\n\n", processor());
    text += "| work | who | seconds | of tercet's time | GFLOP/s | of peak | memory |\n|---|---|---|---|---|---|---|\n";
    for measured in results {
        for (i, name) in measured.names.iter().enumerate() {
            let of = |field: fn(&Run) -> Option<f64>| median(measured.rounds[i].iter().filter_map(field));
            let cell = |number: Option<f64>, show: fn(f64) -> String| number.map(show).unwrap_or_default();
            let _ = writeln!(
                text,
                "| {} | {name} | {:.4} | {} | {} | {} | {} |",
                if i == 0 { &measured.work } else { "" },
                measured.seconds(i),
                if i == 0 { String::new() } else { ratio(&measured.ratios(i)) },
                cell(of(|run| run.gflop_s), |x| format!("{x:.0}")),
                cell(of(|run| run.share_of_peak), |x| format!("{:.1} %", 100.0 * x)),
                cell(of(|run| run.peak_rss_mb), |x| format!("{x:.0} MB")),
            );
        }
    }
    text += "\n## Commands\n";
    for measured in results {
        let rounds = measured.rounds.first().map_or(0, Vec::len);
        let _ = write!(text, "\n{}, {rounds} rounds:\n\n```console\n", measured.work);
        measured.commands.iter().for_each(|command| {
            let _ = writeln!(text, "$ {command}");
        });
        text += "```\n";
    }
    text
}

/// `× 1.43 (1.41 to 1.45)`: the median of ratios and their range.
pub fn ratio(ratios: &[f64]) -> String {
    let middle = median(ratios.iter().copied()).unwrap_or(f64::NAN);
    let (least, most) = ratios.iter().fold((f64::INFINITY, 0.0f64), |(a, b), &x| (a.min(x), b.max(x)));
    format!("× {middle:.2} ({least:.2} to {most:.2})")
}

/// The processor, as the operating system names it.
fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let name = field("model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    match field("cpu family") {
        Some(family) => format!("{cores} cores of {name}, family {family}"),
        None => format!("{cores} cores of {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_gives_the_ratio_to_the_first() {
        let run = |seconds| Run {
            seconds,
            gflop_s: Some(100.0),
            share_of_peak: None,
            peak_rss_mb: None,
            line: json!({"median_s": seconds}),
        };
        let measured = Measured {
            work: "a step".into(),
            names: vec!["tercet".into(), "peer".into()],
            commands: vec!["tercet bench".into(), "peer bench".into()],
            rounds: vec![vec![run(1.0), run(2.0), run(1.0)], vec![run(2.0), run(3.0), run(3.0)]],
        };
        let text = markdown("Steps", &[measured]);
        assert!(text.contains("| a step | tercet | 1.0000 |  | 100 |  |  |"), "{text}");
        assert!(text.contains("|  | peer | 3.0000 | × 2.00 (1.50 to 3.00) | 100 |  |  |"), "{text}");
        assert!(text.contains("a step, 3 rounds") && text.contains("$ peer bench"), "{text}");
    }
}

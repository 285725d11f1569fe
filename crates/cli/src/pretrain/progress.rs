use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use tercet_train::{Evaluation, Event, StepReport};

use crate::output::{self, LiveLine, count, short, small, span};

/// Lines that a run leaves behind where no terminal shows a live one.
const PLAIN_LINES: u64 = 20;
/// Between two changes of the live line.
const REFRESH: Duration = Duration::from_millis(100);

/// Tells a person how a run goes: a live line on a terminal, and lasting lines for what is worth keeping.
pub struct Progress {
    live: LiveLine,
    shown: Option<Instant>,
    /// Measures of an evaluation that have a column: their names, and the column's.
    columns: &'static [(&'static str, &'static str)],
    floor: Option<f64>,
    speed: Speed,
    eval_every: u64,
    last: Option<StepReport>,
    evaluation: Option<Evaluation>,
}

/// What tokens a second are a share of.
pub struct Speed {
    /// Operations that a trained token takes.
    pub flops_per_token: f64,
    /// Measured rate of the machine, in operations a second.
    pub peak: f64,
}

impl Speed {
    fn share(&self, tokens_per_second: f64) -> f64 {
        tokens_per_second * self.flops_per_token / self.peak
    }
}

impl Progress {
    /// Before the first step.
    pub fn new(
        columns: &'static [(&'static str, &'static str)],
        floor: Option<f64>,
        speed: Speed,
        eval_every: u64,
    ) -> Self {
        let live = LiveLine::new();
        Self { live, shown: None, columns, floor, speed, eval_every, last: None, evaluation: None }
    }

    /// Prints the names of the columns.
    pub fn head(&self) {
        let floor = self.floor.map_or(String::new(), |floor| format!("   (floor {floor:.3})"));
        let columns: String = self.columns.iter().map(|(_, name)| format!("  {name:>8}")).collect();
        output::line(&format!(
            "\n{:>8}  {:>7}  {:>8}{columns}  {:>7}  {:>6}  {:>7}  {:>7}  left{floor}",
            "step", "loss", "held-out", "lr", "|g|", "tok/s", "of peak"
        ));
    }

    /// What the last evaluation measured besides the loss, each after a comma.
    pub fn metrics(&self) -> String {
        let metrics = self.evaluation.iter().flat_map(|evaluation| &evaluation.metrics);
        metrics.map(|(name, value)| format!(", {} {}", name.replace('_', " "), figure(*value))).collect()
    }

    /// Hears what happens.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Step(report) => self.step(report),
            Event::Evaluated { evaluation, best, .. } => {
                let mark = if *best { "" } else { "  not better" };
                self.row(Some(evaluation), mark);
                self.evaluation = Some((*evaluation).clone());
            }
            Event::Sampled { text, .. } => self.sample(text),
            Event::Skipped { step, what, .. } => self.lasting(&format!("step {step} is skipped: {what}")),
            Event::Damaged { step, error } => {
                self.lasting(&format!("checkpoint {step} is passed over: {error}"));
            }
            Event::SetAside { path } => self.lasting(&format!("set aside: {}", path.display())),
            Event::Started { step, .. } if *step > 0 => {
                self.lasting(&format!("goes on after step {}", count(*step)));
            }
            Event::Ended(_) => self.live.clear(),
            _ => {}
        }
    }

    fn step(&mut self, report: &StepReport) {
        self.last = Some(*report);
        let evaluated = report.step.is_multiple_of(self.eval_every.max(1)) || report.step == report.steps;
        if self.live.is_live() && self.shown.is_none_or(|shown| shown.elapsed() >= REFRESH) {
            self.shown = Some(Instant::now());
            let parts = self.parts(report);
            self.live.show(&parts);
        }
        // What goes to a file or a pipe, where nothing moves, gets a line now and then.
        let due = !evaluated && report.step.is_multiple_of((report.steps / PLAIN_LINES).max(1));
        if due && !io::stdout().is_terminal() {
            self.row(None, "");
        }
    }

    /// The live line's parts, the most wanted first.
    fn parts(&self, report: &StepReport) -> Vec<String> {
        let rate = report.tokens_per_second;
        let mut parts = vec![
            format!("step {}/{}", report.step, report.steps),
            format!("loss {:.3} (mean {:.3})", report.loss, report.mean_loss),
        ];
        parts.extend(report.held_out.map(|loss| format!("held-out {loss:.3}")));
        if let Some(evaluation) = &self.evaluation {
            let known = self
                .columns
                .iter()
                .filter_map(|(metric, name)| Some((name, evaluation.metrics.get(*metric)?)));
            parts.extend(known.map(|(name, value)| format!("{name} {value:.3}")));
        }
        parts.push(format!("{} left", span(report.eta)));
        parts.push(format!("{} tok/s", short(rate)));
        parts.push(format!("{:.0} % of peak", 100.0 * self.speed.share(rate)));
        parts.push(format!("lr {}", small(report.lr)));
        parts.push(format!("|g| {:.2}", report.grad_norm));
        parts.extend(self.floor.map(|floor| format!("floor {floor:.3}")));
        parts
    }

    /// A lasting line of figures.
    fn row(&mut self, evaluation: Option<&Evaluation>, mark: &str) {
        let Some(report) = self.last else { return };
        let rate = report.tokens_per_second;
        let cell = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.3}"));
        let measured =
            |(metric, _): &(&str, &str)| evaluation.and_then(|found| found.metrics.get(*metric).copied());
        let columns: String =
            self.columns.iter().map(|column| format!("  {:>8}", cell(measured(column)))).collect();
        self.lasting(&format!(
            "{:>8}  {:>7.3}  {:>8}{columns}  {:>7}  {:>6.2}  {:>7}  {:>5.0} %  {}{mark}",
            count(report.step),
            report.mean_loss,
            cell(evaluation.map(|evaluation| evaluation.loss)),
            small(report.lr),
            report.grad_norm,
            short(rate),
            100.0 * self.speed.share(rate),
            span(report.eta),
        ));
    }

    fn sample(&mut self, text: &str) {
        self.live.clear();
        output::line(indented(text, 10, 100).trim_end());
    }

    /// Prints a line that stays.
    pub fn lasting(&mut self, line: &str) {
        self.live.clear();
        output::line(line);
    }
}

/// A measure in four places.
fn figure(value: f64) -> String {
    if value < 10.0 { format!("{value:.4}") } else { format!("{value:.2}") }
}

/// A text in lines of at most `width` columns behind `margin` spaces.
pub fn indented(text: &str, margin: usize, width: usize) -> String {
    let mut all = String::new();
    for paragraph in text.trim().lines().filter(|line| !line.trim().is_empty()) {
        let mut line = " ".repeat(margin);
        for word in paragraph.split_whitespace() {
            let empty = line.len() == margin;
            if !empty && line.chars().count() + 1 + word.chars().count() > width {
                all += &line;
                all.push('\n');
                line = " ".repeat(margin);
            } else if !empty {
                line.push(' ');
            }
            line += word;
        }
        all += &line;
        all.push('\n');
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_wrapped_between_words_and_keeps_its_lines() {
        let text = "A title\n\nOne two three four five";
        assert_eq!(indented(text, 2, 12), "  A title\n  One two\n  three four\n  five\n");
    }
}

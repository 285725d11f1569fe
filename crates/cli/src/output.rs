use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::error::Error;

/// Prints a line that a person reads on the way. A reader who has gone away must not end the work.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints what the command was asked for, and a line end.
///
/// # Errors
/// When it cannot be written.
pub fn say(text: &str) -> Result<(), Error> {
    Ok(writeln!(io::stdout(), "{text}")?)
}

/// A whole number with its thousands apart: 16,287,488.
pub fn count(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size or rate in three digits with its unit's prefix: 16.3 M.
pub fn short(x: f64) -> String {
    let scales = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];
    let (scale, prefix) = scales.into_iter().find(|(scale, _)| x >= *scale * 0.9995).unwrap_or((1.0, ""));
    let digits = match x / scale {
        y if y >= 99.95 => 0,
        y if y >= 9.995 => 1,
        _ if prefix.is_empty() => 0,
        _ => 2,
    };
    format!("{:.digits$}{prefix}", x / scale)
}

/// A span of time as a person says it: 45 s, 2 min 05 s, 3 h 10 min.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// A learning rate or other small factor: 0.00083.
pub fn small(x: f64) -> String {
    if x == 0.0 || x >= 0.1 { format!("{x:.3}") } else { format!("{x:.1e}") }
}

/// A line on the terminal that is written over until it is gone. It goes to standard error, so that results alone are what a
/// pipe or a file gets, and never shows where that is no terminal.
pub struct LiveLine {
    terminal: bool,
    shown: bool,
}

impl LiveLine {
    /// No line yet.
    pub fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), shown: false }
    }

    /// Whether lines show.
    pub fn is_live(&self) -> bool {
        self.terminal
    }

    /// Shows as many of the parts, from the first on, as fit beside each other.
    pub fn show(&mut self, parts: &[String]) {
        if !self.terminal {
            return;
        }
        let width =
            terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0));
        let line = fitting(parts, width.saturating_sub(1));
        // A terminal that has gone away must not end the work.
        let mut out = io::stderr();
        let _ = write!(out, "\r\x1b[K{line}").and_then(|()| out.flush());
        self.shown = true;
    }

    /// Takes the line away, so that something lasting can be printed.
    pub fn clear(&mut self) {
        if self.shown {
            let mut out = io::stderr();
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
            self.shown = false;
        }
    }
}

/// The parts that fit into `width` columns, two spaces apart.
fn fitting(parts: &[String], width: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let gap = if line.is_empty() { 0 } else { 2 };
        if line.chars().count() + gap + part.chars().count() > width {
            break;
        }
        line.extend(std::iter::repeat_n(' ', gap));
        line += part;
    }
    line
}

/// Shows how far a preparation has come, while it lasts.
pub struct Waiting {
    line: LiveLine,
    what: &'static str,
    begun: Instant,
    shown: Option<Instant>,
}

impl Waiting {
    /// Begins.
    pub fn new(what: &'static str) -> Self {
        let mut line = LiveLine::new();
        line.show(&[format!("{what} …")]);
        Self { line, what, begun: Instant::now(), shown: None }
    }

    /// Tells how much is done.
    pub fn share(&mut self, done: u64, total: u64) {
        if self.shown.is_some_and(|shown| shown.elapsed() < Duration::from_millis(100)) {
            return;
        }
        self.shown = Some(Instant::now());
        let percent = 100.0 * done as f64 / total.max(1) as f64;
        self.line.show(&[format!("{} … {percent:.0} %", self.what), span(self.begun.elapsed())]);
    }

    /// Tells how much is done where nobody knows how much there will be.
    pub fn amount(&mut self, done: u64, what: &str) {
        self.line.show(&[format!("{} … {} {what}", self.what, count(done)), span(self.begun.elapsed())]);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([count(0u64), count(999u64), count(16_287_488u64)], ["0", "999", "16,287,488"]);
        let sizes = [7.0, 999.4, 999.9, 12_345.0, 16_287_488.0, 1.5e9];
        assert_eq!(sizes.map(short), ["7", "999", "1.00 k", "12.3 k", "16.3 M", "1.50 G"]);
        let times = [3.2, 125.0, 3600.0 * 3.5, 86400.0 * 2.0];
        let spans = times.map(|s| span(Duration::from_secs_f64(s)));
        assert_eq!(spans, ["3 s", "2 min 05 s", "3 h 30 min", "2 d 00 h"]);
        assert_eq!([small(0.0), small(0.82), small(6e-4)], ["0.000", "0.820", "6.0e-4"]);
    }

    #[test]
    fn a_narrow_terminal_shows_the_first_parts() {
        let parts = ["step 10/20", "loss 3.21", "lr 6.0e-4"].map(str::to_owned);
        assert_eq!(fitting(&parts, 80), "step 10/20  loss 3.21  lr 6.0e-4");
        assert_eq!(fitting(&parts, 22), "step 10/20  loss 3.21");
        assert_eq!(fitting(&parts, 4), "");
    }
}

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Where the time of a pass goes, operation by operation.
///
/// A tape that is given one ([`Tape::profiled`](crate::Tape::profiled)) tells it of each operation as it ends. An event
/// lasts from the end of the one before it, so that the events of a step have no gaps and their times add up to the
/// step's. Clones share the record.
#[derive(Clone, Debug)]
pub struct Profiler(Arc<Mutex<Record>>);

#[derive(Debug)]
struct Record {
    origin: Instant,
    /// Where the next event begins.
    last: Instant,
    events: Vec<Event>,
}

/// Which part of a step an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// From inputs to outputs.
    Forward,
    /// From the gradient of the outputs to those of the inputs.
    Backward,
    /// What is no operation of a tape: data, clipping, the optimiser.
    Step,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Step => "step",
        }
    }
}

/// What there was to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Additions and multiplications of matrix products; what is computed a second time does not count.
    pub flops: u64,
    /// Bytes that have to be read and written once each; those that a cache lets be read again do not count.
    pub bytes: u64,
}

/// One operation's time.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The operation.
    pub name: &'static str,
    /// Which half of it.
    pub part: Part,
    /// When it began, from the profiler's beginning.
    pub begin: Duration,
    /// How long it took.
    pub duration: Duration,
    /// What it did.
    pub work: Work,
}

/// All events of one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The operation.
    pub name: &'static str,
    /// Which half of it.
    pub part: Part,
    /// How often it ran.
    pub calls: usize,
    /// How long it took in all.
    pub duration: Duration,
    /// What it did in all.
    pub work: Work,
}

impl Profiler {
    /// An empty record that begins now.
    #[allow(clippy::new_without_default, reason = "a default that looks at the clock would surprise")]
    pub fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Record { origin: now, last: now, events: Vec::new() })))
    }

    /// The next event begins now: what came before it belongs to none.
    pub fn begin(&self) {
        self.record().last = Instant::now();
    }

    /// What ran since the last event, or since [`Profiler::begin`], was this.
    pub fn ended(&self, name: &'static str, part: Part, work: Work) {
        let record = &mut *self.record();
        let now = Instant::now();
        let (begin, duration) = (record.last - record.origin, now - record.last);
        record.events.push(Event { name, part, begin, duration, work });
        record.last = now;
    }

    /// The events so far, in the order in which they ended.
    pub fn events(&self) -> Vec<Event> {
        self.record().events.clone()
    }

    /// The events by operation, the longest first.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: BTreeMap<(&str, Part), Row> = BTreeMap::new();
        for &Event { name, part, duration, work, .. } in &self.record().events {
            let empty = Row { name, part, calls: 0, duration: Duration::ZERO, work: Work::default() };
            let row = rows.entry((name, part)).or_insert(empty);
            row.calls += 1;
            row.duration += duration;
            row.work = row.work + work;
        }
        let mut rows: Vec<Row> = rows.into_values().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.duration));
        rows
    }

    /// [`Profiler::rows`] and their sum as text; `peak` is the rate, in GFLOP/s, that "of peak" is a share of.
    pub fn table(&self, peak: f64) -> String {
        let mut rows = self.rows();
        let (mut duration, mut work) = (Duration::ZERO, Work::default());
        for row in &rows {
            (duration, work) = (duration + row.duration, work + row.work);
        }
        let calls = rows.iter().map(|row| row.calls).sum();
        rows.push(Row { name: "all", part: Part::Step, calls, duration, work });
        let mut text = format!(
            "{:20} {:9} {:>8} {:>10} {:>7} {:>9} {:>8} {:>7}\n",
            "operation", "part", "calls", "seconds", "time", "GFLOP/s", "of peak", "GB/s"
        );
        for row in &rows {
            let seconds = row.duration.as_secs_f64();
            let rate = |amount: u64| amount as f64 / seconds.max(1e-9) / 1e9;
            let figure = |amount: u64, text: String| if amount == 0 { "–".to_owned() } else { text };
            let (flops, bytes) = (rate(row.work.flops), rate(row.work.bytes));
            writeln!(
                text,
                "{:20} {:9} {:>8} {seconds:>10.4} {:>5.1} % {:>9} {:>8} {:>7}",
                row.name,
                row.part.name(),
                row.calls,
                100.0 * seconds / duration.as_secs_f64().max(1e-9),
                figure(row.work.flops, format!("{flops:.1}")),
                figure(row.work.flops, format!("{:.1} %", 100.0 * flops / peak)),
                figure(row.work.bytes, format!("{bytes:.1}")),
            )
            .expect("a string takes all that is written to it");
        }
        text
    }

    /// Writes the events in the format of Chrome's tracing, which `chrome://tracing` and Perfetto show.
    ///
    /// # Errors
    /// When `to` does not take them.
    pub fn write_trace(&self, to: &mut impl Write) -> io::Result<()> {
        let events: Vec<TraceEvent> = self.record().events.iter().map(TraceEvent::of).collect();
        serde_json::to_writer(&mut *to, &Trace { trace_events: events, display_time_unit: "ms" })?;
        writeln!(to)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().expect("no holder of the record panics")
    }
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

/// The trace event format's JSON object.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    trace_events: Vec<TraceEvent>,
    display_time_unit: &'static str,
}

/// A complete event of the trace event format; times are in microseconds.
#[derive(serde::Serialize)]
struct TraceEvent {
    name: &'static str,
    cat: &'static str,
    ph: &'static str,
    ts: f64,
    dur: f64,
    pid: u32,
    tid: u32,
    args: Args,
}

#[derive(serde::Serialize)]
struct Args {
    flops: u64,
    bytes: u64,
}

impl TraceEvent {
    fn of(event: &Event) -> Self {
        let micros = |time: Duration| time.as_nanos() as f64 / 1e3;
        let Work { flops, bytes } = event.work;
        Self {
            name: event.name,
            cat: event.part.name(),
            ph: "X",
            ts: micros(event.begin),
            dur: micros(event.duration),
            pid: 1,
            tid: 1,
            args: Args { flops, bytes },
        }
    }
}

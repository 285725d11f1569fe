//! What a run writes besides its checkpoints.

use std::time::{Duration, Instant};

use crate::{
    error::Error,
    event::Evaluation,
    metrics::{MetricsLog, Record},
    run_folder::RunFolder,
    tensorboard::EventFile,
};

/// The logs of a run's folder, in step with each other.
pub(crate) struct RunLog<'a> {
    folder: &'a RunFolder,
    metrics: MetricsLog,
    events: EventFile,
    drawn: Option<Instant>,
}

/// Drawing takes a moment, which frequent evaluations should not pay each time.
const BETWEEN_PICTURES: Duration = Duration::from_secs(10);

impl<'a> RunLog<'a> {
    /// Opens the logs of a run that stands at `step`.
    pub(crate) fn open(
        folder: &'a RunFolder,
        step: u64,
        title: &str,
        floor: Option<f64>,
    ) -> Result<Self, Error> {
        let mut metrics = MetricsLog::open(&folder.metrics(), step)?;
        (metrics.curve.title, metrics.curve.floor) = (title.to_owned(), floor);
        let path = folder.tensorboard();
        let events = EventFile::create(&path, step + 1).map_err(Error::io(path))?;
        Ok(Self { folder, metrics, events, drawn: None })
    }

    pub(crate) fn add(&mut self, record: &Record) -> Result<(), Error> {
        self.metrics.add(record)?;
        let scalars: Vec<(String, f64)> = match record {
            Record::Step { loss, lr, grad_norm, tokens_per_second, .. } => {
                [("train/loss", loss), ("train/lr", lr), ("train/grad_norm", grad_norm)]
                    .into_iter()
                    .chain([("speed/tokens_per_second", tokens_per_second)])
                    .map(|(tag, value)| (tag.to_owned(), *value))
                    .collect()
            }
            Record::Evaluation { loss, metrics, .. } => std::iter::once(("held_out/loss".to_owned(), *loss))
                .chain(metrics.iter().map(|(name, value)| (format!("held_out/{name}"), *value)))
                .collect(),
            Record::Skipped { .. } => Vec::new(),
        };
        let step = record.step();
        scalars
            .iter()
            .try_for_each(|(tag, value)| self.events.scalar(tag, step, *value))
            .map_err(Error::io(self.folder.tensorboard()))
    }

    pub(crate) fn evaluated(&mut self, step: u64, evaluation: &Evaluation) -> Result<(), Error> {
        let Evaluation { loss, metrics, .. } = evaluation.clone();
        self.add(&Record::Evaluation { step, loss, metrics })?;
        self.events.flush().map_err(Error::io(self.folder.tensorboard()))?;
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= BETWEEN_PICTURES) {
            self.draw()?;
        }
        Ok(())
    }

    pub(crate) fn sampled(&mut self, step: u64, text: &str) -> Result<(), Error> {
        self.events.text("sample", step, text).map_err(Error::io(self.folder.tensorboard()))
    }

    /// Brings the files up to date that are not written line by line.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.events.flush().map_err(Error::io(self.folder.tensorboard()))?;
        self.draw()
    }

    fn draw(&mut self) -> Result<(), Error> {
        let curve = &self.metrics.curve;
        let (svg, png) = (self.folder.picture("svg"), self.folder.picture("png"));
        curve.write_svg(&svg).map_err(Error::io(svg))?;
        curve.write_png(&png).map_err(Error::io(png))?;
        self.drawn = Some(Instant::now());
        Ok(())
    }
}

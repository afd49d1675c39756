//! The objects on their way to Ready: a table that is drawn again in its place on a terminal, a line
//! for each change elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use harness::progress::elapsed;
use harness::{Error, Result, condition, condition_message};
use serde_json::Value;

use crate::watch::{kind, name, title};
use crate::world::{World, heading, note};

/// How many objects the estate has.
const ESTATE: usize = 5;
const PATIENCE: Duration = Duration::from_mins(10);

/// Shows the objects until all of them are Ready.
pub(crate) async fn show_until_ready(world: &mut World) -> Result<()> {
    heading("Waiting until every store is Ready");
    let mut screen = Screen::new(world.since);
    let begun = Instant::now();
    loop {
        let objects = world.watch.objects();
        screen.show(&objects);
        let ready = |object: &&Value| condition(object, "Ready") == "True" && condition(object, "Encrypted") == "True";
        if objects.len() >= ESTATE && objects.iter().filter(ready).count() == objects.len() {
            note(
                world.since,
                &format!("all {ESTATE} are Ready and Encrypted, {} after they were applied", elapsed(begun)),
            );
            return Ok(());
        }
        world.check_operator()?;
        if begun.elapsed() > PATIENCE {
            let waiting: Vec<String> = objects.iter().filter(|object| !ready(object)).map(title).collect();
            return Err(Error::Other(format!(
                "after {PATIENCE:?} these are not Ready: {}; the end of the operator's log:\n{}",
                waiting.join(", "),
                world.log_tail()
            )));
        }
        world.watch.change().await;
    }
}

struct Screen {
    since: Instant,
    /// The terminal's width; nothing if there is none.
    width: Option<usize>,
    drawn: usize,
    told: BTreeMap<String, String>,
}

impl Screen {
    fn new(since: Instant) -> Self {
        let width = std::io::stdout()
            .is_terminal()
            .then(|| terminal_size::terminal_size().map_or(100, |(terminal_size::Width(width), _)| usize::from(width)));
        Self { since, width, drawn: 0, told: BTreeMap::new() }
    }

    fn show(&mut self, objects: &[Value]) {
        match self.width {
            Some(width) => self.draw(objects, width),
            None => self.tell(objects),
        }
    }

    fn draw(&mut self, objects: &[Value], width: usize) {
        let mut lines = vec![format!("[{:>7}]", elapsed(self.since))];
        lines.extend(rows(objects).into_iter().map(|line| line.chars().take(width - 1).collect()));
        let mut out = std::io::stdout().lock();
        if self.drawn > 0 {
            // Back to the first line, and clear from there.
            let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn);
        }
        for line in &lines {
            let _ = writeln!(out, "{line}");
        }
        let _ = out.flush();
        self.drawn = lines.len();
    }

    fn tell(&mut self, objects: &[Value]) {
        for object in objects {
            let line = format!(
                "Ready={} Encrypted={} Drifted={}  {}",
                shown(condition(object, "Ready")),
                shown(condition(object, "Encrypted")),
                shown(condition(object, "Drifted")),
                condition_message(object, "Ready")
            );
            let line = line.trim_end().to_owned();
            if self.told.get(&title(object)) != Some(&line) {
                note(self.since, &format!("{:<50} {line}", title(object)));
                self.told.insert(title(object), line);
            }
        }
    }
}

/// The table's lines, its columns as wide as they must be.
fn rows(objects: &[Value]) -> Vec<String> {
    let mut cells = vec![["KIND", "NAME", "READY", "ENCRYPTED", "DRIFTED", "MESSAGE"].map(str::to_owned)];
    cells.extend(objects.iter().map(|object| {
        [
            kind(object),
            name(object),
            shown(condition(object, "Ready")),
            shown(condition(object, "Encrypted")),
            shown(condition(object, "Drifted")),
            condition_message(object, "Ready"),
        ]
        .map(str::to_owned)
    }));
    let widths: Vec<usize> =
        (0..6).map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    cells
        .iter()
        .map(|row| {
            let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            padded.join("  ").trim_end().to_owned()
        })
        .collect()
}

fn shown(status: &str) -> &str {
    if status.is_empty() { "-" } else { status }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_what_is_not_known_is_a_dash() {
        let objects = [serde_json::json!({
            "kind": "ShowCoreBucket", "metadata": {"name": "backups"},
            "status": {"conditions": [{"type": "Ready", "status": "False", "message": "being created"}]},
        })];
        assert_eq!(
            rows(&objects),
            [
                "KIND            NAME     READY  ENCRYPTED  DRIFTED  MESSAGE",
                "ShowCoreBucket  backups  False  -          -        being created",
            ]
        );
    }
}

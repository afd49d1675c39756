//! Scenario by row of faults: cases, failures, time.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use anyhow::Context;

use crate::case::{Case, Fault};

/// Between these lines of docs/reliability.md.
const BEGINS: &str = "<!-- the table begins -->";
const ENDS: &str = "<!-- the table ends -->";

/// What became of a case.
pub enum Verdict {
    /// All that must hold did.
    Passed,
    /// What did not hold.
    Failed(String),
    /// The point was not met, so nothing was tried.
    NeverMet,
}

/// What became of the cases.
#[derive(Debug, Default)]
pub struct Table {
    cells: BTreeMap<(&'static str, u8), Cell>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Cell {
    cases: usize,
    failed: usize,
    never_met: usize,
    took: Duration,
}

impl Table {
    /// Adds a case.
    pub fn add(&mut self, case: &Case, verdict: &Verdict, took: Duration) {
        let row = if case.faults.len() > 1 { 17 } else { case.faults.first().map_or(0, Fault::row) };
        let cell = self.cells.entry((case.scenario.name, row)).or_default();
        cell.cases += 1;
        cell.failed += usize::from(matches!(verdict, Verdict::Failed(_)));
        cell.never_met += usize::from(matches!(verdict, Verdict::NeverMet));
        cell.took += took;
    }

    /// How many there are.
    pub fn cases(&self) -> usize {
        self.cells.values().map(|cell| cell.cases).sum()
    }

    /// How many of them failed.
    pub fn failed(&self) -> usize {
        self.cells.values().map(|cell| cell.failed).sum()
    }

    /// At how many nothing was tried.
    pub fn never_met(&self) -> usize {
        self.cells.values().map(|cell| cell.never_met).sum()
    }

    /// Writes it into the page, under what is said of it.
    pub fn write(&self, said: &str) -> anyhow::Result<()> {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
        let text = std::fs::read_to_string(&page)?;
        let (before, rest) = text.split_once(BEGINS).context("docs/reliability.md has no table")?;
        let (_, after) = rest.split_once(ENDS).context("the table in docs/reliability.md has no end")?;
        std::fs::write(page, format!("{before}{BEGINS}\n{said}\n\n{}{ENDS}{after}", self.render()))?;
        Ok(())
    }

    /// As Markdown.
    pub fn render(&self) -> String {
        let mut rows: Vec<u8> = self.cells.keys().map(|(_, row)| *row).collect();
        rows.sort_unstable();
        rows.dedup();
        let mut text = String::from("| scenario |");
        for row in &rows {
            let _ = write!(text, " {row} |");
        }
        text.push_str(" cases | failed | never met | seconds a case |\n| --- |");
        text.push_str(&" --- |".repeat(rows.len() + 4));
        text.push('\n');
        let mut names: Vec<_> = self.cells.keys().map(|(name, _)| *name).collect();
        names.dedup();
        for name in names.iter().map(|name| Some(*name)).chain([None]) {
            let of = |row: Option<u8>| {
                let fits =
                    |key: &(&str, u8)| name.is_none_or(|name| key.0 == name) && row.is_none_or(|row| key.1 == row);
                let cells = self.cells.iter().filter(|(key, _)| fits(key)).map(|(_, cell)| *cell);
                cells.fold(Cell::default(), |sum, cell| Cell {
                    cases: sum.cases + cell.cases,
                    failed: sum.failed + cell.failed,
                    never_met: sum.never_met + cell.never_met,
                    took: sum.took + cell.took,
                })
            };
            let _ = write!(text, "| {} |", name.unwrap_or("all"));
            for row in &rows {
                let cell = of(Some(*row));
                match (cell.cases, cell.failed) {
                    (0, _) => text.push_str(" |"),
                    (cases, 0) => {
                        let _ = write!(text, " {cases} |");
                    }
                    (cases, failed) => {
                        let _ = write!(text, " {cases} ({failed} failed) |");
                    }
                }
            }
            let all = of(None);
            let each = all.took.as_secs_f64() / f64::from(u32::try_from(all.cases.max(1)).unwrap_or(u32::MAX));
            let _ = writeln!(text, " {} | {} | {} | {each:.1} |", all.cases, all.failed, all.never_met);
        }
        text
    }
}

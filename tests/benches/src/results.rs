//! The results: rows of figures, their medians, and files in CSV and Markdown. Runs on the main thread.

use crate::measure::Figure;
use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// One figure of one run.
#[derive(Clone, Debug)]
pub struct Row {
    /// `throughput`, `latency`, `stuck`, `members`, `durability` or `opening`.
    pub measure: String,
    /// The name of the system.
    pub system: String,
    /// The number of recipients, members or events, or the milliseconds that are added to each sync.
    pub size: usize,
    /// The number of the run, from 1.
    pub run: usize,
    /// The name of the figure.
    pub metric: String,
    /// The value, in the unit at the end of the metric's name.
    pub value: f64,
}

/// The rows of one command.
#[derive(Debug, Default)]
pub struct Results {
    rows: Vec<Row>,
}

const HEADER: &str = "measure,system,size,run,metric,value";

impl Results {
    /// Adds the figures of one run.
    pub fn add(&mut self, measure: &str, system: &str, size: usize, run: usize, figures: &[Figure]) {
        for &(metric, value) in figures {
            self.rows.push(Row {
                measure: measure.into(),
                system: system.into(),
                size,
                run,
                metric: metric.into(),
                value,
            });
        }
    }

    /// Reads a CSV file that [`Results::write`] has written.
    pub fn read(path: &Path) -> io::Result<Results> {
        let text = fs::read_to_string(path)?;
        let parse = |line: &str| {
            let mut fields = line.split(',');
            Some(Row {
                measure: fields.next()?.into(),
                system: fields.next()?.into(),
                size: fields.next()?.parse().ok()?,
                run: fields.next()?.parse().ok()?,
                metric: fields.next()?.into(),
                value: fields.next()?.parse().ok()?,
            })
        };
        let rows =
            text.lines().skip(1).map(|line| parse(line).ok_or_else(|| io::Error::other(line.to_owned())));
        Ok(Results { rows: rows.collect::<io::Result<_>>()? })
    }

    /// Writes `NAME.csv` and `NAME.md` into `directory`, and returns the path of the latter.
    pub fn write(&self, directory: &Path, name: &str, preface: &str) -> io::Result<PathBuf> {
        fs::create_dir_all(directory)?;
        let mut csv = format!("{HEADER}\n");
        for Row { measure, system, size, run, metric, value } in &self.rows {
            // Writing to a String cannot fail.
            let _ = writeln!(csv, "{measure},{system},{size},{run},{metric},{value:.4}");
        }
        fs::write(directory.join(format!("{name}.csv")), csv)?;
        let table = directory.join(format!("{name}.md"));
        fs::write(&table, format!("{preface}\n{}", self.markdown()))?;
        Ok(table)
    }

    /// Returns the number of runs in which `system` has lost a delivery.
    pub fn losses(&self, system: &str) -> usize {
        let lost = |row: &&Row| row.system == system && row.metric.ends_with("lost") && row.value > 0.0;
        self.rows.iter().filter(lost).count()
    }

    /// Returns the values of one figure, one for each run, in ascending order.
    pub fn values(&self, measure: &str, system: &str, size: usize, metric: &str) -> Vec<f64> {
        let mut values: Vec<f64> = self
            .rows
            .iter()
            .filter(|row| {
                row.measure == measure && row.system == system && row.size == size && row.metric == metric
            })
            .map(|row| row.value)
            .collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    }

    /// Returns the median of one figure. For an even number of runs it is the mean of the two in the middle.
    pub fn median(&self, measure: &str, system: &str, size: usize, metric: &str) -> Option<f64> {
        let values = self.values(measure, system, size, metric);
        let upper = values.len() / 2;
        Some((values.get(values.len().checked_sub(1)? / 2)? + values.get(upper)?) / 2.0)
    }

    /// Returns the systems of a measure, in the order in which they were first measured.
    pub fn systems(&self, measure: &str) -> Vec<&str> {
        distinct(self.rows.iter().filter(|row| row.measure == measure).map(|row| row.system.as_str()))
    }

    /// Returns the sizes of a measure, in the order in which they were first measured.
    pub fn sizes(&self, measure: &str) -> Vec<usize> {
        distinct(self.rows.iter().filter(|row| row.measure == measure).map(|row| row.size))
    }

    /// Returns a table for each measure and metric, with a line for each system and a column for each size. A
    /// cell holds the median, the spread of the runs, and the ratio to rpc-chat.
    fn markdown(&self) -> String {
        let mut out = String::new();
        let measures = distinct(self.rows.iter().map(|row| row.measure.as_str()));
        for measure in measures {
            let metrics = distinct(
                self.rows.iter().filter(|row| row.measure == measure).map(|row| row.metric.as_str()),
            );
            for metric in metrics {
                self.table(measure, metric, &mut out);
            }
        }
        out
    }

    fn table(&self, measure: &str, metric: &str, out: &mut String) {
        const OURS: &str = "rpc-chat";
        let sizes = self.sizes(measure);
        let size_unit = match measure {
            "members" => "members",
            "durability" => "ms added",
            "opening" => "events",
            _ => "recipients",
        };
        let _ = write!(out, "\n### {measure}: {metric}\n\n| |");
        for size in &sizes {
            let _ = write!(out, " {size} {size_unit} |");
        }
        let _ = writeln!(out, "\n|---|{}", "---:|".repeat(sizes.len()));
        for system in self.systems(measure) {
            let _ = write!(out, "| {system} |");
            for &size in &sizes {
                let values = self.values(measure, system, size, metric);
                let (Some(median), [least, .., most]) =
                    (self.median(measure, system, size, metric), values.as_slice())
                else {
                    let only = values.first().map_or("-".to_owned(), |value| format_value(*value));
                    let _ = write!(out, " {only} |");
                    continue;
                };
                let _ = write!(
                    out,
                    " {} ({}-{})",
                    format_value(median),
                    format_value(*least),
                    format_value(*most)
                );
                if let Some(ours) = self.median(measure, OURS, size, metric).filter(|ours| *ours > 0.0) {
                    if system != OURS {
                        let _ = write!(out, " {}x", format_value(median / ours));
                    }
                }
                out.push_str(" |");
            }
            out.push('\n');
        }
    }
}

/// Formats a value with some three digits, and with `k` or `M` for thousands or millions.
fn format_value(value: f64) -> String {
    let size = value.abs();
    if size >= 1e6 {
        format!("{:.2}M", value / 1e6)
    } else if size >= 1e4 {
        format!("{:.0}k", value / 1e3)
    } else if size >= 100.0 || value == value.trunc() {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 0.1 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

/// Returns the machine, the commit and the compiler, for the head of a results file.
pub fn machine_and_commit() -> String {
    let git =
        |args: &[&str]| first_line(Command::new("git").args(args).current_dir(crate::systems::repository()));
    let processor = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "- machine: {cores} cores of {processor}, {memory}, Linux {}\n- commit: {}{}\n- compiler: {}\n",
        fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        git(&["rev-parse", "--short=12", "HEAD"]),
        if git(&["status", "--porcelain"]).is_empty() { "" } else { ", with changes that are not committed" },
        first_line(Command::new("rustc").arg("--version")),
    )
}

/// Returns the value of `name` in a file of /proc with lines of the form `name : value`.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
    line.map_or_else(|| "unknown".into(), |(_, value)| value.trim().into())
}

/// Returns the first line that a command prints. It is empty if the command prints nothing or cannot run.
pub fn first_line(command: &mut Command) -> String {
    let printed = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&printed).lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_medians_spreads_and_ratios() {
        let mut results = Results::default();
        for (run, ours, other) in [(1, 2.0, 9.0), (2, 1.0, 8.0), (3, 4.0, 2.0)] {
            results.add("latency", "rpc-chat", 10, run, &[("p50_ms", ours)]);
            results.add("latency", "redis", 10, run, &[("p50_ms", other)]);
        }
        let table = results.markdown();
        assert!(table.contains("| rpc-chat | 2 (1-4) |"), "{table}");
        assert!(table.contains("| redis | 8 (2-9) 4x |"), "{table}");
    }
}

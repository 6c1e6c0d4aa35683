//! The pictures: one SVG for each figure in [`CHARTS`]. Runs on the main thread.
//!
//! They are drawn from the CSV files, so that they can be drawn again without a measurement.

use crate::results::Results;
use plotters::prelude::*;
use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

/// The charts: measure, metric and title.
const CHARTS: [(&str, &str, &str); 7] = [
    ("throughput", "deliveries_per_s", "Deliveries per second, 64 senders (higher is better)"),
    ("throughput", "cpu_us_per_delivery", "Server CPU per delivery under load, us (lower is better)"),
    (
        "latency",
        "last_p50_ms",
        "One message to idle recipients: the last has it after, ms, p50 (lower is better)",
    ),
    ("stuck", "p99_ms", "The same with a stuck tenth: the others have it after, ms, p99 (lower is better)"),
    ("members", "resident_kib_each", "Server memory per idle member, KiB (lower is better)"),
    ("members", "join_s", "Until all members have joined, s (lower is better)"),
    (
        "durability",
        "messages_per_s",
        "Accepted messages per second by the time of a sync, 64 senders and 100 more (higher is better)",
    ),
];
/// A line in a chart: the name of a system, and points of size and value. For durability the size is how long
/// a sync takes, with what is added to it.
type Series<'a> = (&'a str, Vec<(f64, f64)>);

/// Draws every results file in `directory`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn draw_all(directory: &Path) -> io::Result<()> {
    for entry in directory.read_dir()? {
        let csv = entry?.path();
        if csv.extension().is_some_and(|extension| extension == "csv") {
            draw_file(&csv)?;
        }
    }
    Ok(())
}

fn draw_file(csv: &Path) -> io::Result<()> {
    let results = Results::read(csv)?;
    let name = csv.file_stem().unwrap_or_default().to_string_lossy();
    for (measure, metric, title) in CHARTS {
        let points = |system: &str| -> Vec<(f64, f64)> {
            let sizes = results.sizes(measure).into_iter();
            let medians = sizes.filter_map(|size| {
                // A logarithmic scale has no zero.
                let median = results.median(measure, system, size, metric).filter(|median| *median > 0.0)?;
                let sync = results.median(measure, system, size, "sync_4_kib_ms").unwrap_or_default();
                Some((size as f64 + sync, median))
            });
            medians.collect()
        };
        let series: Vec<Series> =
            results.systems(measure).into_iter().map(|system| (system, points(system))).collect();
        // One point makes no line.
        if series.iter().any(|(_, points)| points.len() > 1) {
            let svg = csv.with_file_name(format!("{name}-{measure}-{metric}.svg"));
            draw(&svg, title, sizes_are(measure), &series)
                .map_err(|error| io::Error::other(error.to_string()))?;
        }
    }
    Ok(())
}

/// Returns the name of the horizontal axis.
fn sizes_are(measure: &str) -> &'static str {
    match measure {
        "durability" => "milliseconds that a sync of 4 KiB takes",
        _ => "recipients or members",
    }
}

/// Draws one chart. Both axes are logarithmic, because sizes and values span orders of magnitude, and because
/// a constant ratio is then a constant distance.
fn draw(svg: &PathBuf, title: &str, sizes_are: &str, series: &[Series]) -> Result<(), Box<dyn Error>> {
    const COLOURS: [RGBColor; 7] = [
        RGBColor(200, 30, 30),
        RGBColor(0, 125, 156),
        RGBColor(90, 190, 210),
        RGBColor(230, 140, 20),
        RGBColor(60, 140, 60),
        RGBColor(110, 80, 160),
        RGBColor(120, 120, 120),
    ];
    let all_points = || series.iter().flat_map(|(_, points)| points);
    let range = |values: Vec<f64>| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        least * 0.8..most * 1.25
    };
    let mut sizes = range(all_points().map(|point| point.0).collect());
    // This leaves space for the legend beside the lines, instead of above them.
    sizes.end *= 3.0;
    let values = range(all_points().map(|point| point.1).collect());
    let root = SVGBackend::new(svg, (860, 460)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .margin_right(20)
        .x_label_area_size(36)
        .y_label_area_size(72)
        .build_cartesian_2d(sizes.log_scale(), values.log_scale())?;
    chart
        .configure_mesh()
        .x_desc(sizes_are)
        .x_label_formatter(&|size| if *size < 1.0 { axis_label(*size) } else { format!("{size:.0}") })
        .y_label_formatter(&|value| axis_label(*value))
        .light_line_style(WHITE)
        .draw()?;
    for ((system, points), colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style).point_size(4))?
            .label(*system)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    root.present()?;
    Ok(())
}

fn axis_label(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e3 => format!("{}k", value / 1e3),
        value => format!("{}", (value * 1e6).round() / 1e6),
    }
}

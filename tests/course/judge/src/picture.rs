//! Draws a message's [way](crate::way) as SVG: a lane for each thread, from the top to the bottom.
//!
//! These are pure functions: the same way always gives the same bytes. The picture needs no font, script or
//! other file, and says the same in words in its description.

use crate::way::{Place, Stop, Way};
use std::fmt::Write;

/// The width of a lane, and the height of a row, in pixels.
const LANE: usize = 220;
const ROW: usize = 44;
/// The size of a box in them.
const BOX: (usize, usize) = (200, 28);
/// The space around the picture, and above the first row, where the names of the threads stand.
const MARGIN: usize = 16;
const HEAD: usize = 40;

/// The rows of a stop, from and to.
type Rows = (usize, usize);

/// Draws a way under this title.
pub fn draw(title: &str, way: &Way) -> String {
    let rows = rows(way);
    let last = rows.iter().flatten().map(|(_, to)| *to).max().unwrap_or(0);
    let (width, height) = (way.lanes.len() * LANE + 2 * MARGIN, HEAD + (last + 1) * ROW + 2 * MARGIN);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img"
 viewBox="0 0 {width} {height}">
<title>{}</title>
<desc>{}</desc>
<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0L8 4L0 8z" fill="#9a3412"/></marker></defs>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<g font-family="system-ui, sans-serif" font-size="13" text-anchor="middle">
"##,
        escaped(title),
        escaped(&words(way)),
    );
    let mut line = |line: String| writeln!(svg, "{line}").expect("writing to a string does not fail");
    for (number, lane) in way.lanes.iter().enumerate() {
        let x = middle(number);
        let bottom = height - MARGIN;
        line(format!(
            r##"<text x="{x}" y="{}" font-weight="bold">{}</text>"##,
            MARGIN + 16,
            escaped(&lane.name)
        ));
        line(format!(r##"<path d="M{x} {}V{bottom}" stroke="#d4d4d8"/>"##, MARGIN + HEAD - 12));
        for (stop, (from, to)) in lane.stops.iter().zip(&rows[number]) {
            let (x, y) = (x - BOX.0 / 2, top(*from));
            let height = (to - from) * ROW + BOX.1;
            let (text, look) = match stop {
                Stop::Waits(text) => (text, r##"fill="#f4f4f5" stroke="#71717a" stroke-dasharray="4 3""##),
                Stop::Does(text) => (text, r##"fill="#dbeafe" stroke="#1d4ed8""##),
            };
            line(format!(r##"<rect x="{x}" y="{y}" width="{}" height="{height}" rx="5" {look}/>"##, BOX.0));
            line(format!(r##"<text x="{}" y="{}">{}</text>"##, middle(number), y + 18, escaped(text)));
        }
    }
    for ((from, source), (to, target)) in &way.arrows {
        let start = edge(*from, rows[*from][*source].1, to > from);
        let end = edge(*to, rows[*to][*target].1, from > to);
        let path = arrow(start, end);
        line(format!(r##"<path d="{path}" fill="none" stroke="#9a3412" marker-end="url(#head)"/>"##));
    }
    svg + "</g>\n</svg>\n"
}

/// Gives each stop its rows: below the stop before it, and below the stop that wakes it. A wait lasts until
/// its thread is woken.
fn rows(way: &Way) -> Vec<Vec<Rows>> {
    let mut rows: Vec<Vec<Rows>> = way.lanes.iter().map(|lane| vec![(0, 0); lane.stops.len()]).collect();
    // No way is longer than all stops in a row, so this ends.
    for _ in 0..rows.iter().map(Vec::len).sum() {
        for lane in 0..rows.len() {
            for stop in 0..rows[lane].len() {
                let woken = waker(way, (lane, stop)).map(|(from, source)| rows[from][source].1 + 1);
                let below = (stop > 0).then(|| rows[lane][stop - 1].1 + 1);
                let from = below.or(woken).unwrap_or(0);
                rows[lane][stop] = (from, woken.unwrap_or(from).max(from));
            }
        }
    }
    rows
}

/// The stop that wakes this one.
fn waker(way: &Way, place: Place) -> Option<Place> {
    way.arrows.iter().find(|(_, target)| *target == place).map(|(source, _)| *source)
}

fn middle(lane: usize) -> usize {
    MARGIN + lane * LANE + LANE / 2
}

fn top(row: usize) -> usize {
    MARGIN + HEAD + row * ROW
}

/// The middle of a box's right or left edge.
fn edge(lane: usize, row: usize, right: bool) -> (usize, usize) {
    let x = middle(lane);
    (if right { x + BOX.0 / 2 } else { x - BOX.0 / 2 }, top(row) + BOX.1 / 2)
}

/// Leads from one edge to a lower one through the space between boxes: down to the space above the lower box,
/// along the row, and down.
fn arrow((x1, y1): (usize, usize), (x2, y2): (usize, usize)) -> String {
    let half = (LANE - BOX.0) / 2;
    let (down, up) = if x2 > x1 { (x1 + half, x2 - half) } else { (x1 - half, x2 + half) };
    let between = y2 - ROW / 2;
    format!("M{x1} {y1}H{down}V{between}H{up}V{y2}H{x2}")
}

/// The way in words: a sentence for each thread.
pub fn words(way: &Way) -> String {
    let lanes = way.lanes.iter().enumerate().map(|(number, lane)| {
        let stops = lane.stops.iter().enumerate().map(|(stop, what)| {
            let (Stop::Waits(text) | Stop::Does(text)) = what;
            let woken = way.arrows.iter().filter(|(source, _)| *source == (number, stop));
            let names: Vec<&str> = woken.map(|(_, (lane, _))| way.lanes[*lane].name.as_str()).collect();
            if names.is_empty() {
                text.clone()
            } else {
                format!("{text} (wakes: {})", names.join(", "))
            }
        });
        format!("{}: {}.\n", lane.name, stops.collect::<Vec<_>>().join("; "))
    });
    lanes.collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::way::Lane;

    #[test]
    fn a_wait_lasts_until_its_thread_is_woken() {
        let (does, waits) = (|| Stop::Does("x".to_owned()), || Stop::Waits("y".to_owned()));
        let lane = |stops: &[Stop]| Lane { name: "<n>".to_owned(), stops: stops.to_vec() };
        let lanes = vec![lane(&[does(), waits(), does()]), lane(&[does(), does()])];
        // The first thread starts the second one, and waits until that one is done.
        let way = Way { lanes, arrows: [((0, 0), (1, 0)), ((1, 1), (0, 1))].into() };
        assert_eq!(rows(&way), [vec![(0, 0), (1, 3), (4, 4)], vec![(1, 1), (2, 2)]]);
        let svg = draw("a & b", &way);
        assert!(svg.contains("<title>a &amp; b</title>") && svg.contains(">&lt;n&gt;</text>"));
        assert!(svg.contains("&lt;n&gt;: x (wakes: &lt;n&gt;); y; x."));
    }
}

//! A line chart as SVG, readable on its own: title, axes with round numbers, and each line's name at its end.

use std::fmt::Write;

const WIDTH: u64 = 960;
const HEIGHT: u64 = 280;
/// Room for a number of six digits and its unit.
const LEFT: u64 = 80;
const RIGHT: u64 = 96;
const TOP: u64 = 36;
const BOTTOM: u64 = 32;
/// Told apart by whoever cannot tell red from green, too.
const COLOURS: [&str; 4] = ["#8c959f", "#0969da", "#bc4c00", "#1a7f37"];
const GRID_LINES: u64 = 4;

#[derive(Debug)]
pub struct Line {
    pub name: &'static str,
    /// One at each place across.
    pub values: Vec<u64>,
}

/// What goes from left to right.
#[derive(Debug)]
pub enum Across {
    Seconds,
    Named(Vec<String>),
}

#[derive(Debug)]
pub struct Chart {
    pub title: &'static str,
    pub unit: &'static str,
    pub across: Across,
    pub lines: Vec<Line>,
}

impl Chart {
    pub fn svg(&self) -> String {
        let top =
            round_up(self.lines.iter().flat_map(|line| &line.values).copied().max().unwrap_or(0).max(1));
        let length = self.lines.iter().map(|line| line.values.len()).max().unwrap_or(0).max(2) as u64;
        let x = |second: u64| LEFT + second * (WIDTH - LEFT - RIGHT) / (length - 1);
        let y = |value: u64| HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM) / top;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\" font-family=\"system-ui, sans-serif\" \
             font-size=\"12\">\n<text x=\"{LEFT}\" y=\"18\" font-size=\"15\" font-weight=\"600\">{title}</text>\n",
            title = self.title,
        );
        for step in 0..=GRID_LINES {
            let value = top * step / GRID_LINES;
            append(
                &mut svg,
                format_args!(
                    "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#d8dee4\"/>\
                 <text x=\"{label}\" y=\"{text}\" text-anchor=\"end\" fill=\"#57606a\">{value} {unit}</text>\n",
                    right = WIDTH - RIGHT,
                    y = y(value),
                    label = LEFT - 8,
                    text = y(value) + 4,
                    unit = self.unit,
                ),
            );
        }
        let places: Vec<_> = match &self.across {
            Across::Seconds => {
                let every = usize::try_from(round_up(length.div_ceil(8))).unwrap_or(1);
                (0..length).step_by(every).map(|second| (second, format!("{second} s"))).collect()
            }
            Across::Named(names) => (0..).zip(names.iter().cloned()).collect(),
        };
        for (place, name) in places {
            append(
                &mut svg,
                format_args!(
                    "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#57606a\">{name}</text>\n",
                    x(place),
                    HEIGHT - 10,
                ),
            );
        }
        let mut labels = Vec::new();
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let points =
                (0..).zip(&line.values).map(|(second, value)| format!("{},{}", x(second), y(*value)));
            append(
                &mut svg,
                format_args!(
                    "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\n",
                    points.collect::<Vec<_>>().join(" "),
                ),
            );
            labels.push((y(line.values.last().copied().unwrap_or(0)), line.name, colour));
        }
        // Names of lines that end together stand below each other.
        labels.sort_unstable();
        let mut free = 0;
        for (at, name, colour) in labels {
            let at = at.max(free);
            free = at + 15;
            append(
                &mut svg,
                format_args!(
                    "<text x=\"{}\" y=\"{}\" fill=\"{colour}\" font-weight=\"600\">{name}</text>\n",
                    WIDTH - RIGHT + 8,
                    at + 4,
                ),
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// A page that stands on its own: figures, and charts below them.
pub fn page(title: &str, figures: &str, charts: &[Chart]) -> String {
    let charts: String = charts.iter().map(Chart::svg).collect();
    let figures = figures.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>\n\
         body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; color: #1b1f24 }}\n\
         pre {{ font: 13px/1.5 ui-monospace, monospace; background: #f4f5f7; padding: 1rem; overflow-x: auto }}\n\
         svg {{ display: block; width: 100%; margin: 1.5rem 0 }}\n</style>\n\
         <h1>{title}</h1>\n<pre>{figures}</pre>\n{charts}</html>\n"
    )
}

fn append(svg: &mut String, what: std::fmt::Arguments<'_>) {
    if svg.write_fmt(what).is_err() {
        unreachable!("a text takes whatever is written");
    }
}

/// The next of 1, 2, 4, 5, 8 or 10, times a power of ten: a quarter of each is round, or nearly.
fn round_up(value: u64) -> u64 {
    let mut power = 1;
    while power * 10 < value {
        power *= 10;
    }
    let steps = [1, 2, 4, 5, 8, 10].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let rounded = [1, 3, 9, 11, 37, 100, 101, 1_501].map(round_up);
        assert_eq!(rounded, [1, 4, 10, 20, 40, 100, 200, 2_000]);
    }

    #[test]
    fn a_chart_draws_every_line_within_its_frame() {
        let lines = vec![
            Line { name: "one", values: vec![0, 5, 10] },
            Line { name: "two", values: vec![10, 10, 10] },
        ];
        let svg = Chart { title: "Both", unit: "ms", across: Across::Seconds, lines }.svg();
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(
            svg.contains(&format!("{LEFT},{} ", HEIGHT - BOTTOM))
                && svg.contains(&format!("{},{TOP}", WIDTH - RIGHT))
        );
        assert!(svg.contains(">one<") && svg.contains(">two<") && svg.contains("10 ms"));
    }

    #[test]
    fn nothing_is_a_chart_too() {
        assert!(
            Chart { title: "None", unit: "", across: Across::Seconds, lines: vec![] }
                .svg()
                .ends_with("</svg>\n")
        );
    }
}

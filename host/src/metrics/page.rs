//! The page that Prometheus reads.

use std::fmt::{self, Write as _};

use super::catalogue::CATALOGUE;
use super::metric::Sample;
use super::snapshot::Snapshot;

/// What the page is, for the answer's header.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The snapshot in Prometheus' text format, version 0.0.4.
pub fn render(snapshot: &Snapshot) -> String {
    let mut out = String::with_capacity(4096 + snapshot.targets.len() * 16_384);
    // Writing to a string does not fail.
    let _: fmt::Result = write_page(snapshot, &mut out);
    out
}

fn write_page(snapshot: &Snapshot, out: &mut String) -> fmt::Result {
    let version = env!("CARGO_PKG_VERSION");
    writeln!(
        out,
        "# HELP rolog_build_info 1, with the version of the host."
    )?;
    writeln!(out, "# TYPE rolog_build_info gauge")?;
    writeln!(out, "rolog_build_info{{version=\"{version}\"}} 1")?;
    for metric in CATALOGUE {
        let name = metric.name;
        writeln!(out, "# HELP {name} {}", metric.help)?;
        writeln!(out, "# TYPE {name} {}", metric.kind.name())?;
        let mut result = Ok(());
        metric.each(snapshot, &mut |labels, sample| {
            let written = match sample {
                Sample::Number(number) => {
                    writeln!(out, "{name}{} {number}", Labels(labels, None))
                }
                Sample::Distribution(histogram) => histogram_lines(out, name, labels, histogram),
            };
            result = result.and(written);
        });
        result?;
    }
    Ok(())
}

fn histogram_lines(
    out: &mut String,
    name: &str,
    labels: &[(&'static str, &str)],
    histogram: &crate::stage::Histogram,
) -> fmt::Result {
    for (bound, count) in histogram.cumulative() {
        let bound = bound.to_string();
        writeln!(out, "{name}_bucket{} {count}", Labels(labels, Some(&bound)))?;
    }
    let all = Labels(labels, Some("+Inf"));
    writeln!(out, "{name}_bucket{all} {}", histogram.count())?;
    let plain = Labels(labels, None);
    writeln!(out, "{name}_sum{plain} {}", histogram.sum())?;
    writeln!(out, "{name}_count{plain} {}", histogram.count())
}

/// Labels between braces, with a bucket's bound behind them.
struct Labels<'a>(&'a [(&'static str, &'a str)], Option<&'a str>);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = self.1.map(|bound| ("le", bound));
        let mut open = '{';
        for (name, value) in self.0.iter().copied().chain(bound) {
            write!(f, "{open}{name}=\"")?;
            for c in value.chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '"' => f.write_str("\\\"")?,
                    '\n' => f.write_str("\\n")?,
                    c => f.write_char(c)?,
                }
            }
            f.write_char('"')?;
            open = ',';
        }
        if open == ',' {
            f.write_char('}')
        } else {
            Ok(())
        }
    }
}

//! Latency against load, as an SVG.

use std::path::Path;

use plotters::prelude::*;

/// Draws p50, p99 and p99.9 in milliseconds over refreshes a second.
pub(crate) fn draw(path: &Path, points: &[(f64, [f64; 3])]) -> anyhow::Result<()> {
    const LINES: [(&str, RGBColor); 3] = [
        ("p50", RGBColor(0x2b, 0x8a, 0x3e)),
        ("p99", RGBColor(0x19, 0x71, 0xc2)),
        ("p99.9", RGBColor(0xc9, 0x2a, 0x2a)),
    ];
    let most = points.iter().map(|(rate, _)| *rate).fold(1.0, f64::max);
    let latest = points.iter().flat_map(|(_, quantiles)| quantiles).copied().fold(1.0, f64::max);
    let area = SVGBackend::new(path, (720, 360)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..most * 1.02, (0.1..latest * 1.5).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("refreshes a second, open loop")
        .y_desc("latency from the scheduled time, ms")
        .light_line_style(RGBColor(0xf1, 0xf3, 0xf5))
        .draw()?;
    for (index, (name, colour)) in LINES.into_iter().enumerate() {
        let line = points.iter().map(|(rate, quantiles)| (*rate, quantiles[index]));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(WHITE).draw()?;
    area.present()?;
    Ok(())
}

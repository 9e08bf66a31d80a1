//! Small charts: bars as one path, and the numbers that they show.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// How wide a bar is, with the gap behind it, and how high the chart.
const STEP: usize = 10;
const WIDTH: usize = 8;
const HEIGHT: i64 = 60;

/// A chart of these numbers, under the text of this key.
pub(super) fn chart(text: &str, numbers: &[i64]) -> Value {
    let most = numbers.iter().copied().max().unwrap_or_default();
    json!({
        "text": text,
        "total": numbers.iter().sum::<i64>(),
        "most": most,
        "width": numbers.len() * STEP,
        "height": HEIGHT,
        "path": path(numbers, most),
    })
}

/// Whatever is not nothing can be seen.
fn path(numbers: &[i64], most: i64) -> String {
    let mut path = String::new();
    for (place, number) in numbers.iter().enumerate() {
        if *number > 0 && most > 0 {
            let height = (i128::from(*number) * i128::from(HEIGHT) / i128::from(most)).max(1);
            // Writing to a text does not fail.
            let _ = write!(path, "M{} {HEIGHT}v-{height}h{WIDTH}v{height}z", place * STEP);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_as_high_as_the_chart_and_one_can_be_seen() {
        assert_eq!(path(&[0, 1, 1000, 500], 1000), "M10 60v-1h8v1zM20 60v-60h8v60zM30 60v-30h8v30z");
        assert_eq!(path(&[0, 0], 0), "");
        assert_eq!(path(&[i64::MAX], i64::MAX), "M0 60v-60h8v60z");
        assert_eq!(chart("x", &[1, 2])["total"], 3);
    }
}

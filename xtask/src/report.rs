//! What the comparison found, as a table or as JSON.

use serde_json::{Value, json};

/// A measured quantity: what both sides call it, its heading with its unit, digits after the point.
const QUANTITIES: [(&str, &str, usize); 3] = [
    ("ms", "ms", 1),
    ("peak_rss_mib", "MiB", 0),
    ("startup_to_first_round_s", "start s", 2),
];

/// The turns of one case.
pub struct Row {
    /// The name of the case.
    pub case: &'static str,
    /// Who the other side is.
    pub peer: &'static str,
    /// What ours and theirs printed, turn by turn.
    pub turns: Vec<[Value; 2]>,
}

impl Row {
    /// Medians of both sides; nothing if a turn lacks the quantity.
    fn medians(&self, quantity: &str) -> Option<[f64; 2]> {
        let side = |side: usize| {
            let values = self.turns.iter().map(|turn| turn[side][quantity].as_f64());
            values.collect::<Option<Vec<f64>>>().map(median)
        };
        Some([side(0)?, side(1)?])
    }

    fn markdown(&self) -> String {
        let mut line = format!("| {} | {} |", self.case, self.peer);
        for (name, _, digits) in QUANTITIES {
            line += &match self.medians(name) {
                Some([ours, theirs]) => {
                    let ratio = ours / theirs;
                    format!(" {ours:.digits$} | {theirs:.digits$} | {ratio:.2} |")
                }
                None => " | | |".into(),
            };
        }
        line
    }

    fn json(&self) -> Value {
        let mut row = json!({"case": self.case, "peer": self.peer, "turns": self.turns});
        for (name, ..) in QUANTITIES {
            if let Some([ours, theirs]) = self.medians(name) {
                row[name] = json!({"ours": ours, "peer": theirs, "ratio": ours / theirs});
            }
        }
        row
    }
}

/// A table for the documentation: below 1, ours takes less.
pub fn markdown(rows: &[Row]) -> String {
    let mut head = "| case | peer |".to_owned();
    for (_, heading, _) in QUANTITIES {
        head += &format!(" ours {heading} | peer {heading} | ratio |");
    }
    let line = " --- |".repeat(2 + 3 * QUANTITIES.len());
    let rows: Vec<String> = rows.iter().map(Row::markdown).collect();
    format!("{head}\n|{line}\n{}", rows.join("\n"))
}

/// Everything, with every turn.
pub fn json(parity: &[Value], rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows.iter().map(Row::json).collect();
    json!({"parity": parity, "cases": rows})
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let turn = |ours: f64, theirs: f64| {
            [
                json!({"ms": ours, "peak_rss_mib": 50}),
                json!({"ms": theirs, "peak_rss_mib": 200}),
            ]
        };
        Row {
            case: "x",
            peer: "PyTorch",
            turns: vec![turn(1.0, 8.0), turn(9.0, 4.0), turn(2.0, 5.0)],
        }
    }

    #[test]
    fn a_line_holds_medians_and_ratios_and_no_ratio_of_what_is_missing() {
        let line = "| x | PyTorch | 2.0 | 5.0 | 0.40 | 50 | 200 | 0.25 | | | |";
        assert_eq!(row().markdown(), line);
        let table = markdown(&[row()]);
        let bars = |line: &str| line.matches('|').count();
        assert_eq!(table.lines().map(bars).collect::<Vec<_>>(), [12; 3]);
    }

    #[test]
    fn json_holds_the_turns_too() {
        let value = json(&[], &[row()]);
        assert_eq!(value["cases"][0]["ms"]["ratio"], 0.4);
        assert_eq!(value["cases"][0]["turns"][1][0]["ms"], 9.0);
        assert!(value["cases"][0].get("startup_to_first_round_s").is_none());
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
    }
}

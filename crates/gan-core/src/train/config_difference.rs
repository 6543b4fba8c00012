//! What changed between two configurations.

use serde_json::Value;

/// The differences, one line per key: `gan.loss: "hinge" → "wasserstein"`. Empty if there are none.
///
/// Whole numbers and fractions of the same value are the same.
pub fn config_difference(old: &Value, new: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", Some(old), Some(new), &mut lines);
    lines
}

fn compare(key: &str, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let mut names: Vec<_> = old.keys().chain(new.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let key = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                compare(&key, old.get(name), new.get(name), lines);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{key}[{index}]"), Some(old), Some(new), lines);
            }
        }
        (old, new) if same(old, new) => {}
        (old, new) => {
            let key = if key.is_empty() { "the whole" } else { key };
            lines.push(format!("{key}: {} → {}", show(old), show(new)));
        }
    }
}

fn same(old: Option<&Value>, new: Option<&Value>) -> bool {
    match (old, new) {
        (Some(Value::Number(old)), Some(Value::Number(new))) => {
            old == new || (old.is_f64() || new.is_f64()) && old.as_f64() == new.as_f64()
        }
        // A setting that is off may be written or left out.
        (None, Some(Value::Null)) | (Some(Value::Null), None) => true,
        (old, new) => old == new,
    }
}

fn show(value: Option<&Value>) -> String {
    value.map_or_else(|| "not set".into(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_configurations_do_not_differ() {
        let config = json!({"gan": {"loss": "hinge", "lr": [1e-4, 2.0]}, "batch": 64});
        assert!(config_difference(&config, &config).is_empty());
        let whole = json!({"a": 1, "off": null});
        assert!(config_difference(&whole, &json!({"a": 1.0})).is_empty());
    }

    #[test]
    fn every_key_that_differs_has_a_line() {
        let old = json!({"gan": {"loss": "hinge", "penalty": null}, "betas": [0.0, 0.99], "b": 64});
        let new = json!({
            "gan": {"loss": "wasserstein", "penalty": {"r1": 1.0}},
            "betas": [0.5, 0.99],
            "seed": 3,
        });
        assert_eq!(
            config_difference(&old, &new),
            [
                "b: 64 → not set",
                "betas[0]: 0.0 → 0.5",
                "gan.loss: \"hinge\" → \"wasserstein\"",
                "gan.penalty: null → {\"r1\":1.0}",
                "seed: not set → 3",
            ]
        );
    }

    #[test]
    fn lists_of_another_length_and_other_types_are_shown_whole() {
        let lines = config_difference(&json!({"w": [1, 2]}), &json!({"w": [1, 2, 3]}));
        assert_eq!(lines, ["w: [1,2] → [1,2,3]"]);
        assert_eq!(
            config_difference(&json!(1), &json!("1")),
            ["the whole: 1 → \"1\""]
        );
        // Neighbouring whole numbers that one f64 cannot tell apart.
        let lines = config_difference(&json!({"s": u64::MAX}), &json!({"s": u64::MAX - 1}));
        assert_eq!(lines.len(), 1);
    }
}

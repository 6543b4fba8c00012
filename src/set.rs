//! Changes to a configuration as JSON: `--set key=value` and `--config FILE`.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Failure;

/// A value for a dotted key, and the flag it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Flag, for messages: `--set train.log_kimg=2` or `--kimg`.
    pub flag: String,
    /// Key with dots.
    pub key: String,
    /// The new value.
    pub value: Value,
}

impl Change {
    /// From a flag of its own.
    pub fn new(flag: &str, key: &str, value: impl Into<Value>) -> Self {
        Self {
            flag: flag.into(),
            key: key.into(),
            value: value.into(),
        }
    }

    /// From the text after `--set`. A value that is not JSON is a string.
    ///
    /// # Errors
    ///
    /// If there is no `=` or no key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err("write it as key=value, for example train.log_kimg=2".into());
        };
        Ok(Self {
            flag: format!("--set {text}"),
            key: key.trim().into(),
            value: serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)),
        })
    }

    /// Puts the value into `config`. The type of the value is not checked yet.
    ///
    /// # Errors
    ///
    /// If there is no such key; the message lists those there are.
    pub fn apply(&self, config: &mut Value) -> Result<(), Failure> {
        let mut place = config;
        let mut at = String::new();
        for name in self.key.split('.') {
            let index = name.parse::<usize>().ok().filter(|_| place.is_array());
            let child = match index {
                Some(index) => place.get(index),
                None => place.get(name),
            };
            if child.is_none() {
                return Err(self.no_such_key(place, &at, name));
            }
            place = match index {
                Some(index) => &mut place[index],
                None => &mut place[name],
            };
            if !at.is_empty() {
                at.push('.');
            }
            at.push_str(name);
        }
        *place = self.value.clone();
        Ok(())
    }

    fn no_such_key(&self, place: &Value, at: &str, name: &str) -> Failure {
        let inside = if at.is_empty() {
            "the configuration".to_owned()
        } else {
            format!("`{at}`")
        };
        let there = match place {
            Value::Object(fields) => {
                let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                format!("keys there: {}", names.join(", "))
            }
            Value::Array(items) => {
                format!("it has the items 0 to {}", items.len().saturating_sub(1))
            }
            other => format!("it is {other}; set it as a whole: --set '{at}={{…}}'"),
        };
        Failure::usage(format!(
            "{}: {inside} has no key `{name}`; {there}",
            self.flag
        ))
    }
}

/// The JSON object in a file: a configuration or a part of one.
///
/// # Errors
///
/// If the file cannot be read or is not a JSON object.
pub fn read_patch(path: &Path) -> Result<Value, Failure> {
    let flag = format!("--config {}", path.display());
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(format!(
            "{flag}: cannot read the file: {error}; check the path"
        ))
    })?;
    let value: Value = serde_json::from_str(&text).map_err(|error| {
        Failure::new(format!("{flag}: not valid JSON: {error}; correct the file"))
    })?;
    if !value.is_object() {
        let message = "holds no JSON object; write it like the config.json of a run";
        return Err(Failure::new(format!("{flag}: {message}")));
    }
    Ok(value)
}

/// Puts the fields of `patch` into `config`, at the dotted key `at` of the whole. An object where the configuration has nothing, or another choice,
/// is taken as a whole.
///
/// # Errors
///
/// If there is no such key.
pub fn merge(config: &mut Value, patch: &Value, flag: &str, at: &str) -> Result<(), Failure> {
    let (Value::Object(fields), Value::Object(new)) = (&mut *config, patch) else {
        *config = patch.clone();
        return Ok(());
    };
    let other_choice = fields.get("kind") != new.get("kind") && new.contains_key("kind");
    // A choice without a `kind` is an object of one field, or a bare word.
    let one_field = fields.len() == 1 && new.len() == 1 && fields.keys().ne(new.keys());
    if other_choice || (one_field && !at.is_empty()) {
        *config = patch.clone();
        return Ok(());
    }
    for (name, value) in new {
        let key = if at.is_empty() {
            name.clone()
        } else {
            format!("{at}.{name}")
        };
        match fields.get_mut(name) {
            Some(place) => merge(place, value, flag, &key)?,
            None => {
                let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                let message = format!("there is no key `{key}`; keys there: {}", names.join(", "));
                return Err(Failure::usage(format!("{flag}: {message}")));
            }
        }
    }
    Ok(())
}

/// The configuration that JSON describes; `flag` is what the JSON was last changed by.
///
/// # Errors
///
/// If a value has the wrong type, naming its key and what is allowed.
pub fn read<T: DeserializeOwned>(config: &Value, flag: &str) -> Result<T, Failure> {
    serde_path_to_error::deserialize(config).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string();
        let in_words = wrong_type(&problem);
        // The key of `--set` is in the flag already.
        if flag.starts_with("--set") || path == "." {
            let problem = in_words.map_or(problem, |words| format!("it {words}"));
            return Failure::usage(format!("{flag}: {problem}"));
        }
        let problem = in_words.map_or(format!("`{path}`: {problem}"), |words| {
            format!("`{path}` {words}")
        });
        Failure::usage(format!("{flag}: {problem}"))
    })
}

/// What serde says about a wrong type in the words of a person who writes JSON: `must be a number, not
/// "many"`. `None` if it says something else.
fn wrong_type(problem: &str) -> Option<String> {
    let problem = problem
        .strip_prefix("invalid type: ")
        .or_else(|| problem.strip_prefix("invalid value: "))?;
    let (found, wanted) = problem.rsplit_once(", expected ")?;
    let wanted = match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "text",
        "a sequence" => "a list, as in [64,32]",
        text if text.starts_with("struct ") => "an object, as in {\"key\": value}",
        text => text,
    };
    let kinds = [
        "string ",
        "integer ",
        "floating point ",
        "boolean ",
        "unit variant ",
    ];
    let value = kinds.iter().find_map(|kind| found.strip_prefix(kind));
    let found = match (value, found) {
        (Some(value), _) => value.trim_matches('`'),
        (None, "map") => "an object",
        (None, "sequence") => "a list",
        (None, other) => other,
    };
    Some(format!("must be {wanted}, not {found}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config() -> Value {
        json!({
            "train": { "kimg": 3.0, "guard": null },
            "optimizer": { "kind": "adam", "lr": 0.1, "beta": 0.5 },
            "widths": [8, 4],
        })
    }

    fn set(text: &str) -> Result<Value, String> {
        let mut config = config();
        let change = Change::parse(text)?;
        change
            .apply(&mut config)
            .map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn values_are_json_or_else_text() {
        assert_eq!(set("train.kimg=7").unwrap()["train"]["kimg"], json!(7));
        assert_eq!(
            set("train.guard={\"window\": 2}").unwrap()["train"]["guard"]["window"],
            2
        );
        assert_eq!(
            set("optimizer.kind=sgd").unwrap()["optimizer"]["kind"],
            "sgd"
        );
        assert_eq!(set("widths.1=9").unwrap()["widths"], json!([8, 9]));
        assert_eq!(set("train.kimg=a=b").unwrap()["train"]["kimg"], "a=b");
    }

    #[test]
    fn unknown_keys_list_those_there_are() {
        let message = set("train.kimgs=7").unwrap_err();
        assert!(
            message.contains("--set train.kimgs=7: `train` has no key `kimgs`"),
            "{message}"
        );
        assert!(message.contains("guard, kimg"), "{message}");
        assert!(set("x=7").unwrap_err().contains("optimizer, train, widths"));
        assert!(
            set("train.guard.window=7")
                .unwrap_err()
                .contains("it is null")
        );
        assert!(set("widths.2=7").unwrap_err().contains("items 0 to 1"));
        assert!(set("train").unwrap_err().contains("key=value"));
        assert!(set("=3").unwrap_err().contains("key=value"));
    }

    #[test]
    fn a_patch_changes_fields_and_replaces_other_choices_as_a_whole() {
        let merged = |patch: Value| {
            let mut config = config();
            merge(&mut config, &patch, "--config f", "").map(|()| config)
        };
        let config = merged(json!({ "optimizer": { "lr": 0.2 } })).unwrap();
        assert_eq!(
            config["optimizer"],
            json!({ "kind": "adam", "lr": 0.2, "beta": 0.5 })
        );
        let sgd = json!({ "kind": "sgd", "lr": 0.2 });
        let config = merged(json!({ "optimizer": sgd })).unwrap();
        assert_eq!(config["optimizer"], sgd);
        let config = merged(json!({ "train": { "guard": { "window": 3 } } })).unwrap();
        assert_eq!(config["train"]["guard"], json!({ "window": 3 }));
        let error = merged(json!({ "train": { "kimgs": 3 } }))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("--config f: there is no key `train.kimgs`"),
            "{error}"
        );
    }

    #[test]
    fn wrong_types_name_the_key_and_what_is_allowed() {
        #[derive(Debug, serde::Deserialize)]
        struct Config {
            #[allow(dead_code, reason = "only its type matters")]
            rounds: u64,
        }
        let error = |flag: &str| {
            let config = json!({ "rounds": "many" });
            read::<Config>(&config, flag).unwrap_err().to_string()
        };
        assert_eq!(
            error("--config f"),
            "--config f: `rounds` must be a whole number, 0 or more, not \"many\""
        );
        assert_eq!(
            error("--set rounds=many"),
            "--set rounds=many: it must be a whole number, 0 or more, not \"many\""
        );
    }

    #[test]
    fn types_are_named_in_plain_words() {
        fn words<T: DeserializeOwned>(value: Value) -> String {
            let error = serde_json::from_value::<T>(value).err().unwrap();
            wrong_type(&error.to_string()).unwrap()
        }
        assert_eq!(words::<f64>(json!("x")), "must be a number, not \"x\"");
        assert_eq!(
            words::<usize>(json!(-3)),
            "must be a whole number, 0 or more, not -3"
        );
        assert_eq!(
            words::<usize>(json!(2.5)),
            "must be a whole number, 0 or more, not 2.5"
        );
        assert_eq!(words::<bool>(json!(1)), "must be true or false, not 1");
        assert_eq!(
            words::<Vec<u64>>(json!({})),
            "must be a list, as in [64,32], not an object"
        );
        assert_eq!(
            words::<String>(json!(["a, expected b"])),
            "must be text, not a list"
        );
        assert_eq!(words::<String>(json!(null)), "must be text, not null");
        assert_eq!(wrong_type("missing field `x`"), None);
    }
}

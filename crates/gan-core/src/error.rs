//! What is wrong with a configuration.

/// A field of a configuration that has a value nobody can work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {value}; it must be {allowed}")]
pub struct ConfigError {
    /// Path of the field, with dots: `norm.epsilon`.
    pub field: String,
    /// The value found.
    pub value: String,
    /// What is allowed, as a phrase that continues "it must be …".
    pub allowed: String,
}

impl ConfigError {
    /// `field` is `value`; it must be `allowed`.
    pub fn new(
        field: impl Into<String>,
        value: impl std::fmt::Display,
        allowed: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }

    /// The same error, seen from the configuration that holds this one as `parent`.
    #[must_use]
    pub fn within(mut self, parent: &str) -> Self {
        self.field = format!("{parent}.{}", self.field);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_field_by_its_path_the_value_and_what_is_allowed() {
        let error = ConfigError::new("epsilon", -1.0, "above 0").within("norm");
        assert_eq!(
            error.to_string(),
            "`norm.epsilon` is -1; it must be above 0"
        );
    }
}

//! What a round has to say.

use burn::prelude::*;

/// Scalars of a round, left on the device until somebody reads them.
///
/// Reading waits for the device, so only hooks do it, at their interval.
#[derive(Clone, Debug, Default)]
pub struct Report(Vec<(&'static str, Tensor<1>)>);

impl Report {
    /// Adds a scalar of shape `[1]`; it leaves the tape.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Tensor<1>) -> Self {
        let value = if value.device().is_autodiff() {
            value.inner()
        } else {
            value
        };
        self.0.push((name, value));
        self
    }

    /// The names, in the order they were added.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().map(|(name, _)| *name)
    }

    /// The scalars by name, still on the device.
    pub(crate) fn scalars(&self) -> &[(&'static str, Tensor<1>)] {
        &self.0
    }

    /// Waits for the device and reads every scalar.
    pub fn read(&self) -> Vec<(&'static str, f32)> {
        self.0
            .iter()
            .map(|(name, value)| (*name, value.clone().into_scalar::<f32>()))
            .collect()
    }

    /// Waits for the device and reads one scalar.
    pub fn get(&self, name: &str) -> Option<f32> {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.clone().into_scalar::<f32>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_read_by_name_and_in_order() {
        let device = Device::flex();
        let tracked = Tensor::<1>::from_floats([2.0], &device.clone().autodiff()).require_grad();
        let report = Report::default()
            .with("critic", Tensor::from_floats([1.5], &device))
            .with("generator", tracked * 2.0);
        assert_eq!(report.names().collect::<Vec<_>>(), ["critic", "generator"]);
        assert_eq!(report.read(), [("critic", 1.5), ("generator", 4.0)]);
        assert_eq!(report.get("generator"), Some(4.0));
        assert_eq!(report.get("penalty"), None);
    }

    #[test]
    fn a_scalar_leaves_the_tape() {
        let device = Device::flex().autodiff();
        let report = Report::default().with("x", Tensor::from_floats([1.0], &device));
        assert!(!report.0[0].1.is_autodiff());
    }
}

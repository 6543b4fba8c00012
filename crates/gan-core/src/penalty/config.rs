//! A penalty in a configuration.

use serde::{Deserialize, Serialize};

use super::PenaltyRule;
use crate::error::ConfigError;
use crate::optim::OptimizerConfig;

/// A gradient penalty and how often to apply it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PenaltyConfig {
    /// Which penalty.
    pub rule: PenaltyRule,
    /// In every so many rounds, with as many times its weight ("lazy regularisation", 16 in
    /// StyleGAN2); 1 or more. Default: 1.
    #[serde(default = "every_round")]
    pub every: u64,
}

fn every_round() -> u64 {
    1
}

impl PenaltyConfig {
    /// Says what is wrong with the numbers.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let within = |error: ConfigError| error.within("penalty.rule");
        self.rule.validate().map_err(within)?;
        if self.every == 0 {
            return Err(ConfigError::new("penalty.every", 0, "1 or more rounds"));
        }
        Ok(())
    }
}

/// The optimiser of a player whose lazy penalty takes a step of its own, every `every` rounds:
/// [Karras et al. 2020](https://arxiv.org/abs/1912.04958), appendix B.
///
/// Then there are `every + 1` steps where there were `every`. With `c = every / (every + 1)` the
/// learning rate is multiplied by `c`, and every decay (Adam's betas, RMSProp's alpha, momentum) taken to
/// the power `c`, so that the optimiser moves and forgets as much per round as before. The paper says it
/// for Adam.
///
/// [`Gan`](crate::game::Gan) does not need it: it adds a lazy penalty to the loss of the same round,
/// and so takes no more steps than without.
///
/// # Panics
///
/// Panics if `every` is 0.
pub fn lazy_optimizer(optimizer: OptimizerConfig, every: u64) -> OptimizerConfig {
    assert!(every > 0, "lazy_optimizer: `every` must be 1 round or more");
    let c = every as f64 / (every + 1) as f64;
    let mut lazy = optimizer;
    match &mut lazy {
        OptimizerConfig::Adam {
            lr, beta_1, beta_2, ..
        }
        | OptimizerConfig::AdamW {
            lr, beta_1, beta_2, ..
        } => {
            *lr *= c;
            *beta_1 = beta_1.powf(c);
            *beta_2 = beta_2.powf(c);
        }
        OptimizerConfig::RmsProp { lr, alpha, .. } => {
            *lr *= c;
            *alpha = alpha.powf(c);
        }
        OptimizerConfig::Sgd { lr, momentum } => {
            *lr *= c;
            *momentum = momentum.powf(c);
        }
        OptimizerConfig::Muon {
            lr,
            momentum,
            beta_1,
            beta_2,
            ..
        } => {
            *lr *= c;
            for decay in [momentum, beta_1, beta_2] {
                *decay = decay.powf(c);
            }
        }
    }
    lazy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_checked_and_refused_by_name() {
        let text = r#"{"rule": {"kind": "wgan_gp", "lambda": 10.0}}"#;
        let config: PenaltyConfig = serde_json::from_str(text).unwrap();
        let rule = PenaltyRule::WganGp {
            lambda: 10.0,
            target: 1.0,
            one_sided: false,
        };
        assert_eq!(config, PenaltyConfig { rule, every: 1 });
        assert!(config.validate().is_ok());
        let div: PenaltyConfig = serde_json::from_str(r#"{"rule": {"kind": "wgan_div"}}"#).unwrap();
        assert_eq!(div.rule, PenaltyRule::WganDiv { k: 2.0, p: 6.0 });
        let every = PenaltyConfig { rule, every: 0 };
        assert_eq!(every.validate().unwrap_err().field, "penalty.every");
        let text = r#"{"rule": {"kind": "r1", "gamma": 1.0, "gama": 2.0}}"#;
        assert!(serde_json::from_str::<PenaltyConfig>(text).is_err());
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let refused = |rule: PenaltyRule, field: &str| {
            let error = PenaltyConfig { rule, every: 1 }.validate().unwrap_err();
            assert_eq!(error.field, format!("penalty.rule.{field}"));
        };
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            refused(PenaltyRule::R1 { gamma: bad }, "gamma");
            refused(PenaltyRule::R2 { gamma: bad }, "gamma");
            refused(PenaltyRule::WganLp { lambda: bad }, "lambda");
            refused(PenaltyRule::MaxGp { lambda: bad }, "lambda");
            refused(PenaltyRule::ZeroCentered { lambda: bad }, "lambda");
            refused(PenaltyRule::WganDiv { k: bad, p: 6.0 }, "k");
            refused(
                PenaltyRule::Dragan {
                    lambda: 1.0,
                    k: bad,
                },
                "k",
            );
            let target = PenaltyRule::WganGp {
                lambda: 1.0,
                target: bad,
                one_sided: false,
            };
            refused(target, "target");
        }
        refused(PenaltyRule::WganDiv { k: 2.0, p: 0.5 }, "p");
    }

    /// StyleGAN2's numbers: lr 0.002 and betas (0, 0.99), 16 rounds for the critic.
    #[test]
    fn a_lazy_optimizer_has_the_constants_of_stylegan2() {
        let lazy = lazy_optimizer(OptimizerConfig::adam(0.002, 0.0, 0.99), 16);
        let OptimizerConfig::Adam {
            lr, beta_1, beta_2, ..
        } = lazy
        else {
            panic!("it was Adam")
        };
        assert!((lr - 0.001_882_352_9).abs() < 1e-9);
        assert_eq!(beta_1, 0.0);
        assert!((beta_2 - 0.990_585_6).abs() < 1e-6, "{beta_2}");
        assert!(lazy.validate().is_ok());
    }

    /// `every` rounds of `every + 1` steps forget as much as `every` steps before.
    #[test]
    fn decays_over_a_period_are_the_same() {
        let sgd = OptimizerConfig::Sgd {
            lr: 0.1,
            momentum: 0.9,
        };
        let OptimizerConfig::Sgd { lr, momentum } = lazy_optimizer(sgd, 4) else {
            panic!("it was SGD")
        };
        assert!((momentum.powi(5) - 0.9f64.powi(4)).abs() < 1e-12);
        assert!((5.0 * lr - 4.0 * 0.1).abs() < 1e-12);
        let rms = OptimizerConfig::RmsProp {
            lr: 0.1,
            alpha: 0.99,
            epsilon: 1e-8,
        };
        let OptimizerConfig::RmsProp { alpha, .. } = lazy_optimizer(rms, 4) else {
            panic!("it was RMSProp")
        };
        assert!((alpha.powi(5) - 0.99f64.powi(4)).abs() < 1e-12);
        let OptimizerConfig::Muon {
            momentum, beta_2, ..
        } = lazy_optimizer(OptimizerConfig::muon(0.1, 0.5), 4)
        else {
            panic!("it was Muon")
        };
        assert!((momentum.powi(5) - 0.5f64.powi(4)).abs() < 1e-12);
        assert!((beta_2.powi(5) - 0.99f64.powi(4)).abs() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "`every` must be 1 round or more")]
    fn never_is_not_lazy() {
        lazy_optimizer(OptimizerConfig::adam(0.1, 0.0, 0.9), 0);
    }
}

//! Configurations and networks that do not fit, and files.

use super::*;

#[test]
fn what_the_networks_cannot_do_is_refused() {
    #[derive(Module, Debug)]
    struct Blind {
        critic: ConvCritic,
    }
    impl Critic<4> for Blind {
        fn score(&self, x: crate::dual::Dual<4>) -> crate::dual::Dual<2> {
            self.critic.score(x)
        }
    }
    let refused = |config: GanConfig| {
        let (generator, critic) = networks(1, false);
        Gan::new(config, generator, Blind { critic })
            .unwrap_err()
            .field
    };
    let all = full();
    let matching = all.feature_matching;
    assert_eq!(
        refused(GanConfig {
            feature_matching: matching,
            ..plain()
        }),
        "feature_matching"
    );
    assert_eq!(
        refused(GanConfig {
            pull_away: all.pull_away,
            ..plain()
        }),
        "pull_away"
    );
    let pairs = GanConfig {
        loss: AdversarialLoss::Relativistic,
        top_k: all.top_k,
        ..plain()
    };
    assert_eq!(refused(pairs), "top_k");

    #[derive(Module, Debug)]
    struct Rows {
        layer: crate::nn::Linear,
    }
    impl Generator<2> for Rows {
        fn generate(&self, z: Tensor<2>) -> Tensor<2> {
            self.layer.forward(z)
        }
        fn latent_size(&self) -> usize {
            4
        }
    }
    impl Critic<2> for Rows {
        fn score(&self, x: crate::dual::Dual<2>) -> crate::dual::Dual<2> {
            crate::dual::Forward::apply(&self.layer, x)
        }
    }
    let rows = || Rows {
        layer: crate::nn::LinearConfig::new(4, 4).init(&mut Stream::new(1, "w", 0), &device()),
    };
    let refused = |config| Gan::new(config, rows(), rows()).unwrap_err().field;
    assert_eq!(
        refused(GanConfig {
            augment: all.augment,
            ..plain()
        }),
        "augment"
    );
    assert_eq!(
        refused(GanConfig {
            consistency: all.consistency,
            ..plain()
        }),
        "consistency"
    );
    let latent_only = ConsistencyConfig {
        lambda_real: 0.0,
        lambda_fake: 0.0,
        ..all.consistency.unwrap()
    };
    let config = GanConfig {
        consistency: Some(latent_only),
        ..plain()
    };
    let mut rows: Gan<Rows, Rows, 2> = Gan::new(config, rows(), rows()).unwrap();
    let x = Stream::new(1, "x", 0).normal([5, 4], &Device::flex());
    let report = rows.round(x, &Clock::new(1));
    assert!(report.get("critic_terms").is_some_and(f32::is_finite));
}

#[test]
fn bad_numbers_are_refused_by_their_path() {
    let all = full();
    let field = |edit: &dyn Fn(&mut GanConfig)| {
        let mut config = all;
        edit(&mut config);
        config.validate().unwrap_err().field
    };
    assert_eq!(field(&|c| c.drift = Some(-1.0)), "drift");
    assert_eq!(
        field(&|c| c.historical_average = Some(f64::NAN)),
        "historical_average"
    );
    assert_eq!(
        field(&|c| c.lecam.as_mut().unwrap().decay = 2.0),
        "lecam.decay"
    );
    assert_eq!(
        field(&|c| c.top_k.as_mut().unwrap().decay = 0.0),
        "top_k.decay"
    );
    let negative = |c: &mut GanConfig| c.orthogonal.as_mut().unwrap().critic = -1.0;
    assert_eq!(field(&negative), "orthogonal.critic");
    let fast = AdaptiveConfig {
        kimg: 0.0,
        ..AdaptiveConfig::default()
    };
    assert_eq!(
        field(&|c| c.augment = Some(AugmentConfig::Adaptive(fast))),
        "augment.kimg"
    );
    assert_eq!(
        field(&|c| c.loss = AdversarialLoss::EnergyBased { margin: -1.0 }),
        "loss.margin"
    );
}

/// A file from before these settings existed is read as having none of them.
#[test]
fn old_files_can_be_read() {
    let mut value = serde_json::to_value(plain()).unwrap();
    let fields = value.as_object_mut().unwrap();
    fields.retain(|_, value| !value.is_null());
    let read: GanConfig = serde_json::from_value(value).unwrap();
    assert_eq!(read, plain());
    let text = serde_json::to_string(&full()).unwrap();
    assert_eq!(serde_json::from_str::<GanConfig>(&text).unwrap(), full());
}

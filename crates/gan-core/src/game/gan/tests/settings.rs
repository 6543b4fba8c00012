//! Configurations.

use super::*;

#[test]
fn instance_noise_fades_to_none() {
    let noise = InstanceNoise {
        std: 0.4,
        until_kimg: 2.0,
    };
    let at = |images| {
        noise.std_at(&Clock {
            images,
            ..Clock::new(0)
        })
    };
    assert!((at(0) - 0.4).abs() < 1e-12);
    assert!((at(500) - 0.3).abs() < 1e-12);
    assert_eq!(at(2000), 0.0);
    assert_eq!(at(9000), 0.0);
}

#[test]
fn what_is_wrong_with_a_configuration_is_named() {
    let field = |edit: &dyn Fn(&mut GanConfig)| {
        let mut config = full();
        edit(&mut config);
        config.validate().unwrap_err().field
    };
    assert!(full().validate().is_ok());
    assert_eq!(field(&|c| c.critic_steps = 0), "critic_steps");
    assert_eq!(
        field(&|c| c.latent = LatentPrior::Normal { size: 0 }),
        "latent.size"
    );
    assert_eq!(field(&|c| c.label_smoothing = Some(1.0)), "label_smoothing");
    assert_eq!(
        field(&|c| c.loss = AdversarialLoss::Hinge),
        "label_smoothing"
    );
    assert_eq!(
        field(&|c| c.gradient_clip_norm = Some(0.0)),
        "gradient_clip_norm"
    );
    assert_eq!(field(&|c| c.weight_clip = Some(f64::NAN)), "weight_clip");
    let bad = OptimizerConfig::adam(-1.0, 0.5, 0.9);
    assert_eq!(field(&|c| c.critic_optimizer = bad), "critic_optimizer.lr");
    assert_eq!(
        field(&|c| c.generator_optimizer = bad),
        "generator_optimizer.lr"
    );
    let late = LearningRateSchedule::InverseSquareRoot { from_kimg: 0.0 };
    assert_eq!(
        field(&|c| c.learning_rate_schedule = Some(late)),
        "learning_rate_schedule.from_kimg"
    );
    let noise = |std, until_kimg| InstanceNoise { std, until_kimg };
    assert_eq!(
        field(&|c| c.instance_noise = Some(noise(-0.1, 1.0))),
        "instance_noise.std"
    );
    assert_eq!(
        field(&|c| c.instance_noise = Some(noise(0.1, 0.0))),
        "instance_noise.until_kimg"
    );
    let ema = |half_life_kimg, ramp_up| EmaConfig {
        half_life_kimg,
        ramp_up,
    };
    assert_eq!(
        field(&|c| c.ema = Some(ema(0.0, None))),
        "ema.half_life_kimg"
    );
    assert_eq!(
        field(&|c| c.ema = Some(ema(1.0, Some(-1.0)))),
        "ema.ramp_up"
    );
    let latent = LatentPrior::Normal { size: 5 };
    let config = GanConfig { latent, ..config() };
    let error = Toy::new(config, Maker::new(1, 8, true), Judge::new(2, 8, false)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`latent.size` is 5; it must be 4, what the generator takes"
    );
    let config = GanConfig {
        mismatched: Some(0.5),
        ..self::config()
    };
    let error = Toy::new(config, Maker::new(1, 8, true), Judge::new(2, 8, false)).unwrap_err();
    assert_eq!(error.field, "mismatched");
}

#[test]
fn a_configuration_comes_back_from_a_file_and_unknown_fields_are_refused() {
    let text = serde_json::to_string(&full()).unwrap();
    assert_eq!(serde_json::from_str::<GanConfig>(&text).unwrap(), full());
    let text = text.replacen("critic_steps", "critic_step", 1);
    let error = serde_json::from_str::<GanConfig>(&text)
        .unwrap_err()
        .to_string();
    assert!(error.contains("critic_step"), "{error}");
}

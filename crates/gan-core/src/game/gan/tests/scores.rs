//! Scores of a critic step, in a pass of their own or in that of the penalty.

use super::*;

#[test]
fn one_pass_and_two_passes_give_the_same_scores() {
    let (real, fake) = (
        Tensor::from_inner(batch(0, 5)),
        Tensor::from_inner(batch(1, 3)),
    );
    let together = score_both(&Judge::new(2, 8, false), real.clone(), fake.clone());
    let apart = score_both(&Judge::new(2, 8, true), real, fake);
    for (a, b) in together.into_iter().zip(apart) {
        let difference = (a - b).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-6, "{difference}");
    }
}

#[test]
fn a_lazy_penalty_has_as_many_times_the_weight() {
    // SGD: the critic's move is linear in the gradient, so the penalty's share can be taken apart.
    let moved = |penalty: Option<PenaltyConfig>| {
        let sgd = OptimizerConfig::Sgd {
            lr: 1e-3,
            momentum: 0.0,
        };
        let config = GanConfig {
            critic_optimizer: sgd,
            penalty,
            ..config()
        };
        let mut game = game(config);
        play(&mut game, 0, 1);
        weights(game.critic())["first.weight"]
            .clone()
            .try_to_vec::<f32>()
            .unwrap()
    };
    let rule = PenaltyRule::R1 { gamma: 1.0 };
    let without = moved(None);
    let share = |every| -> Vec<f32> {
        let with = moved(Some(PenaltyConfig { rule, every }));
        with.iter().zip(&without).map(|(a, b)| a - b).collect()
    };
    for (once, lazy) in share(1).iter().zip(share(16)) {
        assert!(
            (lazy - 16.0 * once).abs() < 1e-4 + 1e-2 * lazy.abs(),
            "{once}, {lazy}"
        );
    }
    assert!(share(16).iter().any(|s| s.abs() > 1e-3));
}

/// R1 looks at the reals and R2 at the generated samples that the loss looks at: one pass serves both, and
/// a penalty of no weight must leave the round as it is.
#[test]
fn scores_from_the_pass_of_a_penalty_are_those_of_the_loss() {
    for coupled in [false, true] {
        let played = |rule: Option<PenaltyRule>| {
            let config = GanConfig {
                penalty: rule.map(|rule| PenaltyConfig { rule, every: 1 }),
                instance_noise: full().instance_noise,
                ..config()
            };
            let (maker, judge) = (Maker::new(1, 8, true), Judge::new(2, 8, coupled));
            let mut game = Gan::new(config, maker, judge).unwrap();
            let report = game.round(batch(0, 6), &Clock::new(0));
            let names = ["critic", "d_real", "d_fake", "critic_gradient", "generator"];
            names.map(|name| report.get(name).expect("it is reported"))
        };
        let wanted = played(None);
        assert!((wanted[1] - wanted[2]).abs() > 1e-3, "{wanted:?}");
        let free = [
            PenaltyRule::R1 { gamma: 0.0 },
            PenaltyRule::R2 { gamma: 0.0 },
            PenaltyRule::WganLp { lambda: 0.0 },
        ];
        for rule in free {
            for (found, wanted) in played(Some(rule)).iter().zip(wanted) {
                assert!((found - wanted).abs() < 1e-5, "{rule:?}: {found} {wanted}");
            }
        }
    }
}

use super::*;

fn device() -> Device {
    Device::flex().autodiff()
}

fn column(values: &[f32]) -> Tensor<2> {
    Tensor::<1>::from_floats(values, &device()).reshape([values.len(), 1])
}

fn scalar(x: Tensor<1>) -> f64 {
    f64::from(x.into_scalar::<f32>())
}

fn values(x: Tensor<2>) -> Vec<f64> {
    let x = crate::testing::values(&x);
    x.into_iter().map(f64::from).collect()
}

fn sp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

const R: [f64; 2] = [1.0, -2.0];
const F: [f64; 2] = [0.5, -1.0];

fn average(x: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    x.iter().map(|x| f(*x)).sum::<f64>() / x.len() as f64
}

/// (critic's loss, generator's loss) written out from the papers.
fn by_hand(loss: AdversarialLoss) -> (f64, f64) {
    use AdversarialLoss as L;
    let (mean_r, mean_f) = (-0.5, -0.25);
    let pairs = |sign: f64| (sp(sign * (F[0] - R[0])) + sp(sign * (F[1] - R[1]))) / 2.0;
    let bce = average(&R, |r| sp(-r)) + average(&F, sp);
    match loss {
        L::NonSaturating => (bce, average(&F, |f| sp(-f))),
        L::Saturating => (bce, -average(&F, sp)),
        L::LeastSquares => (
            0.5 * average(&R, |r| (r - 1.0).powi(2)) + 0.5 * average(&F, |f| f * f),
            0.5 * average(&F, |f| (f - 1.0).powi(2)),
        ),
        L::Hinge => ((0.0 + 3.0) / 2.0 + (1.5 + 0.0) / 2.0, 0.25),
        L::Wasserstein => (-0.25 + 0.5, 0.25),
        L::Relativistic => (pairs(1.0), pairs(-1.0)),
        L::RelativisticAverage => (
            average(&R, |r| sp(mean_f - r)) + average(&F, |f| sp(f - mean_r)),
            average(&F, |f| sp(mean_r - f)) + average(&R, |r| sp(r - mean_f)),
        ),
        L::RelativisticAverageLeastSquares => (
            average(&R, |r| (r - mean_f - 1.0).powi(2))
                + average(&F, |f| (f - mean_r + 1.0).powi(2)),
            average(&F, |f| (f - mean_r - 1.0).powi(2))
                + average(&R, |r| (r - mean_f + 1.0).powi(2)),
        ),
        // r − E f: 1.25, −1.75; f − E r: 1.0, −0.5.
        L::RelativisticAverageHinge => (
            (0.0 + 2.75) / 2.0 + (2.0 + 0.5) / 2.0,
            (0.0 + 1.5) / 2.0 + (2.25 + 0.0) / 2.0,
        ),
        L::BoundarySeeking => (bce, 0.5 * average(&F, |f| f * f)),
        L::Softmax => {
            let z: f64 = R.iter().chain(&F).map(|x| x.exp()).sum();
            (z.ln() + 0.5, z.ln() + 0.375)
        }
        L::EnergyBased { margin } => (average(&F, |f| (margin + f).max(0.0)) + 0.5, 0.25),
    }
}

fn tensors() -> (Tensor<2>, Tensor<2>) {
    (column(&R.map(|x| x as f32)), column(&F.map(|x| x as f32)))
}

fn close(a: f64, b: f64, what: &dyn Debug) {
    assert!(
        (a - b).abs() < 1e-5 * b.abs().max(1.0),
        "{what:?}: {a} is not {b}"
    );
}

#[test]
fn softplus_of_minus_one_is_the_constant_of_the_tables() {
    let loss = AdversarialLoss::NonSaturating;
    close(
        scalar(loss.generator_loss(None, column(&[1.0]))),
        0.313_261_69,
        &loss,
    );
}

#[test]
fn both_players_losses_match_the_formulas_written_out() {
    for loss in AdversarialLoss::ALL {
        let (critic, generator) = by_hand(loss);
        let (r, f) = tensors();
        close(
            scalar(loss.critic_loss(r.clone(), f.clone())),
            critic,
            &loss,
        );
        close(scalar(loss.generator_loss(Some(r), f)), generator, &loss);
    }
}

/// d loss / d score for each real and each fake, both players.
fn gradients(loss: &dyn Objective) -> [Vec<f64>; 3] {
    let (r, f) = tensors();
    let (r, f) = (r.require_grad(), f.require_grad());
    let grads = loss.critic_loss(r.clone(), f.clone()).backward();
    let (dr, df) = (r.grad(&grads).unwrap(), f.grad(&grads).unwrap());
    let grads = loss.generator_loss(Some(r.detach()), f.clone()).backward();
    [values(dr), values(df), values(f.grad(&grads).unwrap())]
}

/// Gradients of losses on how far a score is over the mean of the other side's. `own(over, up)` is the part
/// of a score that its player wants up (1) or down (−1); by the mean, half of it goes to each of the two
/// scores on the other side, with the other sign.
fn through_means(own: impl Fn(f64, f64) -> f64) -> [Vec<f64>; 3] {
    let (mean_r, mean_f) = (-0.5, -0.25);
    let own = |x: [f64; 2], mean: f64, up: f64| x.map(|x| own(x - mean, up));
    let less = |x: [f64; 2], other: [f64; 2]| x.map(|d| d - (other[0] + other[1]) / 2.0).to_vec();
    // The critic raises r over mean f and lowers f under mean r, the generator the other way round.
    let (dr, df) = (own(R, mean_f, 1.0), own(F, mean_r, -1.0));
    let (gr, gf) = (own(R, mean_f, -1.0), own(F, mean_r, 1.0));
    [less(dr, df), less(df, dr), less(gf, gr)]
}

#[test]
fn gradients_match_their_derivatives_by_hand() {
    use AdversarialLoss as L;
    let half = |x: &[f64; 2], d: &dyn Fn(f64) -> f64| vec![d(x[0]) / 2.0, d(x[1]) / 2.0];
    let expected = |loss| match loss {
        L::NonSaturating => [
            half(&R, &|r| -sigmoid(-r)),
            half(&F, &sigmoid),
            half(&F, &|f| -sigmoid(-f)),
        ],
        L::Saturating => [
            half(&R, &|r| -sigmoid(-r)),
            half(&F, &sigmoid),
            half(&F, &|f| -sigmoid(f)),
        ],
        L::LeastSquares => [
            half(&R, &|r| r - 1.0),
            half(&F, &|f| f),
            half(&F, &|f| f - 1.0),
        ],
        // r = 1 sits on the hinge's corner: no push; f = −1 as well.
        L::Hinge => [vec![0.0, -0.5], vec![0.5, 0.0], vec![-0.5, -0.5]],
        L::Wasserstein => [vec![-0.5, -0.5], vec![0.5, 0.5], vec![-0.5, -0.5]],
        L::Relativistic => {
            let s = [sigmoid(F[0] - R[0]) / 2.0, sigmoid(F[1] - R[1]) / 2.0];
            let g = [sigmoid(R[0] - F[0]) / 2.0, sigmoid(R[1] - F[1]) / 2.0];
            [s.map(|s| -s).to_vec(), s.to_vec(), g.map(|g| -g).to_vec()]
        }
        L::RelativisticAverage => through_means(|over, up| -up * sigmoid(-up * over) / 2.0),
        L::RelativisticAverageLeastSquares => through_means(|over, up| over - up),
        // Active for the critic: the second real, both generated; for the generator: the second
        // generated, the first real. Each pushes its own score and the other side's mean by ½.
        L::RelativisticAverageHinge => [
            vec![0.0 - 0.5, -0.5 - 0.5],
            vec![0.5 + 0.25, 0.5 + 0.25],
            vec![0.0 - 0.25, -0.5 - 0.25],
        ],
        L::BoundarySeeking => [
            half(&R, &|r| -sigmoid(-r)),
            half(&F, &sigmoid),
            half(&F, &|f| f),
        ],
        L::Softmax => {
            let z: f64 = R.iter().chain(&F).map(|x| x.exp()).sum();
            [
                R.map(|r| r.exp() / z - 0.5).to_vec(),
                F.map(|f| f.exp() / z).to_vec(),
                F.map(|f| f.exp() / z - 0.25).to_vec(),
            ]
        }
        // f = −1 has just the energy of the margin: no push.
        L::EnergyBased { .. } => [vec![-0.5, -0.5], vec![0.5, 0.0], vec![-0.5, -0.5]],
    };
    for loss in L::ALL {
        for (got, want) in gradients(&loss).iter().zip(expected(loss)) {
            for (got, want) in got.iter().zip(&want) {
                close(*got, *want, &loss);
            }
        }
    }
}

#[test]
fn the_critic_parts_the_scores_and_the_generator_raises_its_own() {
    for loss in AdversarialLoss::ALL {
        let r = column(&[0.3, -0.2]).require_grad();
        let f = column(&[0.1, -0.4]).require_grad();
        let grads = loss.critic_loss(r.clone(), f.clone()).backward();
        assert!(
            values(r.grad(&grads).unwrap()).iter().all(|g| *g < 0.0),
            "{loss:?}"
        );
        if loss != AdversarialLoss::LeastSquares {
            assert!(
                values(f.grad(&grads).unwrap()).iter().all(|g| *g > 0.0),
                "{loss:?}"
            );
        }
        // These two draw scores to where the critic cannot decide, from both sides.
        if matches!(
            loss,
            AdversarialLoss::BoundarySeeking | AdversarialLoss::Softmax
        ) {
            continue;
        }
        let grads = loss.generator_loss(Some(r.detach()), f.clone()).backward();
        assert!(
            values(f.grad(&grads).unwrap()).iter().all(|g| *g < 0.0),
            "{loss:?}"
        );
    }
}

#[test]
fn extreme_scores_have_finite_losses_and_gradients() {
    for loss in AdversarialLoss::ALL {
        for (r, f) in [(100.0, -100.0), (-100.0, 100.0), (100.0, 100.0), (0.0, 0.0)] {
            let (r, f) = (column(&[r]).require_grad(), column(&[f]).require_grad());
            let critic = loss.critic_loss(r.clone(), f.clone());
            let generator = loss.generator_loss(Some(r.clone().detach()), f.clone());
            assert!(scalar(critic.clone()).is_finite(), "{loss:?}");
            assert!(scalar(generator.clone()).is_finite(), "{loss:?}");
            let grads = (critic + generator).backward();
            assert!(values(r.grad(&grads).unwrap())[0].is_finite(), "{loss:?}");
            assert!(values(f.grad(&grads).unwrap())[0].is_finite(), "{loss:?}");
        }
    }
    let lost = AdversarialLoss::NonSaturating.generator_loss(None, column(&[-100.0]));
    close(scalar(lost), 100.0, &"a lost generator");
}

#[test]
fn smoothing_moves_the_optimum_of_real_scores_and_nothing_else() {
    let smoothed = AdversarialLoss::NonSaturating
        .with_label_smoothing(0.1)
        .unwrap();
    let best = (0.9f64 / 0.1).ln() as f32; // σ(best) = 0.9
    let r = column(&[best]).require_grad();
    let grads = smoothed.critic_loss(r.clone(), column(&[0.7])).backward();
    close(
        values(r.grad(&grads).unwrap())[0],
        0.0,
        &"gradient at the optimum",
    );
    let (plain, f) = (AdversarialLoss::NonSaturating, column(&[0.7]));
    let (a, b) = (
        smoothed.generator_loss(None, f.clone()),
        plain.generator_loss(None, f),
    );
    close(scalar(a), scalar(b), &"generator");
    let squares = AdversarialLoss::LeastSquares
        .with_label_smoothing(0.25)
        .unwrap();
    close(
        scalar(squares.critic_loss(column(&[0.75]), column(&[0.0]))),
        0.0,
        &"squares",
    );
    let pairs = AdversarialLoss::Relativistic
        .with_label_smoothing(0.1)
        .unwrap();
    let by_hand = 0.9 * sp(-1.5) + 0.1 * sp(1.5);
    close(
        scalar(pairs.critic_loss(column(&[2.0]), column(&[0.5]))),
        by_hand,
        &"pairs",
    );
}

#[test]
fn smoothing_refuses_what_makes_no_sense() {
    for bad in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        assert!(
            AdversarialLoss::NonSaturating
                .with_label_smoothing(bad)
                .is_err()
        );
    }
    let error = AdversarialLoss::Hinge
        .with_label_smoothing(0.1)
        .unwrap_err();
    assert!(error.to_string().contains("no targets"), "{error}");
    assert!(AdversarialLoss::Hinge.with_label_smoothing(0.0).is_ok());
    let error = AdversarialLoss::EnergyBased { margin: 0.0 }
        .with_label_smoothing(0.0)
        .unwrap_err();
    assert_eq!(error.field, "loss.margin");
}

#[test]
fn names_in_files_are_snake_case() {
    let names = AdversarialLoss::ALL.map(|loss| serde_json::to_string(&loss).unwrap());
    assert_eq!(names[0], "\"non_saturating\"");
    assert_eq!(names[6], "\"relativistic_average\"");
    assert_eq!(names[11], r#"{"energy_based":{"margin":1.0}}"#);
    for (name, loss) in names.iter().zip(AdversarialLoss::ALL) {
        assert_eq!(serde_json::from_str::<AdversarialLoss>(name).unwrap(), loss);
    }
}

#[test]
#[should_panic(expected = "needs the scores of real samples")]
fn a_relativistic_generator_needs_real_scores() {
    let _ = AdversarialLoss::Relativistic.generator_loss(None, column(&[0.0]));
}

/// Scores 2 above those of the other side mean σ(2) = 0.8808, whatever is added to all of them.
#[test]
fn beliefs_are_probabilities_where_scores_mean_that() {
    let device = Device::flex();
    for shift in [0.0, 100.0] {
        let real = Tensor::from_floats([[3.0 + shift], [3.0 + shift]], &device);
        let fake = Tensor::from_floats([[1.0 + shift], [1.0 + shift]], &device);
        let (real, fake) = AdversarialLoss::RelativisticAverage.beliefs(real, fake);
        assert!((real.into_scalar::<f32>() - 0.880_797).abs() < 1e-4);
        assert!((fake.into_scalar::<f32>() - 0.119_203).abs() < 1e-4);
    }
    let score = || Tensor::<2>::from_floats([[2.0]], &device);
    let (real, _) = AdversarialLoss::NonSaturating.beliefs(score(), score());
    assert!((real.into_scalar::<f32>() - 0.880_797).abs() < 1e-5);
    let (real, _) = AdversarialLoss::Hinge.beliefs(score(), score());
    assert_eq!(real.into_scalar::<f32>(), 2.0);
}

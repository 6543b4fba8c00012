//! Against the formulas of the papers, and across a restart.

use burn::module::ModuleMapper;

use super::*;

#[derive(Module, Debug)]
struct Net {
    a: Param<Tensor<1>>,
    b: Param<Tensor<2>>,
    /// The only one that Muon takes for a matrix.
    a_square: Param<Tensor<2>>,
}

fn net() -> Net {
    let device = Device::flex().autodiff();
    Net {
        a: Param::from_tensor(Tensor::from_floats([0.5, -1.0], &device)),
        b: Param::from_tensor(Tensor::from_floats([[2.0], [3.0], [-0.25]], &device)),
        a_square: Param::from_tensor(Tensor::from_floats([[1.0, 0.5], [-2.0, 0.1]], &device)),
    }
}

struct Apply<'a> {
    update: Update<'a>,
    gradient: f64,
}

impl ModuleMapper for Apply<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        param.map(|value| {
            let shape = value.dims();
            let flat: Tensor<1> = value.inner().flatten(0, D - 1);
            let gradient = flat.clone() * 0.5 + self.gradient;
            let new = self.update.apply(id, &shape, flat, gradient).reshape(shape);
            Tensor::from_inner(new).require_grad()
        })
    }
}

/// A step along `0.5 · parameter + gradient`.
fn step(optimizer: &mut Optimizer, net: Net, gradient: f64, scale: f32) -> Net {
    let scale = Tensor::from_floats([scale], &Device::flex());
    let update = optimizer.begin(scale);
    net.map(&mut Apply { update, gradient })
}

fn values(net: &Net) -> Vec<f64> {
    let mut values = net.a.val().into_data().try_to_vec::<f32>().unwrap();
    for matrix in [&net.b, &net.a_square] {
        values.extend(matrix.val().into_data().try_to_vec::<f32>().unwrap());
    }
    values.into_iter().map(f64::from).collect()
}

fn configs() -> [OptimizerConfig; 5] {
    [
        OptimizerConfig::Adam {
            lr: 0.1,
            beta_1: 0.5,
            beta_2: 0.9,
            epsilon: 1e-8,
            weight_decay: 0.03,
        },
        OptimizerConfig::AdamW {
            lr: 0.1,
            beta_1: 0.9,
            beta_2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.2,
        },
        OptimizerConfig::RmsProp {
            lr: 0.01,
            alpha: 0.9,
            epsilon: 1e-8,
        },
        OptimizerConfig::Sgd {
            lr: 0.1,
            momentum: 0.0,
        },
        OptimizerConfig::Sgd {
            lr: 0.1,
            momentum: 0.9,
        },
    ]
}

fn muon() -> OptimizerConfig {
    OptimizerConfig::Muon {
        lr: 0.1,
        momentum: 0.5,
        beta_1: 0.5,
        beta_2: 0.9,
        epsilon: 1e-8,
    }
}

/// PyTorch's formulas, one number at a time, in f64.
fn by_hand(config: OptimizerConfig, mut p: f64, gradients: &[f64]) -> f64 {
    let (mut m, mut v) = (0.0, 0.0);
    for (t, extra) in (1..).zip(gradients) {
        let mut g = 0.5 * p + extra;
        match config {
            OptimizerConfig::Adam {
                lr,
                beta_1,
                beta_2,
                epsilon,
                weight_decay,
            } => {
                g += weight_decay * p;
                m = beta_1 * m + (1.0 - beta_1) * g;
                v = beta_2 * v + (1.0 - beta_2) * g * g;
                let (m, v) = (m / (1.0 - beta_1.powi(t)), v / (1.0 - beta_2.powi(t)));
                p -= lr * m / (v.sqrt() + epsilon);
            }
            OptimizerConfig::AdamW {
                lr,
                beta_1,
                beta_2,
                epsilon,
                weight_decay,
            } => {
                p *= 1.0 - lr * weight_decay;
                m = beta_1 * m + (1.0 - beta_1) * g;
                v = beta_2 * v + (1.0 - beta_2) * g * g;
                let (m, v) = (m / (1.0 - beta_1.powi(t)), v / (1.0 - beta_2.powi(t)));
                p -= lr * m / (v.sqrt() + epsilon);
            }
            OptimizerConfig::RmsProp { lr, alpha, epsilon } => {
                v = alpha * v + (1.0 - alpha) * g * g;
                p -= lr * g / (v.sqrt() + epsilon);
            }
            OptimizerConfig::Sgd { lr, momentum } => {
                m = momentum * m + g;
                p -= lr * m;
            }
            OptimizerConfig::Muon { .. } => panic!("takes matrices"),
        }
    }
    p
}

#[test]
fn five_steps_match_the_formulas() {
    let gradients = [1.0, -0.3, 0.2, 4.0, -2.0];
    for config in configs() {
        let mut optimizer = Optimizer::new(config);
        let mut net = net();
        let start = values(&net);
        for gradient in gradients {
            net = step(&mut optimizer, net, gradient, 1.0);
        }
        for (value, start) in values(&net).iter().zip(start) {
            let expected = by_hand(config, start, &gradients);
            assert!(
                (value - expected).abs() < 2e-5,
                "{config:?}: {value} is not {expected}"
            );
        }
    }
}

/// A column is no matrix.
#[test]
fn muon_is_adam_where_there_is_no_matrix() {
    let adam = OptimizerConfig::adam(0.1, 0.5, 0.9);
    let [ours, wanted] = [muon(), adam].map(|config| {
        let mut optimizer = Optimizer::new(config);
        let net = step(&mut optimizer, net(), 1.0, 1.0);
        values(&step(&mut optimizer, net, -0.3, 1.0))
    });
    assert_eq!(ours[..5], wanted[..5]);
    assert_ne!(ours[5..], wanted[5..]);
    let sizes: [&[usize]; 6] = [&[], &[4], &[1, 4], &[4, 1, 1, 1], &[4, 2], &[3, 2, 2, 2]];
    let counts = sizes.map(|shape| muon().moment_count(shape));
    assert_eq!(counts, [2, 2, 2, 2, 1, 1]);
    assert_eq!(muon().memory(&net()), 2 * 5 + 4);
}

/// A gradient `diag(3, 1) Q` with rotations `Q`: the steps are all `lr √2 φ Q` with `φ` of both singular values.
#[test]
fn muon_moves_along_the_nearest_orthogonal_matrix() {
    let (sine, cosine) = 0.3f32.sin_cos();
    let device = Device::flex();
    let gradient = Tensor::<1>::from_floats([3.0 * cosine, -3.0 * sine, sine, cosine], &device);
    let id = ParamId::new();
    let mut optimizer = Optimizer::new(muon());
    let mut parameter = Tensor::<1>::zeros([4], &device);
    for round in 1..=3 {
        let mut update = optimizer.begin(Tensor::ones([1], &device));
        let before = parameter.clone();
        parameter = update.apply(id, &[2, 2], parameter, gradient.clone());
        let step = (before - parameter.clone()) / (0.1 * 2f64.sqrt());
        let step = step.into_data().try_to_vec::<f32>().unwrap();
        // In its own rows, whatever the length: that of the average grows with the rounds.
        let along = [
            step[0] * cosine - step[1] * sine,
            step[2] * sine + step[3] * cosine,
        ];
        let across = [
            step[0] * sine + step[1] * cosine,
            step[2] * cosine - step[3] * sine,
        ];
        assert!(
            along.iter().all(|x| (0.65..1.25).contains(x)),
            "{round}: {along:?}"
        );
        assert!(across.iter().all(|x| x.abs() < 1e-5), "{round}: {across:?}");
    }
}

#[test]
fn a_bad_step_leaves_weights_and_moments_alone() {
    for config in configs().into_iter().chain([muon()]) {
        let mut optimizer = Optimizer::new(config);
        let net = step(&mut optimizer, net(), 1.0, 1.0);
        let mut before = State::default();
        optimizer.save("x", &net, &mut before);
        let old = values(&net);
        let net = step(&mut optimizer, net, f64::NAN, f32::NAN);
        assert_eq!(values(&net), old, "{config:?}");
        let mut after = State::default();
        optimizer.save("x", &net, &mut after);
        assert_eq!(after.groups, before.groups, "{config:?}");
    }
}

#[test]
fn a_restored_optimizer_goes_on_to_the_bit() {
    for config in configs().into_iter().chain([muon()]) {
        let mut optimizer = Optimizer::new(config);
        optimizer.scale_learning_rate(0.5);
        let original = step(&mut optimizer, net(), 1.0, 1.0);
        let mut state = State::default();
        optimizer.save("x", &original, &mut state);
        // Another module has other ids: paths decide.
        let copy = Net {
            a: Param::from_tensor(original.a.val().detach()),
            b: Param::from_tensor(original.b.val().detach()),
            a_square: Param::from_tensor(original.a_square.val().detach()),
        };
        assert_ne!(copy.a.id, original.a.id);
        let mut other = Optimizer::new(config);
        other.load("x", &copy, &state).unwrap();
        let original = step(&mut optimizer, original, -0.7, 1.0);
        let copy = step(&mut other, copy, -0.7, 1.0);
        assert_eq!(values(&copy), values(&original), "{config:?}");
    }
}

#[test]
fn a_state_that_does_not_fit_is_named() {
    let mut optimizer = Optimizer::new(OptimizerConfig::adam(0.1, 0.5, 0.9));
    let net = step(&mut optimizer, net(), 1.0, 1.0);
    let mut good = State::default();
    optimizer.save("x", &net, &mut good);
    let mut refused = |edit: &dyn Fn(&mut State)| {
        let mut state = good.clone();
        edit(&mut state);
        optimizer.load("x", &net, &state).unwrap_err().to_string()
    };
    let group = |state: &mut State, path: &str, data: Option<TensorData>| {
        let group = state.groups.get_mut("x-optimizer").unwrap();
        match data {
            Some(data) => group.insert(path.into(), data),
            None => group.remove(path),
        };
    };
    assert_eq!(
        refused(&|state| state.groups.clear()),
        "the state has no group `x-optimizer`"
    );
    assert_eq!(
        refused(&|state| group(state, "b.1", None)),
        "`x-optimizer` has no tensor `b.1`"
    );
    assert!(
        refused(&|state| group(state, "b.0", Some(TensorData::from([1.0f32]))))
            .contains("of shape [1]; the model wants [3]")
    );
    assert_eq!(
        refused(&|state| group(state, "c.0", Some(TensorData::from([1.0f32])))),
        "`x-optimizer` has a tensor `c.0` that the model does not have"
    );
    assert_eq!(
        refused(&|state| state.numbers.clear()),
        "the state has no number `x.optimizer_steps`"
    );
}

#[test]
fn numbers_out_of_range_are_named() {
    let bad = |config: OptimizerConfig, field: &str| {
        let error = config.validate().unwrap_err();
        assert_eq!(error.field, field);
    };
    bad(OptimizerConfig::adam(0.0, 0.5, 0.9), "lr");
    bad(OptimizerConfig::adam(f64::NAN, 0.5, 0.9), "lr");
    bad(OptimizerConfig::adam(f64::INFINITY, 0.5, 0.9), "lr");
    bad(OptimizerConfig::adam(1e-3, 1.0, 0.9), "beta_1");
    bad(OptimizerConfig::adam(1e-3, 0.0, -0.1), "beta_2");
    let sgd = |lr, momentum| OptimizerConfig::Sgd { lr, momentum };
    bad(sgd(1.0, 1.0), "momentum");
    bad(sgd(-1.0, 0.0), "lr");
    let rms = |alpha, epsilon| OptimizerConfig::RmsProp {
        lr: 0.1,
        alpha,
        epsilon,
    };
    bad(rms(f64::NAN, 1e-8), "alpha");
    bad(rms(0.9, 0.0), "epsilon");
    bad(OptimizerConfig::muon(0.1, 1.0), "momentum");
    let good = |config: OptimizerConfig| config.validate().is_ok();
    assert!(configs().into_iter().chain([muon()]).all(good));
}

#[test]
fn settings_come_back_from_a_file_and_unknown_fields_are_refused() {
    for config in configs().into_iter().chain([muon()]) {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            serde_json::from_str::<OptimizerConfig>(&text).unwrap(),
            config
        );
    }
    let text = r#"{"kind": "sgd", "lr": 0.1, "nesterov": true}"#;
    let error = serde_json::from_str::<OptimizerConfig>(text).unwrap_err();
    assert!(error.to_string().contains("nesterov"), "{error}");
}

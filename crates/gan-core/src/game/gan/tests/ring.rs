//! A whole game.

use super::*;

/// Eight Gaussians of deviation 0.02 on a circle of radius 2.
fn ring(stream: &mut Stream, count: usize) -> Tensor<2> {
    let values = (0..count).flat_map(|_| {
        let angle = stream.below(8) as f32 * core::f32::consts::FRAC_PI_4;
        let noise = stream.normals(2);
        [
            2.0 * angle.cos() + 0.02 * noise[0],
            2.0 * angle.sin() + 0.02 * noise[1],
        ]
    });
    let values: Vec<f32> = values.collect();
    Tensor::from_data(TensorData::new(values, [count, 2]), &Device::flex())
}

#[test]
fn a_ring_of_eight_gaussians_is_covered() {
    let config = GanConfig {
        generator_optimizer: OptimizerConfig::adam(1e-3, 0.0, 0.99),
        critic_optimizer: OptimizerConfig::adam(1e-3, 0.0, 0.99),
        penalty: Some(PenaltyConfig {
            rule: PenaltyRule::R1 { gamma: 0.1 },
            every: 4,
        }),
        ema: Some(EmaConfig {
            half_life_kimg: 10.0,
            ramp_up: Some(0.05),
        }),
        ..config()
    };
    let mut game: Toy =
        Gan::new(config, Maker::new(1, 64, false), Judge::new(2, 64, false)).unwrap();
    let mut clock = Clock::new(5);
    while clock.round < 3000 {
        game.round(ring(&mut clock.stream("ring"), 128), &clock);
        clock.advance(128);
    }
    let latents = game
        .config
        .latent
        .draw(2000, &mut Stream::new(1, "eval", 0), &Device::flex());
    let request = SampleRequest {
        latents,
        averaged: true,
    };
    let points = game
        .sample(&request)
        .into_data()
        .try_to_vec::<f32>()
        .unwrap();
    let mut hits = [0; 8];
    for point in points.chunks(2) {
        for (mode, hits) in hits.iter_mut().enumerate() {
            let angle = mode as f32 * core::f32::consts::FRAC_PI_4;
            let (x, y) = (point[0] - 2.0 * angle.cos(), point[1] - 2.0 * angle.sin());
            *hits += usize::from((x * x + y * y).sqrt() < 0.2);
        }
    }
    println!("samples within 10 sigma of each mode: {hits:?}");
    let covered = hits.iter().filter(|hits| **hits >= 20).count();
    assert!(covered >= 7, "{covered} of 8 modes: {hits:?}");
}

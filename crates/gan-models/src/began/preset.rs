use gan_core::loss::{AdversarialLoss, BeganConfig};
use gan_core::nn::{
    Activation, ConvAutoencoderConfig, ConvCriticConfig, ConvGeneratorConfig, Downsample,
    ImageCriticConfig, ImageGeneratorConfig, ImageShape, Initializer, Norm, OutputLayer,
    ReconstructionError, Stem, Upsample,
};
use gan_core::optim::OptimizerConfig;
use gan_core::sample::LatentPrior;

use crate::ImageGanConfig;
use crate::preset::plain_game;

/// Length of latents and of codes: 64 in the paper.
const CODE: usize = 64;
/// Channels at the largest size: 64 and more in the paper, whose pictures have 64 pixels and more.
const CHANNELS: usize = 32;

/// [Berthelot et al. 2017](https://arxiv.org/abs/1703.10717), sections 3.4 to 4.1: a generator and a
/// decoder of the same shape, an encoder whose channels grow linearly, ELU, no normalisation, dense codes
/// of 64 without a nonlinearity, uniform latents, γ = 0.5, λ_k = 0.001, Adam 1e-4, batch 16.
///
/// Differs from the paper in the number of channels; in the convolutions at full size, of which the
/// decoder has one and the encoder none; and in the learning rate, which there is halved when the
/// convergence stalls.
pub(crate) fn began(image: ImageShape) -> ImageGanConfig {
    let (activation, initializer) = (Activation::Elu { alpha: 1.0 }, Initializer::PyTorch);
    let draws = ConvGeneratorConfig {
        image,
        latent_size: CODE,
        widths: vec![CHANNELS; image.num_doublings() + 1],
        stem: Stem::Dense,
        upsample: Upsample::Resize3,
        output: OutputLayer::Conv { kernel: 3 },
        norm: Norm::None,
        activation,
        output_activation: Activation::Identity,
        extra_convs: extra(image.num_doublings() + 1),
        residual: false,
        initializer,
        spectral_norm: None,
    };
    let encoder = ConvCriticConfig {
        widths: (1..=image.num_doublings())
            .map(|i| (i + 1) * CHANNELS)
            .collect(),
        downsample: Downsample::Strided3,
        norm: Norm::None,
        activation,
        extra_convs: vec![1; image.num_doublings()],
        initializer,
        ..ConvCriticConfig::dcgan(image, [])
    };
    let latent = LatentPrior::Uniform { size: CODE };
    let mut gan = plain_game(latent, OptimizerConfig::adam(1e-4, 0.9, 0.999));
    gan.loss = AdversarialLoss::Wasserstein;
    gan.balance = Some(BeganConfig::default());
    ImageGanConfig {
        preset: "began".into(),
        generator: ImageGeneratorConfig::Conv(draws.clone()),
        critic: ImageCriticConfig::Autoencoder(ConvAutoencoderConfig {
            encoder,
            decoder: draws,
            error: ReconstructionError::Absolute,
        }),
        gan,
        batch_size: 16,
        total_kimg: 1500.0, // 25 epochs of MNIST
    }
}

/// Two convolutions at each size but the largest, where the output is the second.
fn extra(sizes: usize) -> Vec<usize> {
    (1..=sizes).map(|i| usize::from(i < sizes)).collect()
}

//! Networks without their spectral normalisation, for inference.

use burn::module::Param;
use burn::prelude::*;

use super::{
    Conv2d, ConvAutoencoder, ConvBlock, ConvCritic, ConvGenerator, ConvTranspose2d, CriticBlock,
    GeneratorBlock, ImageCritic, ImageGenerator, Linear, Mlp, MlpCritic, MlpGenerator,
    ResidualBlock, ResizeConv2d, SpatialLayer, SpectralNorm, StemLayer,
};

/// Something whose spectral normalisation can be folded into its weights.
pub trait FoldSpectralNorm {
    /// The same function, with weights that are already divided by their largest singular value and
    /// without the vectors that estimate it: fewer tensors to save, and less to do in each pass. What is
    /// left is not meant to be trained.
    #[must_use]
    fn fold_spectral_norms(self) -> Self;
}

/// Divides a weight and drops the estimate.
fn fold<const D: usize>(
    weight: Param<Tensor<D>>,
    norm: &mut Option<SpectralNorm>,
    out_axis: usize,
) -> Param<Tensor<D>> {
    let norm = norm.take();
    weight.map(|weight| match &norm {
        Some(norm) => {
            let tracked = weight.is_require_grad();
            let sigma = norm.sigma(weight.clone(), out_axis).reshape([1; D]);
            let folded = weight / sigma;
            if tracked {
                Tensor::from_inner(folded.inner()).require_grad()
            } else {
                folded
            }
        }
        None => weight,
    })
}

impl<T: FoldSpectralNorm> FoldSpectralNorm for Option<T> {
    fn fold_spectral_norms(self) -> Self {
        self.map(T::fold_spectral_norms)
    }
}

impl<T: FoldSpectralNorm> FoldSpectralNorm for Vec<T> {
    fn fold_spectral_norms(self) -> Self {
        self.into_iter().map(T::fold_spectral_norms).collect()
    }
}

/// Layers with a weight: the axis that counts outputs.
macro_rules! fold_layers {
    ($($layer:ident: $axis:literal),*) => {$(
        impl FoldSpectralNorm for $layer {
            fn fold_spectral_norms(mut self) -> Self {
                self.weight = fold(self.weight, &mut self.spectral_norm, $axis);
                self
            }
        }
    )*};
}

/// Structures: the fields that have layers in them.
macro_rules! fold_fields {
    ($($network:ident { $($field:ident),* }),*) => {$(
        impl FoldSpectralNorm for $network {
            fn fold_spectral_norms(mut self) -> Self {
                $(self.$field = self.$field.fold_spectral_norms();)*
                self
            }
        }
    )*};
}

/// Choices: every one of them has layers in it.
macro_rules! fold_variants {
    ($($choice:ident { $($variant:ident),* }),*) => {$(
        impl FoldSpectralNorm for $choice {
            fn fold_spectral_norms(self) -> Self {
                match self {
                    $(Self::$variant(inside) => Self::$variant(inside.fold_spectral_norms()),)*
                }
            }
        }
    )*};
}

fold_layers!(Linear: 0, Conv2d: 0, ConvTranspose2d: 1);

fold_fields!(
    ResizeConv2d { conv },
    ConvBlock { layer },
    ResidualBlock {
        conv_1,
        conv_2,
        skip
    },
    Mlp { layers },
    MlpCritic { mlp },
    MlpGenerator { mlp },
    ConvAutoencoder { encoder, decoder },
    ConvCritic {
        from_image,
        blocks,
        hidden,
        logit
    },
    ConvGenerator {
        stem,
        blocks,
        output
    }
);

fold_variants!(
    SpatialLayer {
        Conv,
        Transposed,
        Resize
    },
    StemLayer { Dense, Transposed },
    CriticBlock { Plain, Residual },
    GeneratorBlock { Plain, Residual },
    ImageCritic {
        Mlp,
        Conv,
        Autoencoder
    },
    ImageGenerator { Mlp, Conv }
);

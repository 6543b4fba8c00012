"""Scores of fixed features and pictures, computed by others, as fixtures for the Rust tests.

python scores.py [FOLDER]    writes scores_features.safetensors, scores_pictures.safetensors

`scores_features` has float32 features `real` [300, 24], `fake` [260, 24], `thin` [20, 24] (fewer items than
features), `probabilities` [203, 10], latents `path.ends` [400, 8]; and float64 scores by name:
    frechet.fake, frechet.thin    pytorch-fid's formula with the root by SciPy, in float64; for the rank-deficient
                                  set by 60-digit arithmetic (mpmath), because sqrtm has no answer there
    kid                           [mean, deviation] of torch-fidelity's mmd2 with its polynomial kernel on five
                                  subsets of 100, whose rows (int64) are in `kid.real` and `kid.fake` [5, 100]
    discrepancy                   the same on all of the first 260 rows
    inception                     torch-fidelity's Inception Score, [mean, deviation], 7 splits, unshuffled
    manifold                      prdc's precision, recall, density, coverage with k = 3; precision and recall also
                                  from torch-fidelity, which must agree
    path                          [mean, deviation] of the perceptual path length by torch-fidelity's formulas, in
                                  NumPy; the generator is tanh(W z) with W in `path.weight` [24, 8]
    nearest.index, .distance      scikit-learn's NearestNeighbors, 2 of `real` for each of `fake`; int64 and float64
`scores_pictures` has uint8 pictures `target`, `output` [1, 192, 176, 3] and
    psnr, ssim                    scikit-image, Gaussian window, biased moments, data range 255
    ms_ssim                       NumPy, from the same similarity maps on five scales
The same bytes come out each time.
"""
import os
import sys

import mpmath
import numpy as np
import prdc
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from safetensors.numpy import save_file
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.neighbors import NearestNeighbors
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_poly, mmd2
from torch_fidelity.metric_prc import calculate_precision_recall_full

SIZE = 24


def features(rng):
    """Correlated, skewed, non-negative in parts, as pooled features of a network are."""
    mix = rng.standard_normal((SIZE, SIZE)) * np.linspace(0.1, 2, SIZE)
    real = np.maximum(rng.standard_normal((300, SIZE)) @ mix + 0.5, -1)
    fake = np.maximum(rng.standard_normal((260, SIZE)) @ mix * 0.9 + 0.8, -1)
    fake[:60] = real[:60] + rng.standard_normal((60, SIZE)) * 0.3
    thin = np.maximum(rng.standard_normal((20, SIZE)) @ mix, -1)
    return [x.astype(np.float32) for x in (real, fake, thin)]


def moments(x):
    x = x.astype(np.float64)
    return x.mean(0), np.cov(x, rowvar=False)


def exact_frechet(real, fake):
    """From the rows in 60 digits: tr sqrt(S1 S2) is the sum of the singular values of X1 X2^T."""
    mpmath.mp.dps = 60

    def centred(x):
        x = mpmath.matrix(x.astype(np.float64).tolist())
        mean = [mpmath.fsum(x[:, j]) / x.rows for j in range(x.cols)]
        for i in range(x.rows):
            for j in range(x.cols):
                x[i, j] = (x[i, j] - mean[j]) / mpmath.sqrt(x.rows - 1)
        return mean, x

    (m1, x1), (m2, x2) = centred(real), centred(fake)
    s1, s2 = x1.T * x1, x2.T * x2
    # Eigenvalues of the small product X2 S1 X2^T, all of them positive but one (the rows are centred).
    values = mpmath.eigsy(x2 * s1 * x2.T, eigvals_only=True)
    root = mpmath.fsum(mpmath.sqrt(v) for v in values if v > 1e-40)
    trace = mpmath.fsum(s1[i, i] + s2[i, i] for i in range(s1.rows))
    return float(mpmath.fsum((a - b) ** 2 for a, b in zip(m1, m2)) + trace - 2 * root)


def kid(real, fake, rng):
    config = dict(kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1)
    rows = [np.stack([rng.choice(len(x), 100, replace=False) for _ in range(5)]) for x in (real, fake)]

    def value(x, y):
        x, y = x.astype(np.float64), y.astype(np.float64)
        return mmd2(kernel_poly(x, x, **config), kernel_poly(x, y, **config), kernel_poly(y, y, **config))

    values = [value(real[r], fake[f]) for r, f in zip(*rows)]
    return rows, np.array(values), value(real[:260], fake)


def path(rng):
    """A generator tanh(W z) and the squared distance, spherical, steps at the first latent."""
    weight = rng.standard_normal((SIZE, 8))
    ends = rng.standard_normal((400, 8)).astype(np.float32)
    a, b = ends[::2].astype(np.float64), ends[1::2].astype(np.float64)
    a, b = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)]
    angle = np.arccos((a * b).sum(1, keepdims=True))
    epsilon = 1e-4
    moved = (np.sin((1 - epsilon) * angle) * a + np.sin(epsilon * angle) * b) / np.sin(angle)
    distances = ((np.tanh(a @ weight.T) - np.tanh(moved @ weight.T)) ** 2).sum(1) / epsilon**2
    low, high = np.percentile(distances, 1, method="lower"), np.percentile(distances, 99, method="higher")
    kept = np.extract((low <= distances) & (distances <= high), distances)
    return weight, ends, np.array([kept.mean(), kept.std()])


def pictures(rng):
    target = gaussian_filter(rng.uniform(-600, 800, (192, 176, 3)), (3, 3, 0)) + 128
    output = gaussian_filter(target, (1, 1, 0)) + rng.normal(0, 6, target.shape)
    return [np.clip(x, 0, 255).round().astype(np.uint8) for x in (target, output)]


def ms_ssim(target, output):
    """tf.image.ssim_multiscale's definition: contrast and structure on four scales, all on the fifth."""
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def blur(x):
        return gaussian_filter(x, 1.5, truncate=3.5)[5:-5, 5:-5]

    scores = []
    for channel in range(3):
        x, y = [p[..., channel].astype(np.float64) for p in (target, output)]
        product = 1.0
        for scale, weight in enumerate(weights):
            mx, my = blur(x), blur(y)
            vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
            value = (2 * vxy + c2) / (vx + vy + c2)
            if scale == 4:
                value = value * (2 * mx * my + c1) / (mx * mx + my * my + c1)
            product *= max(value.mean(), 0) ** weight
            x, y = [p.reshape(p.shape[0] // 2, 2, -1, 2).mean((1, 3)) if scale < 4 else p for p in (x, y)]
        scores.append(product)
    return np.mean(scores)


def main(folder):
    rng = np.random.default_rng(4)
    real, fake, thin = features(rng)
    (kid_real, kid_fake), kid_values, discrepancy = kid(real, fake, rng)
    logits = rng.standard_normal((203, 10)) * 2
    isc = isc_features_to_metric(torch.from_numpy(logits), splits=7, shuffle=False)
    probabilities = torch.from_numpy(logits).softmax(1).numpy()
    # float64 throughout: scikit-learn's float32 distances are off by 1e-3 near zero.
    manifold = prdc.compute_prdc(real.astype(np.float64), fake.astype(np.float64), 3)
    tensors = [torch.from_numpy(x.astype(np.float64)) for x in (fake, real)]
    precision, recall = calculate_precision_recall_full(*tensors, 3)
    assert abs(precision - manifold["precision"]) < 1e-6 and abs(recall - manifold["recall"]) < 1e-6
    weight, ends, path_length = path(rng)
    nearest = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(real.astype(np.float64))
    distance, index = nearest.kneighbors(fake.astype(np.float64))
    plain, exact_thin = calculate_frechet_distance(*moments(real), *moments(fake)), exact_frechet(real, thin)
    assert abs(exact_frechet(real, fake) / plain - 1) < 1e-9, "SciPy and mpmath disagree"
    save_file({
        "real": real, "fake": fake, "thin": thin,
        "frechet.fake": np.array([plain]), "frechet.thin": np.array([exact_thin]),
        "kid.real": kid_real.astype(np.int64), "kid.fake": kid_fake.astype(np.int64),
        "kid": np.array([kid_values.mean(), kid_values.std()]), "discrepancy": np.array([discrepancy]),
        "probabilities": probabilities.astype(np.float32),
        "inception": np.array(list(isc.values())),
        "manifold": np.array([manifold[k] for k in ("precision", "recall", "density", "coverage")]),
        "path.weight": weight, "path.ends": ends, "path": path_length,
        "nearest.index": index.astype(np.int64), "nearest.distance": distance,
    }, os.path.join(folder, "scores_features.safetensors"))

    target, output = pictures(rng)
    multiscale = ms_ssim(target, output)
    similarity = structural_similarity(
        target, output, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2)
    save_file({
        "target": target[None], "output": output[None],
        "psnr": np.array([peak_signal_noise_ratio(target, output, data_range=255)]),
        "ssim": np.array([similarity]), "ms_ssim": np.array([multiscale]),
    }, os.path.join(folder, "scores_pictures.safetensors"))
    print({"frechet": plain, "thin": exact_thin, "kid": kid_values.mean(), **isc, **manifold,
           "path": path_length, "ssim": similarity, "ms_ssim": multiscale})


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), ".."))

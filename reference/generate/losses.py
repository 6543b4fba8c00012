"""Adversarial losses, class heads, codes, features and weight penalties, as fixtures for the Rust tests.

python losses.py [FOLDER]    writes losses.safetensors

Scores `real`, `fake` [5, 1]; logits of classes `real_classes`, `fake_classes` [5, 4]; labels (as float32)
`real_labels`, `fake_labels` [5]. For every loss `critic.<loss>` [1] and its gradients
`critic.<loss>.real`, `critic.<loss>.fake`, and likewise `generator.<loss>` with `generator.<loss>.fake`.
Everything is computed in float64 by autograd from the formulas of the papers, in probabilities where the
paper has probabilities (so not by the formulas on logits that the Rust code uses), and stored as float32.
"""
import os
import sys

import torch
from safetensors.torch import save_file
from torch.nn import functional as F


def bce(p, target):
    return F.binary_cross_entropy(p, torch.full_like(p, target))


def adversarial(name, r, f):
    """(critic's loss, generator's loss) as the papers write them."""
    dr, df = torch.sigmoid(r), torch.sigmoid(f)
    relativistic = lambda a, b: a - b.mean()
    if name == "non_saturating":
        return bce(dr, 1.) + bce(df, 0.), -df.log().mean()
    if name == "saturating":
        return bce(dr, 1.) + bce(df, 0.), (1 - df).log().mean()
    if name == "least_squares":
        return .5 * F.mse_loss(r, torch.ones_like(r)) + .5 * f.square().mean(), .5 * F.mse_loss(f, torch.ones_like(f))
    if name == "hinge":
        return F.relu(1 - r).mean() + F.relu(1 + f).mean(), -f.mean()
    if name == "wasserstein":
        return f.mean() - r.mean(), -f.mean()
    if name == "relativistic":
        return -torch.sigmoid(r - f).log().mean(), -torch.sigmoid(f - r).log().mean()
    if name == "relativistic_average":
        rr, ff = torch.sigmoid(relativistic(r, f)), torch.sigmoid(relativistic(f, r))
        return bce(rr, 1.) + bce(ff, 0.), bce(ff, 1.) + bce(rr, 0.)
    if name == "relativistic_average_least_squares":
        rr, ff = relativistic(r, f), relativistic(f, r)
        return ((rr - 1) ** 2).mean() + ((ff + 1) ** 2).mean(), ((ff - 1) ** 2).mean() + ((rr + 1) ** 2).mean()
    if name == "relativistic_average_hinge":
        rr, ff = relativistic(r, f), relativistic(f, r)
        return F.relu(1 - rr).mean() + F.relu(1 + ff).mean(), F.relu(1 - ff).mean() + F.relu(1 + rr).mean()
    if name == "boundary_seeking":
        return bce(dr, 1.) + bce(df, 0.), .5 * ((df.log() - (1 - df).log()) ** 2).mean()
    if name == "softmax":  # mu = -score
        mu_r, mu_f = -r, -f
        log_z = ((-mu_r).exp().sum() + (-mu_f).exp().sum()).log()
        return mu_r.mean() + log_z, (mu_r.sum() + mu_f.sum()) / (len(r) + len(f)) + log_z
    if name == "energy_based":  # energy = -score, margin 1
        return (-r).mean() + F.relu(1 - -f).mean(), (-f).mean()
    if name == "began":  # k = 0.3
        return (-r).mean() - .3 * (-f).mean(), (-f).mean()
    raise ValueError(name)


ADVERSARIAL = ("non_saturating saturating least_squares hinge wasserstein relativistic relativistic_average "
               "relativistic_average_least_squares relativistic_average_hinge boundary_seeking softmax "
               "energy_based began").split()


def crammer_singer(c, y):
    others = c.masked_fill(F.one_hot(y, c.shape[1]).bool(), -torch.inf)
    return F.relu(1 - c.gather(1, y[:, None])[:, 0] + others.max(1).values).mean()


def classes(name, r, f, cr, cf, yr, yf):
    """Like `adversarial`, for critics that name classes; the adversarial part is non-saturating."""
    if name == "auxiliary_classifier":  # weights 1 and 0.5
        critic, generator = adversarial("non_saturating", r, f)
        return critic + F.cross_entropy(cr, yr) + F.cross_entropy(cf, yf), generator + .5 * F.cross_entropy(cf, yf)
    if name == "k_plus_one":  # a fifth logit, 0, is "generated"
        wide = lambda c: torch.cat([c, torch.zeros_like(c[:, :1])], 1)
        generated = torch.full_like(yf, cf.shape[1])
        return F.cross_entropy(wide(cr), yr) + F.cross_entropy(wide(cf), generated), F.cross_entropy(wide(cf), yf)
    if name == "multi_hinge":  # the last of the four logits is "generated"; labels are below 3
        generated = torch.full_like(yf, cf.shape[1] - 1)
        return crammer_singer(cr, yr) + crammer_singer(cf, generated), crammer_singer(cf, yf)
    raise ValueError(name)


def leaves(*tensors):
    return [t.detach().clone().requires_grad_(True) for t in tensors]


def main(folder):
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    out = {}
    # Rounded to float32 first, so that both sides begin with the same numbers.
    draw = lambda *shape: torch.randn(*shape).float().double()
    r, f = draw(5, 1) * 1.5 + .5, draw(5, 1) * 1.5 - .5
    r, f = r.float().double(), f.float().double()
    cr, cf = draw(5, 4), draw(5, 4)
    yr, yf = torch.tensor([0, 1, 2, 2, 0]), torch.tensor([1, 0, 2, 1, 1])
    out |= {"real": r, "fake": f, "real_classes": cr, "fake_classes": cf, "real_labels": yr, "fake_labels": yf}

    def record(name, losses, inputs):
        for player, loss in zip(("critic", "generator"), losses):
            out[f"{player}.{name}"] = loss.reshape(1)
            grads = torch.autograd.grad(loss, list(inputs.values()), retain_graph=True, allow_unused=True)
            for key, x, grad in zip(inputs, inputs.values(), grads):
                out[f"{player}.{name}.{key}"] = torch.zeros_like(x) if grad is None else grad

    for name in ADVERSARIAL:
        a, b = leaves(r, f)
        record(name, adversarial(name, a, b), {"real": a, "fake": b})
    for name in ("auxiliary_classifier", "k_plus_one", "multi_hinge"):
        a, b, c, d = leaves(r, f, cr, cf)
        record(name, classes(name, a, b, c, d, yr, yf),
               {"real": a, "fake": b, "real_classes": c, "fake_classes": d})

    # Codes: what a head says of four samples with three continuous codes.
    mean, log_variance, codes = draw(4, 3), draw(4, 3), draw(4, 3)
    out |= {"code.mean": mean, "code.log_variance": log_variance, "code.codes": codes}
    for name, learned in (("fixed", False), ("learned", True)):
        m, v = leaves(mean, log_variance)
        std = (v / 2).exp() if learned else torch.ones_like(v)
        loss = -torch.distributions.Normal(m, std).log_prob(codes).sum(1).mean()
        grads = torch.autograd.grad(loss, (m, v), allow_unused=True)
        out |= {f"code.{name}": loss.reshape(1), f"code.{name}.mean": grads[0]}
        if learned:
            out[f"code.{name}.log_variance"] = grads[1]

    # Features: matching of means, and pulling away pair by pair.
    real_features, fake_features = draw(5, 7), draw(6, 7)
    out |= {"features.real": real_features, "features.fake": fake_features}
    x, = leaves(fake_features)
    matching = (real_features.mean(0) - x.mean(0)).square().sum()
    pairs = [F.cosine_similarity(x[i], x[j], 0) ** 2 for i in range(6) for j in range(6) if i != j]
    for name, loss in (("matching", matching), ("pull_away", sum(pairs) / (6 * 5))):
        grad, = torch.autograd.grad(loss, x, retain_graph=True)
        out |= {f"features.{name}": loss.reshape(1), f"features.{name}.fake": grad}

    # Weights: BigGAN's orthogonal penalty, and a convolution divided by its largest singular value, with the
    # vectors of torch.linalg.svd as constants.
    w = draw(4, 3, 2, 2)
    out["weight"] = w
    x, = leaves(w)
    rows = x.flatten(1)
    orthogonal = ((rows @ rows.T) * (1 - torch.eye(4))).square().sum()
    grad, = torch.autograd.grad(orthogonal, x)
    out |= {"orthogonal": orthogonal.reshape(1), "orthogonal.weight": grad}
    x, = leaves(w)
    picture, along = draw(2, 3, 5, 5), draw(2, 4, 4, 4)
    u, s, vh = torch.linalg.svd(x.detach().flatten(1))
    sigma = u[:, 0] @ x.flatten(1) @ vh[0]
    y = F.conv2d(picture, x / sigma)
    grad, = torch.autograd.grad((y * along).sum(), x)
    out |= {"spectral.x": picture, "spectral.along": along, "spectral.y": y, "spectral.weight": grad}

    path = os.path.join(folder, "losses.safetensors")
    save_file({name: tensor.detach().float().contiguous() for name, tensor in out.items()}, path,
              metadata={"made_with": f"reference/generate/losses.py, torch {torch.__version__}, seed 0"})
    os.chmod(path, 0o644)
    print(f"{len(out)} tensors in {path}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

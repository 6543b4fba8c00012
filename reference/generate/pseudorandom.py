"""Numbers that Python and Rust can both make from a name, so that large inputs need no file.

Value i of `name` is splitmix64 number i + 1 of the state fnv1a64(name); its upper 24 bits are a float in [0, 1).
The same in Rust: crates/gan-metrics/tests/features/main.rs."""
import numpy as np

MASK = (1 << 64) - 1


def fnv1a64(name):
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) & MASK
    return state


def bits(name, count):
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a64(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def unit(name, *shape):
    """float32 in [0, 1)."""
    u = (bits(name, int(np.prod(shape))) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return u.reshape(shape)


def picture_bytes(name, *shape):
    """uint8."""
    return (bits(name, int(np.prod(shape))) >> np.uint64(56)).astype(np.uint8).reshape(shape)


def smooth_picture(name, height, width, channels):
    """uint8 [height, width, channels]: an 8x8 chequerboard of random bytes, so that neighbours are alike, half as
    bright, plus noise."""
    coarse = picture_bytes(name, 8, 8, channels).astype(np.uint16)
    rows, columns = np.arange(height) * 8 // height, np.arange(width) * 8 // width
    noise = picture_bytes(name + ".noise", height, width, channels).astype(np.uint16)
    return (coarse[rows][:, columns] // 2 + noise // 4).astype(np.uint8)


def state_dict(shapes):
    """Random weights for the names and shapes of a PyTorch state dict, float32: matrices and kernels uniform with the
    variance 2 / fan_in, running variances and weights of norms in [0.5, 1.5), everything else in [-0.1, 0.1)."""
    weights = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            continue
        u = unit(name, *shape)
        if len(shape) > 1:
            bound = np.float32(np.sqrt(np.float32(6.0) / np.float32(np.prod(shape[1:]))))
            weights[name] = (u * np.float32(2.0) - np.float32(1.0)) * bound
        elif name.endswith("running_var") or name.endswith("bn.weight"):
            weights[name] = u + np.float32(0.5)
        else:
            weights[name] = (u - np.float32(0.5)) * np.float32(0.2)
    return weights

"""What a denoiser predicts, and in what its error is measured: velocity, clip or noise.

At a noisy clip x_t = a x + b noise each of the three gives the other two, and an error e of the
clip is one of the others as well: of the noise -(a / b) e, by noise = (x_t - a x) / b, and of the
velocity -e / b, by v = (x_t - x) / b on the flow path and v = (a x_t - x) / b on the Gaussian one.
Which of them a network outputs and which its loss compares are two choices: Li & He, "Back to
basics: let denoising generative models denoise" (2025), table 1.
"""

from __future__ import annotations

from typing import Literal, get_args

import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.denoising.process import Process
from vidgen.types import Condition, Video

Quantity = Literal["velocity", "x", "epsilon"]
"""The velocity of the path, the clip, or the noise."""

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)


def wide(t: Float[Array, "B *each"]) -> Float[Array, "B each 1 1 1"]:
    """Times of clips [B], or of their frames [B T], to stand beside clips [B T H W C]."""
    return t.reshape(*t.shape, *(1,) * (5 - t.ndim))


def held(
    process: Process, x: Video, t: Float[Array, "B"], velocity: Video, condition: Condition
) -> Video:
    """The velocity of clips, of which given frames keep to the path between what they are and the
    noise they began with: training shows them there, and asks a network for nothing. Near the end
    of the path, where a velocity is kept from growing without bound, they lag behind a little; the
    caller puts them right.

    Args:
        process: the path.
        x: clips on it.
        t: their times.
        velocity: of all frames, as a network knows it.
        condition: holds the given frames, in the space of the clips.
    """
    K = condition.context_mask.shape[1]
    if not K:
        return velocity
    given = condition.context_mask[..., None, None, None]
    own = process.velocity(x[:, :K], condition.context, wide(t))
    return jnp.concatenate([jnp.where(given, own, velocity[:, :K]), velocity[:, K:]], axis=1)


def convert(
    process: Process,
    x: Float[Array, "..."],
    predicted: Float[Array, "..."],
    t: Float[Array, "..."],
    *,
    given: Quantity,
    wanted: Quantity,
) -> Float[Array, "..."]:
    """What a prediction says of another quantity.

    It goes by way of the velocity. That of a clip is bounded near t = 0, where x_t tells no noise,
    and that of noise near t = 1, where x_t tells no clip: there what comes back differs. At t = 1 a
    network that predicts noise says nothing of the clip, and the first step of a sampler rests on
    what the bound leaves of its error (Lin et al., "Common diffusion noise schedules and sample
    steps are flawed", 2024, section 3.2).

    Args:
        process: the path.
        x: noisy clips.
        predicted: the quantity that is given.
        t: times, broadcast against `x`.
        given: what was predicted.
        wanted: what is asked for.
    """
    if given == wanted:
        return predicted
    match given:
        case "x":
            velocity = process.velocity(x, predicted, t)
        case "epsilon":
            velocity = process.velocity_of_noise(x, predicted, t)
        case _:
            velocity = predicted
    if wanted == "velocity":
        return velocity
    clip, noise = process.split(x, velocity, t)
    return clip if wanted == "x" else noise


def min_snr_weight(
    process: Process, quantity: Quantity, t: Float[Array, "..."], gamma: float
) -> Float[Array, "..."]:
    """Weight of the squared error of a quantity by which that of the clip weighs min(SNR, gamma).

    With SNR = a^2 / b^2 a squared error E of the clip is one of SNR E of the noise and of E / b^2
    of the velocity, on either path. So the weight is

    - min(SNR, gamma) of the clip;
    - min(SNR, gamma) / SNR = min(1, gamma b^2 / a^2) of the noise;
    - min(SNR, gamma) b^2 = min(a^2, gamma b^2) of the velocity, which on the Gaussian path, where
      b^2 = 1 / (SNR + 1), is the paper's min(SNR, gamma) / (SNR + 1).

    Near the ends of a path, where `convert` is bounded, the identities are too.

    References: Hang et al., "Efficient diffusion training via min-SNR weighting strategy" (2023).
    """
    a, b = process.level(t)
    kept, added = jnp.square(a), jnp.square(b)
    match quantity:
        case "x":
            return jnp.minimum(kept / jnp.maximum(added, 1e-12), gamma)
        case "epsilon":
            return jnp.minimum(1.0, gamma * added / jnp.maximum(kept, 1e-12))
        case _:
            return jnp.minimum(kept, gamma * added)

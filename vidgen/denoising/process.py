"""The path from a clip to noise: x_t = a(t) x + b(t) noise, with t = 0 the clip and 1 the noise.

Both paths offer the same: `methods` (the samplers that can walk it, the default first), `draw`
(times to train on), `shifted` (what becomes of the times that a sampler chose), `level` (a and b),
`target` (what a ``velocity`` network is asked for), `split` (the clip and the noise that a velocity
implies), `velocity` (which a predicted clip implies) and `velocity_of_noise` (which predicted noise
does).
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vidgen.contract import Key

_LEAST = 0.05
"""The least a or b that is divided by: what a network gets wrong about a clip or about noise that
hardly shows in x_t would be multiplied by more than 20."""


@dataclasses.dataclass(frozen=True)
class Flow:
    """Straight path x_t = (1 - t) x + t noise, whose velocity is noise - x.

    Attributes:
        time_mean: of the logit of a time that is trained on, before it is shifted.
        time_std: its standard deviation.
        methods: what walks it, the default first.
        shift: by which b / a is multiplied, see `shifted`.

    References: Lipman et al., "Flow matching for generative modeling" (2023); Liu et al.,
    "Flow straight and fast" (2023); logit-normal times: Esser et al., "Scaling rectified flow
    transformers for high-resolution image synthesis" (2024), section 3.1.
    """

    time_mean: float
    time_std: float
    methods: tuple[str, ...] = ("euler", "heun", "dpmpp_2m")
    shift: float = 1.0

    def draw(self, key: Key, count: int) -> Float[Array, "B"]:
        """Logit-normal times, the quantiles spread evenly over the batch."""
        offset, order = jax.random.split(key)
        u = (jnp.arange(count) + jax.random.uniform(offset)) / count
        normal = jax.scipy.special.ndtri(jnp.clip(u, 1e-4, 1 - 1e-4))
        times = jax.nn.sigmoid(self.time_mean + self.time_std * normal)
        return jax.random.permutation(order, self.shifted(times))

    def shifted(self, t: Float[Array, "..."]) -> Float[Array, "..."]:
        """s t / (1 + (s - 1) t), at which b / a is s times what it is at `t`; Esser et al. (2024),
        equation 23, where s is the square root of a ratio of pixels.
        """
        if self.shift == 1.0:
            return t
        return self.shift * t / (self.shift * t + (1.0 - t))  # at 1 exactly 1, unlike the quotient

    def level(self, t: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """1 - t and t."""
        return 1.0 - t, t

    def target(
        self, clip: Float[Array, "..."], noise: Float[Array, "..."], t: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """Noise minus clip."""
        return noise - clip

    def split(
        self, x: Float[Array, "..."], velocity: Float[Array, "..."], t: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Where the straight line through `x` meets both ends."""
        return x - t * velocity, x + (1.0 - t) * velocity

    def velocity(
        self, x: Float[Array, "..."], clip: Float[Array, "..."], t: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """(x - clip) / t, with t kept away from 0."""
        return (x - clip) / jnp.maximum(t, _LEAST)

    def velocity_of_noise(
        self, x: Float[Array, "..."], noise: Float[Array, "..."], t: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """(noise - x) / (1 - t), with t kept away from 1."""
        return (noise - x) / jnp.maximum(1.0 - t, _LEAST)


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """Variance-preserving diffusion with discrete times k / timesteps, k = 1 ... timesteps.

    Attributes:
        noise: the schedule. ``linear``: variances that grow evenly from 1e-4 to 0.02 over a
            thousand steps. ``cosine``: a^2 falls as cos^2(pi / 2 (t + 0.008) / 1.008). ``shifted``:
            as cos^2(pi t / 2), whose log a^2 / b^2 is -2 log tan(pi t / 2), and to be shifted.
        timesteps: how many times there are.
        methods: what walks it, the default first.
        shift: by which b / a is multiplied at every time, so that log a^2 / b^2 is less by
            2 log shift.

    References: Ho et al., "Denoising diffusion probabilistic models" (2020), equation 4; cosine
    schedule: Nichol & Dhariwal (2021), equation 17; v: Salimans & Ho (2022), appendix D; shift:
    Hoogeboom et al., "simple diffusion" (2023), section 3.1.
    """

    noise: str
    timesteps: int
    methods: tuple[str, ...] = ("ddim", "ddpm", "dpmpp_2m")
    shift: float = 1.0

    def draw(self, key: Key, count: int) -> Float[Array, "B"]:
        """Uniform discrete times."""
        return jax.random.randint(key, (count,), 1, self.timesteps + 1) / self.timesteps

    def shifted(self, t: Float[Array, "..."]) -> Float[Array, "..."]:
        """The same times: here it is the levels at them that are shifted."""
        return t

    def level(self, t: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Square roots of the kept and the added variance at the nearest discrete time."""
        k = jnp.clip(jnp.rint(t * self.timesteps).astype(jnp.int32), 0, self.timesteps)
        kept = jnp.asarray(self._kept())[k]
        return jnp.sqrt(kept), jnp.sqrt(1.0 - kept)

    def target(
        self, clip: Float[Array, "..."], noise: Float[Array, "..."], t: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """v = a noise - b clip."""
        a, b = self.level(t)
        return a * noise - b * clip

    def split(
        self, x: Float[Array, "..."], velocity: Float[Array, "..."], t: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Inverse of the rotation that makes x and v from clip and noise."""
        a, b = self.level(t)
        return a * x - b * velocity, b * x + a * velocity

    def velocity(
        self, x: Float[Array, "..."], clip: Float[Array, "..."], t: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """v = (a x - clip) / b, with b kept away from 0."""
        a, b = self.level(t)
        return (a * x - clip) / jnp.maximum(b, _LEAST)

    def velocity_of_noise(
        self, x: Float[Array, "..."], noise: Float[Array, "..."], t: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """v = (noise - b x) / a, with a kept away from 0."""
        a, b = self.level(t)
        return (noise - b * x) / jnp.maximum(a, _LEAST)

    def _kept(self) -> np.ndarray:
        """Cumulative kept variance at times 0 ... timesteps: float32 [timesteps + 1]."""
        k = np.arange(self.timesteps + 1) / self.timesteps
        if self.noise == "cosine":
            kept = np.cos((k + 0.008) / 1.008 * np.pi / 2) ** 2
            kept = kept / kept[0]
        elif self.noise == "shifted":
            kept = np.cos(k * np.pi / 2) ** 2
        else:
            scale = 1000 / self.timesteps
            betas = np.linspace(scale * 1e-4, min(scale * 0.02, 0.999), self.timesteps)
            kept = np.concatenate([[1.0], np.cumprod(1.0 - betas)])
        if self.shift != 1.0:
            kept = kept / (kept + self.shift**2 * (1.0 - kept))
        return np.clip(kept, 1e-5, 1.0).astype(np.float32)


Process = Flow | Gaussian

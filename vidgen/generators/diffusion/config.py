"""What can be set before training a diffusion model, and what can be turned at sampling time."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import jax

from vidgen.denoising import DenoisingConfig, Flow, Gaussian, Process


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiffusionConfig(DenoisingConfig):
    """A denoiser, the path it walks and how it is trained.

    Attributes:
        process: ``flow`` (straight path, continuous times) or ``gaussian`` (variance preserving,
            discrete times).
        noise: schedule of the Gaussian process, ``cosine`` or ``linear``.
        timesteps: discrete times of the Gaussian process.
    """

    process: Literal["flow", "gaussian"] = "flow"
    noise: Literal["cosine", "linear"] = "cosine"
    timesteps: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, allowed in {
            "process": ("flow", "gaussian"),
            "noise": ("cosine", "linear"),
        }.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")


def process_of(config: DiffusionConfig) -> Process:
    """The path that a config asks for."""
    if config.process == "flow":
        return Flow(config.time_mean, config.time_std)
    return Gaussian(config.noise, config.timesteps)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class DiffusionSampler:
    """What can be turned when a clip is drawn.

    Attributes:
        method: ``euler`` or ``heun`` for the flow path, ``ddim`` or ``ddpm`` for the Gaussian one;
            None takes the first of the two. Static.
        steps: network passes (Heun takes two a step). Static.
        guidance: 1 follows the condition, more exaggerates it. Traced: a sweep does not recompile.
        opening_guidance: the same for openings.
        curve: the noise level falls as 1 - u**curve with u uniform; above 1 it lingers at high
            noise. Traced.

    References: guidance: Ho & Salimans (2022).
    """

    method: Literal["euler", "heun", "ddim", "ddpm"] | None = dataclasses.field(
        default=None, metadata={"static": True}
    )
    steps: int = dataclasses.field(default=10, metadata={"static": True})
    guidance: Any = 1.5
    opening_guidance: Any = 4.0
    curve: Any = 2.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")

"""What can be set before training a diffusion model, and what can be turned at sampling time."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import jax

from vidgen.denoising import DenoisingConfig, Flow, Forcing, Gaussian, Process
from vidgen.space import Widths
from vidgen.tokenizers import LatentTokenizerConfig
from vidgen.types import ADDED_LATER, Task

Interval = tuple[Any, Any]
"""The lowest and the highest noise level, numbers or traced."""

_SIDE = 64
"""Pixels a side for which the schedules of a path are made, as in simple diffusion."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiffusionConfig(DenoisingConfig):
    """A denoiser, the path it walks and how it is trained.

    Attributes:
        process: ``flow`` (straight path, continuous times) or ``gaussian`` (variance preserving,
            discrete times).
        noise: schedule of the Gaussian process, ``cosine``, ``linear`` or ``shifted``, which is the
            cosine of simple diffusion at the resolution of the clips; see
            `vidgen.denoising.Gaussian`.
        timesteps: discrete times of the Gaussian process.
        shift: by which the ratio of noise to clip is multiplied at every time. ``resolution`` is
            side / 64, of frames with side^2 pixels: neighbouring pixels say the same, and more of
            them need more noise to hide a clip. The log signal-to-noise ratio of a Gaussian process
            is then shifted by 2 log(64 / side); flow times move as `vidgen.denoising.Flow.shifted`
            says, in training and in sampling. None is 1, but for ``shifted``, where it is
            ``resolution``. Of latents the sides are those of their own grid.
        frame_levels: ``shared``, one level of noise for all frames of a clip, or ``independent``,
            one for each: diffusion forcing, by which the generator has a rollout of its own, to
            clips of any length, see `vidgen.generators.diffusion.window`, which says how it
            compares with chaining: at the size of `quick` it is worse. The levels of openings are
            always shared. Tokens of a ``dit`` must not span frames; those in the middle of a
            ``hybrid`` do by default, and are told the mean of their frames' levels. In pixels
            alone.
        history_noise: with ``independent`` levels, the highest at which training shows the first
            frames that a clip goes on from, see `vidgen.denoising.Forcing`.
        space: what noise is added to, ``pixels`` or the ``latents`` of a tokenizer that a first
            phase trains. There the sizes of patches, and the frames of `merge`, are of as many
            latents as make up those pixels and frames: rounded down, one at least.
        tokenizer: of ``latents``.
        tokenizer_share: fraction of the budget for the tokenizer of ``latents``; the other shares
            are of what it leaves.

    At 32 x 32 pixels latents are as good as pixels so far, for fewer FLOPs a clip. By ``vidgen
    compare quick --generators diffusion --set test_split=validation prompts=128`` (seed 0) with
    ``--budget 1000steps``, 425 of openings and 450 of clips, success from a sentence / with a frame
    is 0.31 / 0.45; with ``--budget 1500steps`` and ``diffusion.space=latents
    diffusion.tokenizer_share=0.3333333333333333``, as many of them after 500 of the tokenizer, 0.34
    / 0.47, well within the 95% intervals (0.12 on either side, n = 64 each); by majority 0.53 /
    0.86 and 0.67 / 0.88. The tokenizer leaves 0.98 of real clips (30.4 dB). In latents a step of
    openings takes 1.02 times the FLOPs, one of clips 0.68 times, drawing a clip 0.71 times, and
    1.01, 0.69 and 0.80 times the CPU time (medians of 20 paired calls in one process); the whole
    training takes 1.04 times the FLOPs, the tokenizer's included.

    Raises:
        ValueError: if there is no such process, schedule, kind of levels or space, the shift is not
            positive, the history's noise is no level, the tokenizer's share is not between 0 and 1,
            or latents are to have levels of their own.

    References: shift: Hoogeboom et al., "simple diffusion" (2023), section 3.1; Esser et al.,
    "Scaling rectified flow transformers for high-resolution image synthesis" (2024), equation 23;
    levels of frames: Chen et al., "Diffusion forcing: next-token prediction meets full-sequence
    diffusion" (2024); latents: see `vidgen.denoising.Latents`.
    """

    process: Literal["flow", "gaussian"] = "flow"
    noise: Literal["cosine", "linear", "shifted"] = "cosine"
    timesteps: int = 1000
    shift: float | Literal["resolution"] | None = dataclasses.field(
        default=None, metadata=ADDED_LATER
    )
    frame_levels: Literal["shared", "independent"] = dataclasses.field(
        default="shared", metadata=ADDED_LATER
    )
    history_noise: float = dataclasses.field(default=0.1, metadata=ADDED_LATER)
    space: Literal["pixels", "latents"] = dataclasses.field(default="pixels", metadata=ADDED_LATER)
    tokenizer: LatentTokenizerConfig = dataclasses.field(
        default=LatentTokenizerConfig(), metadata=ADDED_LATER
    )
    tokenizer_share: float = dataclasses.field(default=0.2, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, allowed in {
            "process": ("flow", "gaussian"),
            "noise": ("cosine", "linear", "shifted"),
            "frame_levels": ("shared", "independent"),
            "space": ("pixels", "latents"),
        }.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        if isinstance(self.shift, str):
            if self.shift != "resolution":
                raise ValueError(f"shift must be a number or 'resolution', got {self.shift!r}")
        elif self.shift is not None and self.shift <= 0:
            raise ValueError(f"shift must be above 0, got {self.shift}")
        if not 0.0 <= self.history_noise <= 1.0:
            raise ValueError(f"history_noise must lie in [0, 1], got {self.history_noise}")
        if not 0.0 < self.tokenizer_share < 1.0:
            raise ValueError(
                f"tokenizer_share must lie between 0 and 1, got {self.tokenizer_share}; "
                "space=pixels trains no tokenizer"
            )
        if self.space == "latents" and self.frame_levels == "independent":
            raise ValueError(
                "frame_levels=independent: a latent is of several frames, which have one level "
                "then; leave levels shared, or set space=pixels"
            )

    def widths(self) -> Widths:
        """Of the denoisers and motion compensation, and of the tokenizer of latents."""
        if self.space == "pixels":
            return super().widths()
        inside = {f"tokenizer.{path}": width for path, width in self.tokenizer.scalable().items()}
        return {**inside, **super().widths()}

    @classmethod
    def tiny(cls) -> DiffusionConfig:
        """The same code in milliseconds."""
        return dataclasses.replace(super().tiny(), tokenizer=LatentTokenizerConfig.tiny())


def process_of(config: DiffusionConfig, task: Task) -> Process:
    """The path that a config asks for, at the resolution of what is drawn."""
    shift, gaussian = config.shift, config.process == "gaussian"
    if shift is None:
        shift = "resolution" if gaussian and config.noise == "shifted" else 1.0
    if isinstance(shift, str):
        shift = math.sqrt(task.height * task.width) / _SIDE
    if gaussian:
        return Gaussian(config.noise, config.timesteps, shift=shift)
    return Flow(config.time_mean, config.time_std, shift=shift)


def forcing_of(config: DiffusionConfig) -> Forcing | None:
    """How the levels of a clip's frames are drawn in training; None where they are shared.

    Raises:
        ValueError: if the network cannot be told a level of each frame.
    """
    if config.frame_levels == "shared":
        return None
    if config.network == "dit" and config.dit.temporal_patch > 1:
        raise ValueError(
            f"frame_levels=independent: tokens of {config.dit.temporal_patch} frames have one "
            "level of noise; choose dit.temporal_patch=1"
        )
    return Forcing(history_noise=config.history_noise)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class DiffusionSampler:
    """What can be turned when a clip is drawn.

    Attributes:
        method: ``euler`` or ``heun`` for the flow path, ``ddim`` or ``ddpm`` for the Gaussian one,
            ``dpmpp_2m`` for both; None takes the first. Static.
        steps: network passes (Heun takes two a step). Static.
        guidance: 1 follows the condition, more exaggerates it. Traced: a sweep does not recompile.
            None is 1 at half the price, because the pass without a sentence is left out.
        opening_guidance: the same for openings.
        guidance_low: the lowest noise level t in [0, 1] at which there is guidance, None for 0. The
            literature tells levels by their standard deviation b / a, t / (1 - t) on the flow path.
            Where there is none the condition is followed, in one pass of the network instead of
            two. Traced; that both are None is static.
        guidance_high: the highest of them, None for 1.
        opening_guidance_low: as `guidance_low`, for openings.
        opening_guidance_high: as `guidance_high`, for openings.
        eta: of ``ddim``, the deviation of the noise that each step adds, in that of ``ddpm``: with
            1 both are the same walk, but for what the bounds of pixels cut off. None for 0. Traced;
            that it is None is static.
        curve: the noise level falls as 1 - u**curve with u uniform; above 1 it lingers at high
            noise. Traced.
        history: of a rollout by ``independent`` levels of frames, how many of the last frames a
            window knows; None for half of a clip, and at least as many as begin one. Static.
        history_noise: level of the noise that they are shown with, None for none, up to the
            config's: with a little, what a draw got wrong is less believed by the next. Traced;
            that it is None is static.
        rollout_text: whether windows of such a rollout after the first are told the sentence, which
            says how a clip begins and not what became of it since. Without it they go on from
            what they see, and have no guidance. Static.
        lag: steps by which every frame follows the one before it, in rollouts and in clips of the
            task's length, which adds `lag` network passes a frame after the first that is drawn:
            0 draws them at once, `steps` one by one. Static.

    Raises:
        ValueError: if there is no step, guidance would end below its beginning, the history has no
            frame, its noise is no level, eta is beyond DDPM's, or the lag is negative.

    References: guidance: Ho & Salimans (2022); its interval: Kynkäänniemi et al. (2024); what walks
    the path: `vidgen.generators.diffusion.solvers.walk`.
    """

    method: Literal["euler", "heun", "ddim", "ddpm", "dpmpp_2m"] | None = dataclasses.field(
        default=None, metadata={"static": True}
    )
    steps: int = dataclasses.field(default=10, metadata={"static": True})
    guidance: Any = 1.5
    opening_guidance: Any = 4.0
    guidance_low: Any = dataclasses.field(default=None, metadata=ADDED_LATER)
    guidance_high: Any = dataclasses.field(default=None, metadata=ADDED_LATER)
    opening_guidance_low: Any = dataclasses.field(default=None, metadata=ADDED_LATER)
    opening_guidance_high: Any = dataclasses.field(default=None, metadata=ADDED_LATER)
    eta: Any = dataclasses.field(default=None, metadata=ADDED_LATER)
    curve: Any = 2.0
    history: int | None = dataclasses.field(default=None, metadata={"static": True, **ADDED_LATER})
    history_noise: Any = dataclasses.field(default=None, metadata=ADDED_LATER)
    rollout_text: bool = dataclasses.field(default=True, metadata={"static": True, **ADDED_LATER})
    lag: int = dataclasses.field(default=0, metadata={"static": True, **ADDED_LATER})

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.history is not None and self.history < 1:
            raise ValueError(f"history must be at least 1, got {self.history}")
        if self.lag < 0:
            raise ValueError(f"lag must not be negative, got {self.lag}")
        match self.eta:
            case int() | float() as eta if not 0.0 <= eta <= 1.0:
                raise ValueError(f"eta must lie in [0, 1], got {eta}")
        match self.history_noise:
            case int() | float() as level if not 0.0 <= level <= 1.0:
                raise ValueError(f"history_noise must lie in [0, 1], got {level}")
        for name in ("guidance", "opening_guidance"):
            match getattr(self, f"{name}_low"), getattr(self, f"{name}_high"):
                case (int() | float() as low, int() | float() as high) if low > high:
                    raise ValueError(f"{name}_low lies above {name}_high: {low} and {high}")

    @property
    def guidance_interval(self) -> Interval | None:
        """The lowest and the highest level at which there is guidance; None if at all."""
        if self.guidance_low is None and self.guidance_high is None:
            return None
        return (
            0.0 if self.guidance_low is None else self.guidance_low,
            1.0 if self.guidance_high is None else self.guidance_high,
        )

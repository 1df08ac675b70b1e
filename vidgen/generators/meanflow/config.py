"""What can be set before training a mean flow, and what can be turned at sampling time."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from vidgen.denoising import DenoisingConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanFlowConfig(DenoisingConfig):
    """Denoisers that predict average velocities, and how they are trained.

    A training clip is seen at the end t of an interval [r, t] of flow times: the later and the
    earlier of two logit-normal draws, of which `time_mean` and `time_std` are of the first. The
    second is mostly near the clip, where the last step of sampling ends: every fourth is below
    0.05. Of a mean of -0.4 and a deviation of 1, those of the paper, one in two hundred is.

    With those, and sinusoids of up to 30 radians, mean flow of clips diverged late: strict success
    in 1, 2 and 4 steps was 0.16 [0.12, 0.21], 0.00 and 0.00 [0.00, 0.01], with the defaults 0.36
    [0.31, 0.42], 0.42 [0.36, 0.48] and 0.45 [0.39, 0.51]. Seed 0, 1.2e13 FLOPs, 256 validation
    prompts, half of them with the frame; `selection.json` of `vidgen compare digits32 --generators
    meanflow --seeds 0 --budget 1.2e13flops --set sweep_prompts=256 curve= compositional=false
    equal_flops=none equal_parameters=none`, and the same with `meanflow.time_frequency=30
    meanflow.start_mean=-0.4 meanflow.start_std=1`.

    Attributes:
        time_frequency: as in `DenoisingConfig`. Low, because the target holds a derivative by time,
            which fast sinusoids make as large as they are fast; Lu & Song, "Simplifying,
            stabilizing and scaling continuous-time consistency models" (2025), section 4.1.
        pretraining: share of each denoiser's budget for flow matching, from whose weights mean flow
            goes on, with the velocity that they give; 0 trains mean flow from the start.
        instants: share of training clips whose interval is empty, r = t: plain flow matching.
        start_mean: mean of the logit-normal draw of the second time.
        start_std: its standard deviation.
        guidance: scale at which the flow of clips is learned, the paper's omega / (1 - kappa); 1
            follows the condition, more exaggerates it. Sampling then needs no second pass.
        opening_guidance: the same for openings.
        mixing: share of the guided velocity that is the network's own and not the clip's (the
            paper's kappa, appendix B.1), where mean flow is trained from the start and guidance is
            not 1: with more, the target is less noisy. Without guidance the clip's alone is taken.
        loss_power: p of the adaptive weight 1 / (error + c)^p of section 4.3; 0 for a squared
            error.

    Raises:
        ValueError: if noise is predicted, single frames are to be learned too, a share lies outside
            [0, 1], or is 1 and leaves nothing, or a scale is not positive.

    References: Geng et al., "Mean flows for one-step generative modeling" (2025): average velocity
    and identity, equations 3 and 6; times, weights and guidance, sections 4.2 and 4.3.
    """

    time_frequency: float = 5.0
    pretraining: float = 0.5
    instants: float = 0.5
    start_mean: float = -2.0
    start_std: float = 1.5
    guidance: float = 1.0
    opening_guidance: float = 4.0
    mixing: float = 0.75
    loss_power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prediction == "epsilon":
            raise ValueError(
                "prediction=epsilon: noise says nothing of a clip at t = 1; set 'x' or 'velocity'"
            )
        if self.joint_images:
            raise ValueError(
                "joint_images: mean flow learns from clips alone; leave it False, or choose "
                "diffusion"
            )
        if not self.pretraining and (self.loss != "velocity" or self.min_snr is not None):
            raise ValueError(
                "loss and min_snr are of flow matching, and there is none: set pretraining above "
                "0, or leave them"
            )
        for name in ("pretraining", "mixing"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        if not 0.0 <= self.instants <= 1.0:
            raise ValueError(f"instants must lie in [0, 1], got {self.instants}")
        for name in ("guidance", "opening_guidance"):
            if getattr(self, name) <= 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    @classmethod
    def tiny(cls) -> MeanFlowConfig:
        """The same code in milliseconds, without the phases that come before mean flow."""
        return dataclasses.replace(super().tiny(), pretraining=0.0)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanFlowSampler:
    """What can be turned when a clip is drawn.

    Attributes:
        steps: network passes. Static.
        opening_steps: the same for the opening; None takes `steps`. Static.
        curve: the noise level falls as 1 - u**curve with u uniform; above 1 it lingers at high
            noise. Traced.
    """

    steps: int = dataclasses.field(default=2, metadata={"static": True})
    opening_steps: int | None = dataclasses.field(default=None, metadata={"static": True})
    curve: Any = 2.0

    def __post_init__(self) -> None:
        if min(self.steps, self.opening_steps or self.steps) < 1:
            raise ValueError(
                f"steps must be at least 1, got {self.steps} and {self.opening_steps} of openings"
            )

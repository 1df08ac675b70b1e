"""What denoisers are made of and how they are trained, whatever walks with them."""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeVar, get_args

from vidgen.denoising.network_config import AXES, DiTConfig, NetworkKind, UNetConfig
from vidgen.denoising.objective import QUANTITIES, Quantity
from vidgen.motion import MotionConfig
from vidgen.optim import Optimizer, Schedule, check_microbatches
from vidgen.space import Range, Space, Width, Widths
from vidgen.types import ADDED_LATER

Config = TypeVar("Config", bound="DenoisingConfig")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenoisingConfig:
    """The denoisers of openings and of clips, and their training.

    Attributes:
        network: ``hybrid``, a shallow U around a transformer, of the sizes below; ``unet``, a 3-D
            U-Net, of the sizes in `unet`; or ``dit``, a transformer over patches, of those in
            `dit`.
        unet: sizes of a ``unet``.
        dit: sizes of a ``dit``.
        remat: whether what a block of the denoiser computes on the way forward is computed again
            for its gradient rather than kept: about a third more arithmetic, and memory that grows
            by the features that a block is given.
        microbatches: parts of a batch whose gradients are computed one after another and averaged:
            the same step but for rounding, in the memory of one part, and of the targets of all
            where those take networks (`meanflow`). They divide every batch.
        joint_images: whether the denoiser of clips also learns from the single frames that stand
            beside each clip of a batch (`Task.images`), each as a clip of one frame by the same
            weights: more scenes a step. Not for a ``hybrid``, nor tokens of several frames. Ho et
            al., "Video diffusion models" (2022), section 3 and table 4.
        prediction: what the network outputs: ``velocity`` (noise minus clip on the flow path,
            Salimans & Ho's v on the Gaussian one), ``x`` (the clip itself) or ``epsilon`` (the
            noise; Ho et al., 2020). Clips are far simpler than noise, and a small network need not
            learn to pass noise through; Li & He, "Back to basics: let denoising generative models
            denoise" (2025). Noise is best predicted on the Gaussian path: at t = 1, where sampling
            begins, it says nothing of the clip, see `vidgen.denoising.objective.convert`.
        residual: whether the clip that is predicted is what motion compensation makes of the
            opening and, added to it, what the network outputs: detail that the opening shows need
            not pass through the network then. With ``x`` alone.
        loss: what flow matching and Gaussian diffusion compare, by a mean squared error:
            ``velocity``, ``x`` or ``epsilon``, which the prediction implies where it is another.
        min_snr: gamma of min-SNR loss weights, see `vidgen.denoising.objective.min_snr_weight`; 5
            in Hang et al. (2023). None for the plain error.
        time_mean: mean of the logit-normal draw of flow times (0 is the clip, 1 is noise); clips
            are mostly ground, so what matters is decided at high noise.
        time_std: its standard deviation.
        time_frequency: of the fastest of the sinusoids in which a time is told, in radians from the
            clip to the noise; the slowest has 0.1.
        patch: of a ``hybrid``, side of the square patches that become tokens.
        merge: frames, rows and columns of tokens that become one in the middle of the U; 0 frames
            for all of them.
        width: features of an outer token.
        depth: convolutional blocks on the way in, and again on the way out.
        middle_width: features of a middle token.
        middle_depth: transformer blocks in the middle.
        heads: attention heads in the middle.
        attention: ``full`` space-time attention in the middle, or ``factorised``.
        drop_text: share of training clips whose sentence is hidden.
        batch_size: clips a step.
        motion: of the motion compensation that is shown to the denoiser of clips.
        motion_share: fraction of the budget for it.
        opening_share: fraction of the budget for the denoiser of openings, the first frames of
            clips: as many as a condition may give, at least one.
        opening_batch_size: openings a step.
        opening_time_mean: as `time_mean`, for openings: what a picture shows is decided at lower
            noise than what a clip does.
        ema_decay: of the weights that sampling reads.
        optimizer: how the weights move.

    Raises:
        ValueError: if there is no such network, prediction or loss, `min_snr` is not positive, a
            share leaves nothing for another, microbatches do not divide a batch, or a residual is
            to be of noise or velocity.
    """

    network: NetworkKind = dataclasses.field(default="hybrid", metadata=ADDED_LATER)
    unet: UNetConfig = dataclasses.field(default=UNetConfig(), metadata=ADDED_LATER)
    dit: DiTConfig = dataclasses.field(default=DiTConfig(), metadata=ADDED_LATER)
    remat: bool = dataclasses.field(default=False, metadata=ADDED_LATER)
    microbatches: int = dataclasses.field(default=1, metadata=ADDED_LATER)
    joint_images: bool = dataclasses.field(default=False, metadata=ADDED_LATER)
    prediction: Quantity = "x"
    residual: bool = dataclasses.field(default=False, metadata=ADDED_LATER)
    loss: Quantity = dataclasses.field(default="velocity", metadata=ADDED_LATER)
    min_snr: float | None = dataclasses.field(default=None, metadata=ADDED_LATER)
    time_mean: float = 1.6
    time_std: float = 1.2
    time_frequency: float = dataclasses.field(default=1000.0, metadata=ADDED_LATER)
    patch: int = 4
    merge: tuple[int, int, int] = (0, 2, 2)
    width: int = 64
    depth: int = 2
    middle_width: int = 128
    middle_depth: int = 1
    heads: int = 4
    attention: Literal["full", "factorised"] = "full"
    drop_text: float = 0.1
    batch_size: int = 8
    motion: MotionConfig = dataclasses.field(default=MotionConfig())
    motion_share: float = 0.125
    opening_share: float = 0.425
    opening_batch_size: int = 64
    opening_time_mean: float = 0.8
    ema_decay: float = 0.99
    optimizer: Optimizer = Optimizer(
        kind="muon",
        learning_rate=7e-3,
        adam_learning_rate=3e-3,
        adam_only="embed|head|stem|mixing",
        schedule=Schedule(warmup=0.02, hold=0.4, shape="linear", final=0.02),
    )

    def __post_init__(self) -> None:
        for name, allowed in {
            "network": get_args(NetworkKind),
            "prediction": QUANTITIES,
            "loss": QUANTITIES,
        }.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        if self.residual and self.prediction != "x":
            raise ValueError(
                f"residual: motion compensation expects a clip, not {self.prediction}; set "
                "prediction=x, or residual=false"
            )
        if self.min_snr is not None and self.min_snr <= 0:
            raise ValueError(f"min_snr must be above 0 or None, got {self.min_snr}")
        check_microbatches(self.microbatches, self.batch_size, self.opening_batch_size)
        if (
            min(self.motion_share, self.opening_share, 1 - self.motion_share - self.opening_share)
            <= 0
        ):
            raise ValueError(
                "motion_share and opening_share must be above 0 and leave something for clips, got "
                f"{self.motion_share} and {self.opening_share}"
            )

    @classmethod
    def tiny(cls: type[Config]) -> Config:
        """The same code in milliseconds."""
        return cls(
            unet=UNetConfig.tiny(),
            dit=DiTConfig.tiny(),
            merge=(2, 2, 2),
            width=16,
            depth=1,
            middle_width=16,
            middle_depth=1,
            heads=2,
            batch_size=4,
            opening_batch_size=4,
            motion=MotionConfig.tiny(),
            ema_decay=0.9,
        )

    @classmethod
    def search_space(cls) -> Space:
        """The denoisers' rate, how phases share the budget, and which noise clips are drawn at."""
        return {
            "optimizer.learning_rate": Range(2e-3, 2e-2, log=True),
            "motion_share": Range(0.05, 0.25),
            "opening_share": Range(0.2, 0.6),
            "time_mean": Range(0.0, 2.4),
        }

    def widths(self) -> Widths:
        """Of the network that is trained, and of motion compensation."""
        motion = {"motion.width": Width(4), "motion.features": Width(4)}
        if self.network == "hybrid":
            least = 2 * AXES[self.attention] * self.heads
            middle = Width(2 * self.heads, least=least)
            return {"width": Width(8), "middle_width": middle, **motion}
        sizes = self.unet if self.network == "unet" else self.dit
        inside = {f"{self.network}.{path}": width for path, width in sizes.widths().items()}
        return {**inside, **motion}

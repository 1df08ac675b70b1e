"""What can be set about the GAN: its two players, their losses and their optimisers."""

from __future__ import annotations

import dataclasses

import jax

from vidgen.generators.gan.augment import AUGMENTS, AugmentKind
from vidgen.motion import HEADS, MOTION_PATHS, MotionPath
from vidgen.nn import LOSSES, LossKind
from vidgen.optim import Optimizer, Schedule, check_microbatches
from vidgen.space import Range, Space, Width, Widths
from vidgen.types import ADDED_LATER

_PLAYER = Optimizer(
    kind="muon",
    learning_rate=3e-3,
    adam_learning_rate=1e-3,
    b1=0.0,
    b2=0.99,
    schedule=Schedule(hold=0.5, final=0.1),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GanConfig:
    """The defaults are for clips of 8x32x32 and minutes on a few cores.

    Attributes:
        batch_size: clips a step. Each lends its first frame to the content path and the frame
            discriminator.
        animated: how many of them are also animated and judged as clips: motion is learned from
            fewer examples than appearance, and costs more.
        microbatches: parts of a batch whose gradients are computed one after another and averaged:
            the same step but for rounding, in the memory of one part. They divide `batch_size` and
            `animated`. Captions are told from those of the whole batch all the same.
        remat: whether what each path of the generator and each discriminator computes on the way
            forward is computed again for its gradient rather than kept. Of the gradient penalties,
            derivatives of derivatives, that counts as work of the model.
        content_latent: Gaussian features that choose an appearance, one draw a clip.
        motion_latent: Gaussian features that choose a motion, one draw a clip.
        content_width: channels of the content path at half resolution; 2 and 4 times as many
            below.
        feature_width: channels of the feature map that is warped along with the canvas.
        motion_width: state of the motion path, and width of both caption encoders.
        motion: how the motion path reads time: "gru", "conv" (causal temporal convolution) or
            "transformer" (causal, with 4 heads, which must divide `motion_width`).
        flow_grid: cells of the coarse flow along height and along width.
        discriminator_width: channels at a quarter of the resolution; 2 and 3 times as many below.
        loss: "relativistic", "non-saturating", "hinge" or "wgan-gp".
        gamma: weight of the gradient penalties at the start. Of R1 and R2, which go with all losses
            but "wgan-gp", it is gamma / 2 each for an input of 32x32 values, and in proportion for
            larger ones. With "wgan-gp" a penalty on slopes that are not 1 stands in their place
            (`slope_penalty`), and gamma is its weight for an input of any size, lambda in the
            paper, where it is 10 throughout, as it is here with a gamma_final of 10.
        gamma_final: the same at the end, to which it goes along a half cosine.
        matching: weight of the contrastive term of both players: by what a discriminator sees, a
            clip's own caption must be told from the other captions of the batch, each of which is
            a matching-aware pair (`contrastive_loss`).
        augment: what is done to all that the discriminators see, real, generated or given, a clip
            at a time: any of "colour", "translation" and "cutout" (`Augmentation`).
        flow_weight: weight of the photometric error of the flow, in the generator's loss, on real
            first frames; 0 for adversarial training alone.
        repair_weight: weight of the same error of whole generated clips, repaired, whose context
            and caption are given, beside what the discriminators say of them
            (`generator_objective`); 0 leaves repair to the discriminators. For tasks in which a
            frame and a sentence say what comes next: where they leave it open, an error against the
            one clip that came blurs.
        text_dropout: probability that a training clip loses its caption.
        context_dropout: probability that a training clip loses its context.
        ema_decay: of the generator's averaged weights, which sampling reads.
        generator_optimizer: of the generator.
        discriminator_optimizer: of both discriminators.

    Raises:
        ValueError: if a value cannot be used; the message says which.
    """

    batch_size: int = 16
    animated: int = 2
    microbatches: int = dataclasses.field(default=1, metadata=ADDED_LATER)
    remat: bool = dataclasses.field(default=False, metadata=ADDED_LATER)
    content_latent: int = 64
    motion_latent: int = 16
    content_width: int = 48
    feature_width: int = 32
    motion_width: int = 192
    motion: MotionPath = dataclasses.field(default="gru", metadata=ADDED_LATER)
    flow_grid: int = 4
    discriminator_width: int = 48
    loss: LossKind = "relativistic"
    gamma: float = 10.0
    gamma_final: float = 2.0
    matching: float = 1.0
    augment: tuple[AugmentKind, ...] = dataclasses.field(default=(), metadata=ADDED_LATER)
    flow_weight: float = 500.0
    repair_weight: float = dataclasses.field(default=0.0, metadata=ADDED_LATER)
    text_dropout: float = 0.02
    context_dropout: float = 0.05
    ema_decay: float = 0.995
    generator_optimizer: Optimizer = _PLAYER
    discriminator_optimizer: Optimizer = _PLAYER

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")
        if self.motion not in MOTION_PATHS:
            raise ValueError(
                f"motion must be one of {', '.join(MOTION_PATHS)}, got {self.motion!r}"
            )
        if self.motion == "transformer" and self.motion_width % HEADS:
            raise ValueError(
                f"motion_width must be a multiple of {HEADS}, the heads of motion 'transformer', "
                f"got {self.motion_width}"
            )
        for kind in self.augment:
            if kind not in AUGMENTS:
                raise ValueError(f"augment takes any of {', '.join(AUGMENTS)}, got {kind!r}")
        if self.batch_size < 2:
            raise ValueError(
                f"batch_size must be at least 2, so that captions can be told apart and samples "
                f"compared, got {self.batch_size}"
            )
        if not 1 <= self.animated <= self.batch_size:
            raise ValueError(
                f"animated must lie in [1, batch_size = {self.batch_size}], got {self.animated}"
            )
        check_microbatches(self.microbatches, self.batch_size, self.animated)
        for name in ("gamma", "gamma_final", "matching", "flow_weight", "repair_weight"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name} is a weight of at least 0, got {getattr(self, name)}")
        if not (0.0 <= self.text_dropout < 1.0 and 0.0 <= self.context_dropout < 1.0):
            raise ValueError(
                f"text_dropout and context_dropout are probabilities below 1, got "
                f"{self.text_dropout} and {self.context_dropout}"
            )

    @classmethod
    def tiny(cls) -> GanConfig:
        """Seconds on one core, for tests."""
        return cls(
            batch_size=4,
            animated=3,
            content_latent=8,
            motion_latent=4,
            content_width=8,
            feature_width=8,
            motion_width=16,
            flow_grid=2,
            discriminator_width=8,
        )

    @classmethod
    def search_space(cls) -> Space:
        """The pace of both players, when it begins to fall, and how smooth the judges are kept."""
        return {
            "generator_optimizer.learning_rate": Range(1e-3, 1e-2, log=True),
            "discriminator_optimizer.learning_rate": Range(1e-3, 1e-2, log=True),
            "generator_optimizer.schedule.hold": Range(
                0.0, 0.9, also=("discriminator_optimizer.schedule.hold",)
            ),
            "gamma": Range(1.0, 100.0, log=True),
        }

    def widths(self) -> Widths:
        """Of both players: a generator that outgrew its judges would be another game."""
        return {
            "content_width": Width(2),
            "feature_width": Width(2),
            "motion_width": Width(2 * HEADS),
            "discriminator_width": Width(2),
        }


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class GanSampler:
    """What can be turned at sampling time. Traced: a sweep does not recompile.

    Attributes:
        content_truncation: factor on the content latent; below 1 trades variety for typicality.
        motion_truncation: the same for the motion latent.

    References: Brock et al., "Large scale GAN training" (2019), on truncation; here the latent is
    scaled, not redrawn.
    """

    content_truncation: float | jax.Array = 1.0
    motion_truncation: float | jax.Array = 1.0

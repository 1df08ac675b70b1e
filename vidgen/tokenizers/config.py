"""What a video tokenizer is made of."""

from __future__ import annotations

import dataclasses
from typing import Literal

from vidgen.nn import FSQ, LFQ, VQ
from vidgen.optim import Optimizer, check_microbatches
from vidgen.pretrained import LPIPS, LpipsNetwork
from vidgen.space import Width, Widths
from vidgen.types import ADDED_LATER


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerceptualLoss:
    """LPIPS between real and rebuilt frames, one drawn from each clip, beside the pixels' error.

    Its network is frozen; its weights come with the extra ``metrics``.

    Attributes:
        network: "vgg", by which LPIPS is meant to be minimised, or "alex", at a fraction of the
            cost.
        weight: of the distance in the tokenizer's loss.

    References: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual
    metric" (2018); in a tokenizer's loss: Esser et al., "Taming transformers for high-resolution
    image synthesis" (2021), section 3.1; of one frame a clip: Ge et al., "Long video generation
    with time-agnostic VQGAN and time-sensitive transformer" (2022), section 3.1.

    Raises:
        ValueError: if the network is not known, or the weight is not positive.
    """

    network: LpipsNetwork = "vgg"
    weight: float = 0.1

    def __post_init__(self) -> None:
        if self.network not in LPIPS:
            raise ValueError(f"network must be one of {', '.join(LPIPS)}, got {self.network!r}")
        if self.weight <= 0.0:
            raise ValueError(f"weight must be positive, got {self.weight}; None leaves LPIPS out")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdversarialLoss:
    """A discriminator of patches of clips, which the tokenizer's clips are to pass.

    Attributes:
        kind: "hinge" or "non-saturating", of both players.
        weight: of the tokenizer's loss by it; a factor on the adaptive weight where there is one.
        adaptive: whether the weight is in proportion to what the last layer hears of the other
            errors, see `Adversary.weight`.
        start: share of the tokenizer's budget after which both players begin. A discriminator finds
            nothing easier than clips that are not learned yet.
        width: channels of the discriminator at half the resolution; twice as many below.
        optimizer: moves the discriminator.

    References: Esser et al. (2021), section 3.1; of clips: Yu et al., "MAGVIT: masked generative
    video transformer" (2023), section 3.1.

    Raises:
        ValueError: for a value that cannot be; the message says which.
    """

    kind: Literal["hinge", "non-saturating"] = "hinge"
    weight: float = 0.8
    adaptive: bool = True
    start: float = 0.25
    width: int = 32
    optimizer: Optimizer = dataclasses.field(
        default=Optimizer(kind="adamw", learning_rate=1e-3, b1=0.5)
    )

    def __post_init__(self) -> None:
        if self.kind not in ("hinge", "non-saturating"):
            raise ValueError(f"kind must be hinge or non-saturating, got {self.kind!r}")
        if self.weight <= 0.0:
            raise ValueError(f"weight must be positive, got {self.weight}; None plays no game")
        if not 0.0 <= self.start < 1.0:
            raise ValueError(f"start must lie in [0, 1), got {self.start}")
        if self.width < 1:
            raise ValueError(f"width must be at least 1, got {self.width}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """A causal convolutional encoder and decoder of video, whatever lies between them.

    A clip is cut into patches, which convolutions refine in stages; each stage after the first
    halves height and width. One cell between encoder and decoder stands for `code_patch` pixels.

    Attributes:
        patch: (frames, height, width) in pixels of what the first stage sees as one cell.
        widths: channels of each stage, finest first.
        blocks: residual blocks of each stage, in the encoder and in the decoder each.
        encoder_taps: (time, space), how far a block's convolutions reach in the encoder. At (1, 1)
            a code depends on its own patch alone, so that equal patches have equal codes, which is
            what makes codes easy to predict.
        decoder_taps: the same in the decoder, which smooths the seams between patches.
        l1: weight of the absolute error beside the squared error.
        perceptual: a distance that looks beside them; None for none.
        adversarial: a discriminator beside them, trained in the same step and paid for by the same
            budget; None for none.
        remat: whether what a residual block computes is computed again for its gradient rather than
            kept.
        batch_size: clips a step.
        microbatches: parts of a batch that encoder and decoder take one after another: the same
            step but for rounding, in the memory of one part and of the quantizer's work for all,
            which is small but for VQ, whose distances are of every cell to every code. They divide
            the batch. What lies between encoder and decoder, whose charge may be of the whole
            batch, sees all of it, so that parts are encoded twice: that counts as work of the
            model, about 6% of a step's FLOPs. Not beside a discriminator, whose weight is found by
            gradients of the whole batch.
        ema: decay of the averaged weights that are exported.
        optimizer: moves the networks; a VQ codebook moves by its own averages.

    Raises:
        ValueError: if a size is below 1, there is no stage, or microbatches do not divide the batch
            or stand beside a discriminator.
    """

    patch: tuple[int, int, int] = (2, 4, 4)
    widths: tuple[int, ...] = (48, 128)
    blocks: tuple[int, ...] = (1, 1)
    encoder_taps: tuple[int, int] = (1, 1)
    decoder_taps: tuple[int, int] = (2, 3)
    l1: float = 0.2
    perceptual: PerceptualLoss | None = dataclasses.field(default=None, metadata=ADDED_LATER)
    adversarial: AdversarialLoss | None = dataclasses.field(default=None, metadata=ADDED_LATER)
    remat: bool = dataclasses.field(default=False, metadata=ADDED_LATER)
    batch_size: int = 8
    microbatches: int = dataclasses.field(default=1, metadata=ADDED_LATER)
    ema: float = 0.99
    optimizer: Optimizer = dataclasses.field(
        default=Optimizer(kind="muon", learning_rate=5e-3, adam_learning_rate=3e-3)
    )

    def __post_init__(self) -> None:
        if not self.widths or len(self.widths) != len(self.blocks):
            raise ValueError(f"each stage needs a width and a number of blocks: {self}")
        if min(*self.patch, *self.widths, *self.encoder_taps, *self.decoder_taps) < 1:
            raise ValueError(f"patch, widths and taps must be positive: {self}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {self.batch_size}")
        check_microbatches(self.microbatches, self.batch_size)
        if self.microbatches > 1 and self.adversarial is not None:
            raise ValueError(
                f"{self.microbatches} microbatches and a discriminator: its weight in the loss is "
                "found by gradients of the whole batch; set microbatches=1, or adversarial=None"
            )

    def scalable(self) -> Widths:
        """The widths of the networks, and of the discriminator where there is one."""
        rival = {} if self.adversarial is None else {"adversarial.width": Width(8)}
        return {"widths": Width(8), **rival}

    @property
    def code_patch(self) -> tuple[int, int, int]:
        """(frames, height, width) in pixels that one cell stands for."""
        merged = 2 ** (len(self.widths) - 1)
        return (self.patch[0], self.patch[1] * merged, self.patch[2] * merged)

    @property
    def encoded_width(self) -> int:
        """Features of a cell that the encoder gives."""
        raise NotImplementedError

    @property
    def decoded_width(self) -> int:
        """D, features of a cell that the decoder takes."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerConfig(AutoencoderConfig):
    """A tokenizer whose cells are codes.

    Attributes:
        quantizer: `FSQ`, `LFQ` or `VQ`.
    """

    quantizer: FSQ | LFQ | VQ = dataclasses.field(default=FSQ(levels=(5,) * 8))

    @property
    def encoded_width(self) -> int:
        """Features of the vectors that are quantised."""
        return self.quantizer.width

    @property
    def decoded_width(self) -> int:
        """Features of the quantised vectors."""
        return self.quantizer.width

    @classmethod
    def tiny(cls) -> TokenizerConfig:
        """A network for tests."""
        return cls(quantizer=FSQ(levels=(4, 3)), patch=(2, 2, 2), widths=(8, 16), batch_size=2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentTokenizerConfig(AutoencoderConfig):
    """A tokenizer whose cells are continuous: latents, as a diffusion model walks among them.

    Its cells are finer than codes are: a denoiser draws many small ones at once, where a prior
    draws each in turn.

    Attributes:
        features: D of a latent.
        divergence: weight of the Kullback-Leibler divergence of a clip's latents from the standard
            normal distribution, in nats a pixel, beside the mean squared error. Of a decoder whose
            error is Gaussian with deviation s it is 2 s^2 in the evidence bound: 1e-4 stands for
            0.007, about the step between two of 256 levels. It keeps latents from spreading without
            bound and leaves them another scale than 1, which is measured, see `LatentTokenizer`.

    Raises:
        ValueError: as `AutoencoderConfig`; if there is no feature, or the weight is negative.

    References: Rombach et al., "High-resolution image synthesis with latent diffusion models"
    (2022), section 3.1 (KL-reg., there of weight 1e-6 beside LPIPS and a discriminator); Kingma &
    Welling, "Auto-encoding variational Bayes" (2014).
    """

    features: int = 6
    divergence: float = 1e-4
    widths: tuple[int, ...] = (64,)
    blocks: tuple[int, ...] = (2,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.features < 1:
            raise ValueError(f"features must be at least 1, got {self.features}")
        if self.divergence < 0.0:
            raise ValueError(f"divergence must not be negative, got {self.divergence}")

    @property
    def encoded_width(self) -> int:
        """A mean and the logarithm of a variance for each feature."""
        return 2 * self.features

    @property
    def decoded_width(self) -> int:
        """Features of a latent."""
        return self.features

    @classmethod
    def tiny(cls) -> LatentTokenizerConfig:
        """A network for tests."""
        return cls(features=2, patch=(2, 4, 4), widths=(8,), blocks=(1,), batch_size=2)

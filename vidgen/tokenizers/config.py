"""What a video tokenizer is made of."""

from __future__ import annotations

import dataclasses

from vidgen.nn import FSQ, LFQ, VQ
from vidgen.optim import Optimizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """A causal convolutional tokenizer of video.

    A clip is cut into patches, which convolutions refine in stages; each stage after the first
    halves height and width. One code stands for `code_patch` pixels.

    Attributes:
        quantizer: `FSQ`, `LFQ` or `VQ`.
        patch: (frames, height, width) in pixels of what the first stage sees as one cell.
        widths: channels of each stage, finest first.
        blocks: residual blocks of each stage, in the encoder and in the decoder each.
        encoder_taps: (time, space), how far a block's convolutions reach in the encoder. At (1, 1)
            a code depends on its own patch alone, so that equal patches have equal codes, which is
            what makes codes easy to predict.
        decoder_taps: the same in the decoder, which smooths the seams between patches.
        l1: weight of the absolute error beside the squared error.
        batch_size: clips a step.
        ema: decay of the averaged weights that are exported.
        optimizer: moves the networks; a VQ codebook moves by its own averages.

    Raises:
        ValueError: if a size is below 1 or there is no stage.
    """

    quantizer: FSQ | LFQ | VQ = dataclasses.field(default=FSQ(levels=(5, 5, 5, 5, 5)))
    patch: tuple[int, int, int] = (2, 4, 4)
    widths: tuple[int, ...] = (48, 128)
    blocks: tuple[int, ...] = (1, 1)
    encoder_taps: tuple[int, int] = (1, 1)
    decoder_taps: tuple[int, int] = (2, 3)
    l1: float = 0.2
    batch_size: int = 8
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

    @property
    def code_patch(self) -> tuple[int, int, int]:
        """(frames, height, width) in pixels that one code stands for."""
        merged = 2 ** (len(self.widths) - 1)
        return (self.patch[0], self.patch[1] * merged, self.patch[2] * merged)

    @classmethod
    def tiny(cls) -> TokenizerConfig:
        """A network for tests."""
        return cls(quantizer=FSQ(levels=(4, 3)), patch=(2, 2, 2), widths=(8, 16), batch_size=2)

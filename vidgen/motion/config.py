"""What motion compensation is made of."""

from __future__ import annotations

import dataclasses

from vidgen.optim import Optimizer, Schedule, check_microbatches
from vidgen.types import ADDED_LATER


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """Sizes of the motion's network, and how it is trained.

    Attributes:
        width: features of the state and of the sentence.
        features: features of the frame that is moved.
        grid: cells of a flow along each side.
        batch_size: clips a step.
        microbatches: as in `vidgen.optim.value_and_grad`; they divide the batch.
        remat: whether flows, and the frames that they move, are computed again for the gradient
            rather than kept with all that they are made of.
        ema: decay of the averaged weights, which are the ones used.
        optimizer: moves all weights.

    Raises:
        ValueError: if a size is below 1, or microbatches do not divide the batch.
    """

    width: int = 192
    features: int = 32
    grid: int = 4
    batch_size: int = 16
    microbatches: int = dataclasses.field(default=1, metadata=ADDED_LATER)
    remat: bool = dataclasses.field(default=False, metadata=ADDED_LATER)
    ema: float = 0.99
    optimizer: Optimizer = Optimizer(
        kind="muon",
        learning_rate=3e-3,
        adam_learning_rate=1e-3,
        schedule=Schedule(warmup=0.02, hold=0.4, shape="linear", final=0.02),
    )

    def __post_init__(self) -> None:
        if min(self.width, self.features, self.grid, self.batch_size) < 1:
            raise ValueError(f"sizes of the motion must be at least 1: {self}")
        check_microbatches(self.microbatches, self.batch_size)

    @classmethod
    def tiny(cls) -> MotionConfig:
        """A network for tests."""
        return cls(width=16, features=8, grid=2, batch_size=2)

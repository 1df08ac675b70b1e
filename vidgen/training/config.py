"""How training is watched, saved and spread over devices."""

from __future__ import annotations

import dataclasses
import math

from vidgen.training.placement import SHARDINGS, Placement, Sharding
from vidgen.types import ADDED_LATER


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How training is watched, saved and spread over devices; nothing here changes what is learned.

    Attributes:
        log_every: steps between two rows of the metrics log.
        validate_every: share of a phase between two validations, in (0, 1].
        checkpoint_every: share of a phase between two checkpoints, in (0, 1].
        keep: newest checkpoints of a phase that stay, at least 2.
        keep_best: checkpoints that stay besides for the lowest validation loss; every checkpoint
            must fall on a validation for it. An adversarial loss says little about which is best.
        keep_every: share of a phase between two checkpoints that stay for good, a multiple of
            `checkpoint_every`; 0 for none.
        max_skipped: steps in a row that may be thrown away before training stops.
        tensorboard: write TensorBoard events too, where tensorboardX is installed.
        exclusive: under a budget in seconds, refuse to run beside another such training on this
            machine. Times from a shared machine are not to be cited.
        accept_changes: resume although configuration, data or code changed. What changed is
            recorded in ``cost.json``.
        profile: before a phase trains, or goes on, trace a few of its steps into
            ``profile/<phase>`` and take them back; of one process alone.
        devices: that each process computes on, its rows of every batch split among them; None for
            all it has. Another number gives the same clips in the same order and the same results
            but for rounding, so that a run which goes on with another one is a change to accept.
        sharding: what of a phase's state each device holds: ``replicated``, all of it; or ``full``,
            a part of every large array, which costs an exchange of weights in every step.
    """

    log_every: int = 10
    validate_every: float | int = 0.1
    checkpoint_every: float | int = 0.25
    keep: int = 2
    keep_best: int = dataclasses.field(default=0, metadata=ADDED_LATER)
    keep_every: float | int = dataclasses.field(default=0.0, metadata=ADDED_LATER)
    max_skipped: int = 20
    tensorboard: bool = True
    exclusive: bool = True
    accept_changes: bool = False
    profile: bool = False
    devices: int | None = 1
    sharding: Sharding = "replicated"

    def __post_init__(self) -> None:
        for name in ("log_every", "max_skipped"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("validate_every", "checkpoint_every"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in (0, 1], got {getattr(self, name)}")
        if self.keep < 2:
            raise ValueError(f"keep must be at least 2, got {self.keep}: the newest may prove bad")
        if self.devices is not None and self.devices < 1:
            raise ValueError(f"devices must be at least 1, or None for all, got {self.devices}")
        if self.sharding not in SHARDINGS:
            raise ValueError(f"sharding must be one of {SHARDINGS}, got {self.sharding!r}")
        if self.keep_best < 0:
            raise ValueError(f"keep_best must be at least 0, got {self.keep_best}")
        if self.keep_best and not _multiple(self.checkpoint_every, self.validate_every):
            raise ValueError(
                f"keep_best needs a validation at every checkpoint: checkpoint_every "
                f"{self.checkpoint_every:g} is no multiple of validate_every "
                f"{self.validate_every:g}"
            )
        if self.keep_every and not _multiple(self.keep_every, self.checkpoint_every):
            raise ValueError(
                f"keep_every must be 0 or a multiple of checkpoint_every {self.checkpoint_every:g} "
                f"up to 1, got {self.keep_every:g}"
            )

    def place(self) -> Placement:
        """Where training runs.

        Raises:
            PlacementError: if there are not so many devices.
        """
        return Placement.of(self.devices, self.sharding)


def _multiple(share: float, of: float) -> bool:
    """Whether a share is a whole number of others, and none beyond the whole."""
    times = share / of
    return share <= 1 and round(times) >= 1 and math.isclose(times, round(times), rel_tol=1e-6)

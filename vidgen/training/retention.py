"""Which checkpoints of a phase stay: the newest, the best by validation loss, and some for good.

Only regular checkpoints are chosen among, which are those that an undisturbed run saves too. One
that was saved because a signal came, or training diverged, goes as soon as the next one is there.
So a run that was resumed ends with the checkpoints of one that never was (under a budget in steps,
clips or FLOPs), and not merely with as many.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """What decides how long a checkpoint stays.

    Attributes:
        regular: whether an undisturbed run saves it too.
        lasting: whether it stays for good.
        validation_loss: at its step; None where nothing was validated there.
    """

    regular: bool = True
    lasting: bool = False
    validation_loss: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retention:
    """orbax's preservation policy for the checkpoints of one phase.

    Args:
        newest: how many of the newest regular ones stay.
        best: how many of those with the lowest finite validation loss stay; of equals the later.
        standings: by step, of the checkpoints that are known; looked at whenever one was saved.
    """

    newest: int
    best: int
    standings: Mapping[int, Standing]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        """Which of these stay; they come in the order of their steps, the one being saved last."""
        from orbax.checkpoint import v1 as ocp

        policies = ocp.training.preservation_policies

        regular = [
            _Seen(step=info.step, time=info.time, metrics=_loss(self._standing(info.step)))
            for info in checkpoints
            if self._standing(info.step).regular
        ]
        kept = policies.AnyPreservationPolicy(
            [
                policies.LatestN(self.newest),
                policies.BestN(
                    get_metric_fn=lambda loss: loss["validation"],
                    reverse=True,  # the last n of a descending order
                    n=self.best,
                    keep_checkpoints_without_metrics=False,
                ),
                policies.CustomSteps([s.step for s in regular if self._standing(s.step).lasting]),
            ]
        ).should_preserve(regular, context=context)
        staying = {seen.step for seen, stays in zip(regular, kept, strict=True) if stays}
        staying.add(checkpoints[-1].step)
        return [info.step in staying for info in checkpoints]

    def _standing(self, step: int) -> Standing:
        return self.standings.get(step, Standing())


@dataclasses.dataclass(kw_only=True)  # orbax's protocol asks for what can be written
class _Seen:
    """A checkpoint as orbax's policies look at it."""

    step: int
    time: datetime.datetime
    metrics: dict[str, Any] | None


def _loss(standing: Standing) -> dict[str, Any] | None:
    loss = standing.validation_loss
    return None if loss is None or not math.isfinite(loss) else {"validation": loss}

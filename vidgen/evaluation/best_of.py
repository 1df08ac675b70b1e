"""Best of K: what a lucky draw scores, and never without what an honest one does."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from vidgen.evaluation.statistics import average
from vidgen.types import Better, Score


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestOf:
    """A metric against the real clip where each prompt was answered K times.

    The best grows with K whatever the generator is worth, so that it says nothing without K and
    the mean; both are here, and both name K.

    Attributes:
        mean: over prompts and answers.
        best: mean over prompts of the best answer.
        k: K.
    """

    mean: Score
    best: Score
    k: int


def best_of(values: Float[np.ndarray, "N K"], *, better: Better = "higher") -> BestOf:
    """Mean and best of K answers a prompt, with t intervals over prompts.

    Args:
        values: a metric of each of the K answers to N prompts, such as ``psnr(a, b).mean(1)``.
        better: which way is good.
    """
    k = values.shape[1]
    best = values.max(1) if better == "higher" else values.min(1)
    return BestOf(
        mean=average(values.mean(1), better=better, note=f"mean of K={k} answers a prompt"),
        best=average(best, better=better, note=f"best of K={k} answers a prompt"),
        k=k,
    )

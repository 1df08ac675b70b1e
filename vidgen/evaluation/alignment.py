"""Scores of alignment, from vectors of answers and of what was asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vidgen.evaluation.features.alignment import ranks_of_own
from vidgen.evaluation.statistics import average, proportion
from vidgen.types import Score


def alignment_scores(
    clips: Float[np.ndarray, "N D"], texts: Float[np.ndarray, "N D"], captions: Sequence[str]
) -> dict[str, Score]:
    """The metrics of the group "alignment".

    Args:
        clips: vectors of the answers, of length 1.
        texts: of the captions that each was asked for, likewise.
        captions: the captions themselves, since clips of one caption are no swap.
    """
    products = clips @ texts.T
    own = np.diagonal(products)
    scores = {"alignment": average(own)}
    _, label = np.unique(list(captions), return_inverse=True)
    if label.max(initial=0) < 1:
        lone = Score.missing("with one caption there is nothing to choose from, nor to swap")
        return scores | dict.fromkeys(("alignment_top1", "alignment_top5", "alignment_swap"), lone)
    ranks = ranks_of_own(clips, texts, captions)
    note = f"of {label.max() + 1} captions"
    other = label[:, None] != label[None, :]
    swapped = (products * other).sum(1) / other.sum(1)
    return scores | {
        "alignment_top1": proportion(ranks < 1, note=note),
        "alignment_top5": proportion(ranks < 5, note=note),
        "alignment_swap": average(own - swapped, note="mean over all swaps"),
    }

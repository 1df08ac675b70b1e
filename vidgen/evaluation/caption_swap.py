"""Caption-swap sensitivity: does it matter to the answers what was asked?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vidgen.evaluation.statistics import average
from vidgen.types import Score


def caption_swap(
    said: Float[np.ndarray, "N K"], wanted: Float[np.ndarray, "N K"], captions: tuple[str, ...]
) -> Score:
    """How much better answers fit their own captions than those of others.

    The fit of a clip to a caption is the probability that a frozen network of real clips gives to
    what the caption says, mean over the questions it answers. From that of its own caption, each
    clip's mean fit to all other captions of the list is taken away: the mean over every swap there
    is. A generator that ignores the text scores 0, whatever it draws; real clips score what the
    network can tell.

    Args:
        said: probabilities of the answers, a distribution for each question.
        wanted: what each caption says, a distribution for each question and 0 where it says
            nothing.
        captions: of the prompts; clips of the same caption are no swap.
    """
    questions = wanted.sum(1)
    if not (questions > 0).all():
        return Score.missing("the network was not taught what some of the captions ask")
    if len(set(captions)) < 2:
        return Score.missing("with one caption there is nothing to swap")
    fit = said @ (wanted / questions[:, None]).T
    _, label = np.unique(captions, return_inverse=True)
    other = label[:, None] != label[None, :]
    swapped = (fit * other).sum(1) / other.sum(1)
    return average(np.diagonal(fit) - swapped, note="mean over all swaps")

"""Best of K: what a lucky draw scores, and never without what an honest one does.

Where more than one clip would be right, the distance from the one real clip punishes a generator
for the others. So the same prompt is answered K times, and the nearest answer is told beside the
mean (after Babaeizadeh et al., "Stochastic variational video prediction", 2018). The best gains by
K alone, chance included, so that it says nothing without K and the mean.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.features.feature import not_computed
from vidgen.evaluation.judge import Judge, Scores
from vidgen.evaluation.metrics import METRICS, OF_SEVERAL, Group, Stratum, several_names
from vidgen.evaluation.protocol import asked_again
from vidgen.evaluation.statistics import average, mean_of_known
from vidgen.types import Better, Score

_ASKED: Stratum = "text+image"
"""Prompts that give first frames: others have many right answers, and no real clip to be near."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestOf:
    """A metric against the real clip where each prompt was answered K times.

    Attributes:
        mean: over prompts and answers.
        best: mean over prompts of the best answer.
        k: K.
    """

    mean: Score
    best: Score
    k: int


def best_of(
    values: Float[np.ndarray, "N K"], *, better: Better = "higher", note: str = ""
) -> BestOf:
    """Mean and best of K answers a prompt, with t intervals over prompts.

    Args:
        values: a metric of each of the K answers to N prompts, such as ``psnr(a, b).mean(1)``.
        better: which way is good.
        note: goes before K.
    """
    k = values.shape[1]
    best = values.max(1) if better == "higher" else values.min(1)
    before = f"{note}; " if note else ""
    return BestOf(
        mean=average(values.mean(1), better=better, note=f"{before}mean of K={k} answers a prompt"),
        best=average(best, better=better, note=f"{before}best of K={k} answers a prompt"),
        k=k,
    )


def judge_answers(
    judge: Judge, first: ClipSet, further: ClipSet, prompts: ClipSet, *, answers: int
) -> Scores:
    """Mean and best of K answers by every metric against the real clip.

    Args:
        judge: of the comparison; of its groups those are computed that have such metrics.
        first: the answers to the list of prompts.
        further: the answers to `protocol.asked_again`.
        prompts: the list.
        answers: K.

    Returns:
        Scores by (metric, stratum), the stratum being that of prompts that give first frames; a
        metric that cannot be computed is there with the reason.

    Raises:
        ValueError: if the clips do not answer the prompts.
    """
    given = prompts.context_mask
    groups: list[Group] = [METRICS[name].group for name in OF_SEVERAL]
    judge = judge.only(groups)
    sets = ((first[given], prompts[given]), (further, asked_again(prompts, answers=answers)))
    found = [judge.by_frame(clips, real) for clips, real in sets]
    failed = sum(int(clips.failed.sum()) for clips, _ in sets)
    note = f"{failed} failed clips" if failed else ""
    scores: dict[tuple[str, Stratum], Score] = {}
    for name in OF_SEVERAL:
        metric = METRICS[name]
        mean, best = several_names(name)
        if name in found[0][0]:
            each = np.concatenate([mean_of_known(frames[name]) for frames, _ in found])
            of_k = best_of(each.reshape(answers, -1).T, better=metric.better, note=note)
            scores[mean, _ASKED], scores[best, _ASKED] = of_k.mean, of_k.best
        elif metric.group in judge.groups:
            why = not_computed(found[0][1].get(metric.group, ""))
            missing = Score.missing(why, better=metric.better)
            scores[mean, _ASKED] = scores[best, _ASKED] = missing
    return scores

"""The court of a comparison: what must be there, once, before anybody is judged.

Prompts, the judge's networks and the scores of the anchors are the same for all jobs, wherever they
run. One process makes them while the others wait.
"""

from __future__ import annotations

import contextlib
import math

from rich.console import Console

from vidgen import bucket
from vidgen.comparison.answers import ask_anchors_again
from vidgen.comparison.jobs import run_anchors
from vidgen.comparison.question import setting_of_jobs
from vidgen.comparison.rollouts import roll_anchors_out
from vidgen.comparison.setting import Setting
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.features.in_domain import KINDS
from vidgen.training.lock import held


def court_of(setting: Setting) -> Setting:
    """Whose court a job is judged by: its own, or at an equal price that of the one around."""
    return setting if setting.folder.holds_court else setting_of_jobs(setting.folder.court)


def prepare_court(setting: Setting, console: Console) -> None:
    """Draw the prompts, train the judge and judge the anchors, or do what is left of it.

    Does nothing for a setting that holds no court.

    Args:
        setting: of a comparison, whose record is written.
        console: where progress is shown, that of the judge from now on too.
    """
    setting.console = console
    if not setting.folder.holds_court:
        return

    def say(notice: str) -> None:
        console.print(notice, style="bold yellow", markup=False, soft_wrap=True)

    lock = bucket.address(setting.folder.court_lock)
    with held(lock, advice="stop that process", say=say, patience=math.inf):
        run_anchors(setting)
        ask_anchors_again(setting)
        roll_anchors_out(setting)
        if _chooses(setting):
            _ = setting.validation_prompts
        _learn(setting)


def _chooses(setting: Setting) -> bool:
    """Whether anybody chooses among checkpoints or sampler settings."""
    return bool(setting.experiment.sweeps) or setting.experiment.candidates > 1


def _learn(setting: Setting) -> None:
    """See to it that the judge's networks lie on disk: anchors may have been judged by others."""
    # Where the clips are unsuitable, the judge says so of every metric that rests on a network.
    if "in-domain" in setting.experiment.metrics:
        with contextlib.suppress(UnsuitableClipsError):
            for kind in KINDS:
                setting.features.network(kind)
    if "alignment" in setting.experiment.metrics:
        with contextlib.suppress(UnsuitableClipsError):
            setting.features.towers()
    if "detection" in setting.experiment.metrics:
        with contextlib.suppress(UnsuitableClipsError):
            setting.features.detector()

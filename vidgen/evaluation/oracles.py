"""How a source finds its oracle.

A source that is not named here is judged by `Oracle`, if it has objects and physics; one that has
neither brings an oracle of its own::

    @register_oracle("my-world")
    def my_oracle(train, seed): return MyOracle(train)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from vidgen.data import Source, source
from vidgen.evaluation import clip_oracle
from vidgen.evaluation.babyai_oracle import BabyAIOracle
from vidgen.evaluation.camera_broken import camera_broken_moving
from vidgen.evaluation.camera_oracle import CameraVerdicts, examine_camera
from vidgen.evaluation.clip_oracle import ClipOracle, UnjudgeableError
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.oracle import Oracle
from vidgen.evaluation.story_oracle import StoryOracle
from vidgen.types import Score

Build = Callable[[Source, int], ClipOracle]
"""An oracle from a training split and a seed."""

_builders: dict[str, Build] = {}


def register_oracle(name: str) -> Callable[[Build], Build]:
    """Decorator of the function that builds the oracle of the sources called `name`.

    Raises:
        ValueError: if the name is taken by another function.
    """

    def add(build: Build) -> Build:
        taken = _builders.setdefault(name, build)
        if (taken.__module__, taken.__qualname__) != (build.__module__, build.__qualname__):
            raise ValueError(f"the source {name!r} has an oracle already: {taken.__qualname__}")
        return build

    return add


def oracle_for(train: Source, *, seed: int = 0) -> ClipOracle:
    """The oracle of a source.

    Args:
        train: its training split; an oracle learns from its exemplars alone, if at all.
        seed: of what it learns with.

    Raises:
        UnjudgeableError: if the source has no oracle.
        ImportError: if an optional package is not installed, with what to install.
    """
    return _builders.get(train.name, _of_objects)(train, seed)


def oracle_success(clips: ClipSet, truth: ClipSet, *, oracle: ClipOracle | None = None) -> Score:
    """Share of clips that show exactly what was asked, with Wilson's interval.

    Args:
        clips: the answers.
        truth: the prompts they answer: the real clips with their truth.
        oracle: the judge; None builds one from the training split of the source that `truth`
            names, with the source's default options.

    Raises:
        UnjudgeableError: if the clips have no ground truth.
        ValueError: if the two sets do not belong together.
    """
    if oracle is None:
        oracle = _default_oracle(truth.source.partition("/")[0])
    return clip_oracle.success(oracle, clips, truth)


class CameraOracle:
    """The oracle of the source ``"camera"``, which learns nothing."""

    def examine(self, clips: ClipSet, real: ClipSet) -> CameraVerdicts:
        """See `camera_oracle.examine_camera`."""
        return examine_camera(clips, real)

    def broken(self, real: ClipSet, *, seed: int) -> Mapping[str, tuple[ClipSet, ClipSet]]:
        """See `camera_broken.camera_broken`; clips that should hold still are left out."""
        return camera_broken_moving(real, seed=seed)


@functools.cache
def _default_oracle(name: str) -> ClipOracle:
    if not name:
        raise UnjudgeableError("the prompts do not name their source; pass an oracle")
    return oracle_for(source(name, split="train"))


@register_oracle("camera")
def _of_the_camera(train: Source, seed: int) -> ClipOracle:
    return CameraOracle()


@register_oracle("babyai")
def _of_the_grid_world(train: Source, seed: int) -> ClipOracle:
    return BabyAIOracle()


@register_oracle("stories")
def _of_stories(train: Source, seed: int) -> ClipOracle:
    return StoryOracle(train, seed=seed)


def _of_objects(train: Source, seed: int) -> ClipOracle:
    return Oracle(train, seed=seed)

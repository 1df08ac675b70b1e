"""The oracle of the source `babyai`: does an agent do what its sentence asked, by the rules?

Every frame is read back into a grid (`babyai_tiles`) and every step replayed through MiniGrid
itself (`babyai_rules`). A clip is a *success* if, at once,

- every frame is a state: all cells known, one agent, a wall all around;
- the first state is the one that was given, where one was;
- every step is legal, and nothing moves once the mission is fulfilled;
- no object is lost, gained or changed, but for the one that is carried and boxes that are opened;
- MiniGrid's verifier finds the mission fulfilled.

What the agent carries is in no picture: it is whatever it has legally picked up.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from vidgen.evaluation.babyai_broken import babyai_broken
from vidgen.evaluation.babyai_rules import Played, play
from vidgen.evaluation.babyai_tiles import NO_TILE, Tiles
from vidgen.evaluation.clip_oracle import Confusion, Measure, UnjudgeableError, of_one_shape
from vidgen.evaluation.clipset import ClipSet


@dataclasses.dataclass(frozen=True, kw_only=True)
class BabyAIVerdicts:
    """What the oracle saw in N clips.

    Attributes:
        readable: bool [N T], whether each frame is a state.
        begins: bool [N], whether the first state is the given one; True where none was given.
        legal: bool [N T-1], whether each step is.
        fulfilled: bool [N], whether the mission is, by legal steps.
        conserved: bool [N T], whether the objects are those of the first frame.
        tiles: int64 [N T X Y], what was read, -1 for the unknown.
        expert: int64 [N T X Y], what the expert's clips show.
        names: of the tiles.
    """

    readable: np.ndarray
    begins: np.ndarray
    legal: np.ndarray
    fulfilled: np.ndarray
    conserved: np.ndarray
    tiles: np.ndarray
    expert: np.ndarray
    names: tuple[str, ...]

    @property
    def success(self) -> np.ndarray:
        """bool [N], all of it at once."""
        states = self.readable.all(1) & self.conserved.all(1)
        return states & self.begins & self.legal.all(1) & self.fulfilled

    @property
    def silence(self) -> str:
        """Why other metrics have no value here."""
        return "in a grid world nothing moves by itself"

    def measures(self) -> Mapping[str, Measure]:
        """By the names of `metrics.METRICS`; a step stands at the later of its two frames."""
        steps = np.pad(self.legal.astype(np.float64), ((0, 0), (1, 0)), constant_values=np.nan)
        return {
            "oracle_success": Measure(kind="proportion", values=self.success),
            "mission": Measure(kind="proportion", values=self.fulfilled),
            "conserved": Measure(kind="proportion", values=np.asarray(self.conserved.all(1))),
            "legal_rate": Measure(kind="rate", values=self.legal.mean(1)),
            "drift_legal_rate": Measure(kind="drift", values=steps),
        }

    def confusions(self) -> Mapping[str, Confusion]:
        """Tiles of the expert's clip against tiles read, over all cells and frames.

        Of real clips and reconstructions it is the error of the reader; of others it counts as well
        whatever they do otherwise than the expert.
        """
        return {
            "tile": Confusion.of(
                self.expert.ravel(), self.tiles.ravel(), self.names, (*self.names, "unknown")
            )
        }


class BabyAIOracle:
    """Judges clips of MiniGrid's levels; it learns nothing.

    Raises:
        ImportError: on examining, if minigrid is not installed.
    """

    def examine(self, clips: ClipSet, real: ClipSet) -> BabyAIVerdicts:
        """What the clips show, see `ClipOracle.examine`."""
        tiles = _tiles_of(clips, real)
        assert real.truth is not None
        episodes = real.truth.episodes
        assert episodes is not None
        expert = np.stack([tiles.number(e.grid, e.agent) for e in episodes])
        read = tiles.read(clips.video)
        # A clip that could not be drawn shows nothing at all, whatever stands in its place.
        read[clips.failed] = NO_TILE
        played = [play(states, tiles, e) for states, e in zip(read, episodes, strict=True)]
        begins = (read[:, 0] == expert[:, 0]).all((1, 2)) | ~real.context_mask
        return BabyAIVerdicts(
            readable=np.stack([p.readable for p in played]),
            begins=begins,
            legal=np.stack([p.legal for p in played]),
            fulfilled=np.array([p.fulfilled for p in played]),
            conserved=np.stack(
                [_conserved(states, p, tiles) for states, p in zip(read, played, strict=True)]
            ),
            tiles=read,
            expert=expert,
            names=tiles.names,
        )

    def broken(self, real: ClipSet, *, seed: int) -> Mapping[str, tuple[ClipSet, ClipSet]]:
        """See `babyai_broken.babyai_broken`."""
        return babyai_broken(real, _tiles_of(real, real), seed=seed)


@functools.cache
def _tiles(size: int) -> Tiles:
    return Tiles(size)


def _tiles_of(clips: ClipSet, real: ClipSet) -> Tiles:
    of_one_shape(clips, real)
    if real.truth is None or real.truth.episodes is None:
        raise UnjudgeableError("the prompts do not know their episode: take them from 'babyai'")
    unfinished = sum(not episode.fulfilled for episode in real.truth.episodes)
    if unfinished:
        raise UnjudgeableError(
            f"in {unfinished} of the real clips the mission is not fulfilled by the last frame, so "
            "that nobody can be asked to: take the source with long='redraw'"
        )
    columns, rows = real.truth.episodes[0].grid.shape[1:3]
    height, width = real.video.shape[2:4]
    if height % rows or height // rows * columns != width:
        raise UnjudgeableError(f"clips of {height}x{width} px are no grid of {rows}x{columns}")
    try:
        return _tiles(height // rows)
    except ValueError as reason:
        raise UnjudgeableError(str(reason)) from reason


def _conserved(states: np.ndarray, played: Played, tiles: Tiles) -> np.ndarray:
    """bool [T], whether the objects of states [T X Y], and the one in hand, are those of the first.

    Of a box that is opened, what it held may lie there instead.
    """
    objects = [_objects(state, tiles) for state in states]
    found = np.zeros(len(states), np.bool_)
    for t, now in enumerate(objects):
        if played.held[t]:
            now[played.held[t]] += 1
        lost, gained = objects[0] - now, now - objects[0]
        boxes = all(name.endswith("box") for name in lost)
        within = max(lost.total(), gained.total()) <= played.opened[t]
        found[t] = boxes and within and played.readable[t]
    return found


def _objects(state: np.ndarray, tiles: Tiles) -> collections.Counter[str]:
    """How often each object is there; walls are, doors are whether open or not."""
    found: collections.Counter[str] = collections.Counter()
    for number, count in zip(*np.unique(state[state >= 0], return_counts=True), strict=True):
        words = tiles.names[number].split()
        if words[-1] in ("key", "ball", "box", "door", "wall"):
            found[" ".join(words[-2:])] += int(count)
    return found

"""BabyAI: a sentence, a grid world, and an expert who does what the sentence says."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
import os
from collections.abc import Sequence
from importlib import metadata
from typing import Literal

import numpy as np

from vidgen.data import babyai_words
from vidgen.data.babyai_cache import Record, RecordCache
from vidgen.data.babyai_episode import initial_hash, make_level, play, start
from vidgen.data.source import check_size
from vidgen.data.splits import LENGTHS, Part, part_named
from vidgen.registry import suggest
from vidgen.types import Clip, Episode, Truth

_RENDERING = 1
"""Part of the fingerprint: to be raised whenever the same options give other clips."""

_SHARES: dict[Part, tuple[float, float]] = {
    "train": (0.0, 0.7),
    "validation": (0.7, 0.85),
    "test": (0.85, 1.0),
}
"""Of all beginnings of an episode, by their hash as a number in [0, 1)."""

_LAYOUTS, _EPISODES = 10_000, 500
"""How many are tried for one clip before the options are blamed."""

Long = Literal["redraw", "cut"]
LONG: tuple[Long, ...] = ("redraw", "cut")


def babyai(
    split: str = "train",
    *,
    levels: str | Sequence[str] = "BabyAI-GoToLocal-v0",
    frames: int = 16,
    tile: int = 8,
    long: str = "redraw",
    cache: str | os.PathLike[str] | None = None,
    clips: int | None = None,
    fps: int = 8,
    seed: int = 0,
) -> BabyAI:
    """Clips such as "go to the blue key", played by MiniGrid's own expert bot.

    Args:
        split: "train", "validation" or "test". An episode belongs to one of them by a hash of how
            it begins (grid, agent and mission), so that no two splits share a beginning, let alone
            a seed.
        levels: gym ids of one or more levels with grids of one size, as a sequence or with commas
            between them; a clip takes one at random.
        frames: T. The first shows the beginning; once the mission is fulfilled the last is held.
        tile: side of a cell, pixels: 8 makes 64x64 of a single room's 8x8 cells.
        long: what becomes of an episode that needs more than T frames. "redraw" takes another one
            in its place, so that every clip fulfils its mission; "cut" keeps its first T frames.
        cache: a folder in which rendered clips are kept, see `vidgen.data.babyai_cache`; None
            renders them each time and writes nothing.
        clips: length of the source; by default 65,536 for training and 4,096 for the rest.
        fps: frames a second, for playing only.
        seed: of the sequence of episodes.

    Raises:
        ImportError: if minigrid (or, with a cache, array_record) is not installed.
        UnknownNameError: for a level that does not exist, with the near misses.
        ValueError: for a level that the bot cannot solve, levels of different sizes, a
            compositional split, or an option out of range.
    """
    part = part_named(split, "babyai")
    if long not in LONG:
        raise suggest(long, LONG, "way with long episodes")
    clips = LENGTHS[part] if clips is None else clips
    for name, value, least in (
        ("frames", frames, 2),
        ("tile", tile, 3),
        ("clips", clips, 1),
        ("fps", fps, 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    names = levels.split(",") if isinstance(levels, str) else levels
    return BabyAI(
        part,
        tuple(name.strip() for name in names),
        frames=frames,
        tile=tile,
        cut=long == "cut",
        cache=cache,
        clips=clips,
        fps=fps,
        seed=seed,
    )


class BabyAI:
    """A virtual source: clip `i` is an episode whose seed is a hash of the source and `i`.

    The seeds of a clip are tried in a fixed order until one begins an episode of the split that the
    bot solves, in T frames if `long` says so. The whole grid is seen from above; what the agent
    carries is not shown, as in MiniGrid's own pictures.

    ``truth.episode`` holds the states, the actions and whether the mission is fulfilled.
    ``truth.identity`` is the agent, ``truth.motion`` the mission, ``truth.boxes`` and
    ``truth.masks`` the agent's cell.
    """

    name = "babyai"
    physics = None
    channels = 3

    def __init__(
        self,
        split: Part,
        levels: tuple[str, ...],
        *,
        frames: int,
        tile: int,
        cut: bool,
        cache: str | os.PathLike[str] | None,
        clips: int,
        fps: int,
        seed: int,
    ) -> None:
        grids = {level: (env.height, env.width) for level in levels for env in [make_level(level)]}
        if len(set(grids.values())) != 1:
            sizes = ", ".join(
                f"{level} {rows}x{columns}" for level, (rows, columns) in grids.items()
            )
            raise ValueError(
                f"clips of one source have one size, and these levels do not: {sizes or 'none'}"
            )
        rows, columns = next(iter(grids.values()))
        check_size(frames, rows * tile, columns * tile, self.channels)
        self.split, self.levels, self.fps = split, levels, fps
        self.frames, self.height, self.width = frames, rows * tile, columns * tile
        self._part: Part = split
        self._tile, self._cut, self._clips, self._seed = tile, cut, clips, seed
        self._cache = (
            None
            if cache is None
            else RecordCache(
                cache,
                name=self.name,
                fingerprint=self.fingerprint,
                length=clips,
                render=self._record,
            )
        )

    @functools.cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word of the BabyAI language and the full stop, sorted."""
        return babyai_words.vocabulary()

    @functools.cached_property
    def max_words(self) -> int:
        """The most words of a mission of these levels, a full stop included."""
        return 1 + max(babyai_words.most_words(level) for level in self.levels)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of the options and of the version of MiniGrid, which decides what is played."""
        options = [
            _RENDERING,
            metadata.version("minigrid"),
            self.name,
            self.split,
            list(self.levels),
            [self.frames, self.height, self.width, self._tile, self._cut],
            [self._clips, self.fps, self._seed],
            _SHARES,
        ]
        return hashlib.sha256(json.dumps(options).encode()).hexdigest()

    def exemplars(self) -> None:
        """There are no objects with splits of their own."""
        return

    def __len__(self) -> int:
        return self._clips

    def __getitem__(self, index: int) -> Clip:
        """Clip number `index`.

        Raises:
            IndexError: outside [0, len).
            ValueError: if no episode of these levels fits the options, with what to change.
            CorruptFileError: if a file of the cache is damaged.
        """
        index = operator.index(index)
        if not 0 <= index < self._clips:
            raise IndexError(f"clip {index} of {self._clips}")
        header, arrays = self._record(index) if self._cache is None else self._cache[index]
        mission = header["mission"]
        episode = Episode(
            level=header["level"],
            seed=header["seed"],
            grid=arrays["grid"],
            agent=arrays["agent"],
            actions=arrays["actions"],
            fulfilled=header["fulfilled"],
        )
        boxes = self._boxes(episode)
        return Clip(
            video=arrays["video"],
            caption=mission,
            truth=Truth(
                identity=("agent",),
                motion=(mission,),
                boxes=boxes[:, None].astype(np.float32),
                masks=self._masks(boxes),
                episode=episode,
            ),
        )

    def _record(self, index: int) -> Record:
        """What decides a clip, as the cache keeps it."""
        low, high = _SHARES[self._part]
        played = 0
        for layout in range(_LAYOUTS):
            level, seed = self._drawn(index, layout)
            env = start(level, seed)
            share = int.from_bytes(initial_hash(env)[:4], "big") / 2**32
            if not low <= share < high:
                continue
            mission = str(env.mission)
            found = play(env, level, seed, frames=self.frames, tile=self._tile, cut=self._cut)
            if found is not None:
                video, episode = found
                header = {
                    "mission": mission,
                    "level": level,
                    "seed": seed,
                    "fulfilled": episode.fulfilled,
                }
                return header, {
                    "video": video,
                    "grid": episode.grid,
                    "agent": episode.agent,
                    "actions": episode.actions,
                }
            played += 1
            if played == _EPISODES:
                break
        raise ValueError(
            f"clip {index}: of {played} episodes of {', '.join(self.levels)} that belong to "
            f"{self.split!r} the bot solves none in {self.frames} frames; give more frames, or "
            "long='cut'"
        )

    def _drawn(self, index: int, layout: int) -> tuple[str, int]:
        """The level and the seed of a clip's candidate."""
        text = "/".join([*self.levels, self.split, str(self._seed), str(index), str(layout)])
        digest = hashlib.sha256(text.encode()).digest()
        level = self.levels[int.from_bytes(digest[8:16], "big") * len(self.levels) >> 64]
        return level, int.from_bytes(digest[:8], "big") >> 1

    def _boxes(self, episode: Episode) -> np.ndarray:
        """int [T 4], (top, left, bottom, right) of the agent's cell."""
        x, y = episode.agent[:, 0].astype(int), episode.agent[:, 1].astype(int)
        return np.stack([y, x, y + 1, x + 1], axis=1) * self._tile

    def _masks(self, boxes: np.ndarray) -> np.ndarray:
        """bool [T H W], the agent's cell."""
        rows, columns = np.arange(self.height)[None], np.arange(self.width)[None]
        top, left, bottom, right = boxes.T[:, :, None]
        inside_y, inside_x = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
        return inside_y[:, :, None] & inside_x[:, None]

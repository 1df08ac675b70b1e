"""Clips of a grid world broken on purpose, and the prompts that they answer wrongly.

Each kind takes an expert's clips and does one thing wrong that a generator might. The share of them
that the oracle lets pass, which should be 0, is its own error and is published beside its verdicts.
"""

from __future__ import annotations

import re

import numpy as np

from vidgen.evaluation.babyai_tiles import Tiles
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.reordering import others

_ARTICLES = re.compile(r"\b(a|the) ")


def babyai_broken(real: ClipSet, tiles: Tiles, *, seed: int) -> dict[str, tuple[ClipSet, ClipSet]]:
    """Every kind of broken clip, and its prompts, as if each were a generator's answers.

    From the middle of the clip on, where nothing else is said:

    - ``vanishes``: an object is gone (a door, or a piece of wall, where there is no other).
    - ``second-object``: an object more lies on the floor.
    - ``swapped``: an object turns into another one.
    - ``freezes``: everything stands still from half of the expert's steps on.
    - ``reversed``: the expert's steps backwards.
    - ``skips``: one of the steps in the middle is left out.
    - ``shuffled-frames``: the first frame, then the others in disorder.
    - ``wrong-caption``: the clip of another mission.

    ``skips`` and ``shuffled-frames`` are made of the clips of at least two steps.

    Args:
        real: an expert's clips with their truth.
        tiles: how the world is drawn.
        seed: of the choices.

    Raises:
        ValueError: if all clips have the same mission, or none has two steps.
    """
    assert real.truth is not None
    episodes = real.truth.episodes
    assert episodes is not None
    # "a" and "the" tell how many there are to choose from, and ask for the same.
    missions = [_ARTICLES.sub("", caption) for caption in real.captions]
    rng = np.random.default_rng([seed, 5])
    steps = np.array([int((episode.actions >= 0).sum()) for episode in episodes])
    long = steps >= 2
    if not long.any():
        raise ValueError("none of the episodes has two steps, so none can skip one")
    n, frames = real.video.shape[:2]
    kinds = ("vanishes", "second-object", "swapped")
    made = {kind: real.video.copy() for kind in kinds}
    for clip, episode in enumerate(episodes):
        states = tiles.number(episode.grid, episode.agent)
        x, y = _object(states[frames // 2], tiles, rng)
        shown = states[:, x, y]
        was = shown[frames // 2]
        lasts = (np.arange(frames) >= frames // 2) & (shown == was)
        things = [k for k, name in enumerate(tiles.names) if _portable(name) and k != was]
        floor = np.argwhere((states == tiles.names.index("empty")).all(0))
        free_x, free_y = floor[rng.integers(len(floor))].tolist()
        late = np.arange(frames) >= frames // 2
        thing = int(rng.choice(things))
        _paint(made["vanishes"][clip], lasts, x, y, tiles, tiles.names.index("empty"))
        _paint(made["swapped"][clip], lasts, x, y, tiles, thing)
        _paint(made["second-object"][clip], late, free_x, free_y, tiles, thing)
    time = np.arange(frames)[None]
    half = (steps[:, None] + 1) // 2
    order = {
        "freezes": np.minimum(time, half - 1),
        "reversed": np.maximum(steps[:, None] - time, 0),
        "skips": np.minimum(time + (time >= half), frames - 1),
        "shuffled-frames": _shuffled(steps, frames, rng),
    }
    rows = np.arange(n)[:, None]
    made |= {kind: real.video[rows, chosen] for kind, chosen in order.items()}
    made["wrong-caption"] = real.video[others(missions, rng, "mission")]
    pairs = {kind: (real.replace(video=video), real) for kind, video in made.items()}
    for kind in ("skips", "shuffled-frames"):
        pairs[kind] = (pairs[kind][0][long], real[long])
    return pairs


def _portable(name: str) -> bool:
    return name.split()[-1] in ("key", "ball", "box")


def _object(state: np.ndarray, tiles: Tiles, rng: np.random.Generator) -> tuple[int, int]:
    """Where in a state [X Y] there is something to break: what can be carried, else doors, walls.

    The wall is one of the border.
    """
    names = np.array(tiles.names)[state]
    for is_one in (_portable, lambda name: name.endswith("door") and "agent" not in name):
        places = [place for place in np.ndindex(state.shape) if is_one(str(names[place]))]
        if places:
            x, y = places[rng.integers(len(places))]
            return int(x), int(y)
    return 0, 1


def _paint(
    video: np.ndarray, frames: np.ndarray, x: int, y: int, tiles: Tiles, number: int
) -> None:
    """Draw a tile into a cell of some frames, in place."""
    size = tiles.size
    video[frames, y * size : (y + 1) * size, x * size : (x + 1) * size] = tiles.pixels[number]


def _shuffled(steps: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """int64 [N T], the first frame, then the others in an order that shows others than the true."""
    found = np.tile(np.arange(frames), (len(steps), 1))
    for clip in np.flatnonzero(steps >= 2):
        true = np.minimum(np.arange(frames), steps[clip])
        while (np.minimum(found[clip], steps[clip]) == true).all():
            found[clip, 1:] = 1 + rng.permutation(frames - 1)
    return found

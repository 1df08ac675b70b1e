"""Does the truth of the source `babyai` tell the whole truth?

    python benchmarks/babyai_replay.py

Every episode is played by the bot and drawn by the source; then MiniGrid is reset with the
episode's seed, takes the recorded actions by its own dynamics and draws the frames by itself. Both
must agree to the last pixel, as must the recorded states; the missions must all be fulfilled.
Expect 1,000 of 1,000 in about two minutes on one idle core.
"""

from __future__ import annotations

import collections
import dataclasses
import sys
import time

import numpy as np
import tyro

LEVELS = ("BabyAI-GoToLocal-v0", "BabyAI-PickupLoc-v0", "BabyAI-PutNextLocal-v0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to replay.

    Attributes:
        episodes: how many.
        levels: gym ids, with grids of one size.
        split: of the source.
        tile: pixels of a cell.
        frames: T.
    """

    episodes: int = 1_000
    levels: tuple[str, ...] = LEVELS
    split: str = "train"
    tile: int = 8
    frames: int = 16


def main(settings: Settings) -> int:
    """Replay, and print what differs; the exit code is 1 if anything does."""
    from vidgen.data import source
    from vidgen.data.babyai_episode import replay

    chosen = source(
        "babyai",
        split=settings.split,
        levels=settings.levels,
        tile=settings.tile,
        frames=settings.frames,
        clips=settings.episodes,
    )
    same, fulfilled, spent = collections.Counter(), collections.Counter(), 0.0
    for index in range(settings.episodes):
        before = time.perf_counter()
        clip = chosen[index]
        spent += time.perf_counter() - before
        assert clip.truth is not None
        episode = clip.truth.episode
        assert episode is not None
        agrees = np.array_equal(replay(episode, tile=settings.tile), clip.video)
        same[episode.level] += agrees
        fulfilled[episode.level] += episode.fulfilled
        if not agrees:
            print(f"clip {index} ({episode.level}, seed {episode.seed}): other frames")
    for level in settings.levels:
        print(f"{level:<28} {same[level]:>6} replayed alike, {fulfilled[level]:>6} fulfilled")
    print(
        f"{same.total()} of {settings.episodes} episodes replayed through MiniGrid's dynamics give "
        f"the same frames; {settings.episodes / spent:.0f} clips a second were played and drawn"
    )
    return 0 if same.total() == settings.episodes else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))

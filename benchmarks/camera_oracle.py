"""How far can the oracle of the source `camera` be trusted?

    python benchmarks/camera_oracle.py
    python benchmarks/camera_oracle.py --size 32 --frames 8

Held-out real clips must pass; the same clips broken on purpose must not. Prints the share of each
that passes, with Wilson's interval, and every script that was taken for another one. With the
defaults expect real clips at 1.00 and every broken kind at or below 0.02, in about three minutes on
one idle core.
"""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to judge.

    Attributes:
        clips: how many.
        split: of the source.
        size: of a frame, pixels.
        frames: T.
        seed: of the choice of clips and of the breaking.
    """

    clips: int = 200
    split: str = "test"
    size: int = 64
    frames: int = 16
    seed: int = 0


def main(settings: Settings) -> int:
    """Judge and print."""
    from vidgen.data import source
    from vidgen.evaluation import camera_own_error, examine_camera, protocol

    chosen = source("camera", split=settings.split, size=settings.size, frames=settings.frames)
    real = protocol(chosen, n=settings.clips, seed=settings.seed, context_frames=1)
    for kind, score in camera_own_error(real, seed=settings.seed).items():
        print(f"{kind:<18} {score.value:.3f}  [{score.low:.3f}, {score.high:.3f}]  n={score.n}")
    confusion = examine_camera(real, real).confusion()
    print(f"scripts recognised on real clips: {confusion.accuracy:.3f}")
    wrong = confusion.counts.copy()
    np.fill_diagonal(wrong, 0)
    for asked, seen in zip(*np.nonzero(wrong), strict=True):
        print(
            f"  {confusion.classes[asked]} taken for {confusion.seen[seen]}: {wrong[asked, seen]}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))

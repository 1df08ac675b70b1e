"""Which detector should judge: one look at every cell, or proposals and a second look at each?

    python experiments/detectors.py

Both detectors of `vidgen.vision.detection` learn from the same real clips of a train split, in as
many steps, and look at every frame of clips of the split ``test``, which nothing was chosen by. A
line is a detector: COCO's average precisions of boxes and masks (AP50 counts half an overlap as
right, AP is the mean over overlaps of 0.50 to 0.95), means over seeds with t intervals, or of one
seed with a percentile bootstrap over clips; the numbers that it has learned; how many frames a
second it looks at, masks included, in batches of 64, all in one process on the device named. Then
how often detector and oracle agree on whether a clip is what was asked: on real clips, on clips
broken on purpose (all kinds in equal parts), and the kind on which they agree the least; with
Wilson's intervals at the number of clips.

Measured, on one seed (`--seeds 0`), 512 clips or 4,096 frames, and 256 prompts, of digits with the
defaults (800 steps) and of shapes with `--worlds shapes-64 --config.steps 300`, on two cores that
other work shared, so that frames/s are a lower bound::

    clips      detector      box AP50  box AP  mask AP50  mask AP  parameters  frames/s
    digits     single-stage  0.999     0.830   0.999      0.927       791,571       657
    digits     two-stage     1.000     0.834   1.000      0.957     1,176,576       689
    shapes-64  single-stage  1.000     0.871   1.000      0.982       796,833       424
    shapes-64  two-stage     1.000     0.876   1.000      0.985     1,182,734       294

No interval over clips is wider than 0.015 (box AP of digits) and those of AP50 end at 0.998 and
1.000. With the oracle they agree on 0.988 [0.966, 0.996] (single-stage) and 0.984 [0.961, 0.994] of
the real digits, whose handwriting they misread, or doubt, in every second frame or in all, and on
0.999 of the broken ones, the least on a second object (0.992 and 0.996); on 1.000 [0.985, 1.000]
and 0.996 [0.978, 0.999] of the real shapes and on 0.999 of the broken ones, the least on a second
object (0.988 both). So either may judge; the two-stage one, whose masks are better, does. In frames
of one colour, from black over grey to white, neither sees a digit.

Of two objects that cross, measured before frames of one colour were among those of training, which
the detectors took for up to six digits (`--worlds shapes-two --detectors single-stage
--config.steps 300 --clips 256 --prompts 48 --resamples 50`): box AP50 0.988 [0.986, 0.991], box AP
0.847, mask AP 0.935; the oracle is agreed with on 0.998 of the broken clips, but on 0.854 [0.728,
0.928] of the real ones alone: it forgives a frame in which an object is hidden, the detector does
not.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
import tyro

from vidgen.atomic import replacing
from vidgen.data import Source, source
from vidgen.evaluation import oracle_for, protocol
from vidgen.evaluation.detection import (
    PRECISIONS,
    DetectorConfig,
    DetectorNetwork,
    KnownFrames,
    agreement_with_oracle,
    average_precision,
    average_precision_intervals,
    motion_of_boxes,
    train_detector,
)
from vidgen.evaluation.statistics import over_seeds, wilson
from vidgen.training.timing import time_calls
from vidgen.vision.detection import DETECTORS, DetectorKind

SCHEMA_VERSION = 1

WORLDS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "digits": ("digits", {}),
        "shapes": ("shapes", {}),
        "shapes-64": ("shapes", {"size": 64}),
        "shapes-two": ("shapes", {"size": 64, "objects": 2}),
    }
)
"""Name of the source and its options; frames are 32x32 where these do not say otherwise."""

_BATCH = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Who learns from what.

    Attributes:
        worlds: names in `WORLDS`.
        detectors: who takes part.
        seeds: trainings of each.
        config: of all trainings; its kind is that of each detector.
        split: of the clips that are looked at.
        clips: of that split, for average precision.
        prompts: of that split, for the agreement with the oracle; 0 for none.
        resamples: of the bootstrap, where there is one seed.
        folder: where detectors lie, so that a run that was stopped goes on; None keeps none.
        out: where the JSON goes.
    """

    worlds: tuple[str, ...] = ("digits", "shapes-64")
    detectors: tuple[DetectorKind, ...] = DETECTORS
    seeds: tuple[int, ...] = (0, 1, 2)
    config: DetectorConfig = dataclasses.field(default_factory=DetectorConfig)
    split: str = "test"
    clips: int = 512
    prompts: int = 256
    resamples: int = 100
    folder: Path | None = None
    out: Path = Path("detectors.json")


def main(settings: Settings) -> int:
    """Train, look, print and write."""
    rows = []
    for name in settings.worlds:
        kind, options = WORLDS[name]
        train = source(kind, split="train", **options)
        validation = source(kind, split="validation", **options)
        held_out = source(kind, split=settings.split, **options)
        for detector in settings.detectors:
            print(f"{name}: {detector}", file=sys.stderr)
            networks = [
                _trained(train, validation, name, detector, seed, settings)
                for seed in settings.seeds
            ]
            line = _precisions(networks, held_out, settings)
            line |= _agreement(networks, train, held_out, settings)
            rows.append({"world": name, "detector": detector} | line)
            print(table(rows[-1:]), file=sys.stderr)
    report = {
        "schema_version": SCHEMA_VERSION,
        "settings": _plain(settings),
        "device": jax.devices()[0].device_kind,
        "rows": rows,
    }
    with replacing(settings.out) as partial:
        partial.write_text(json.dumps(report, indent=2) + "\n")
    print(table(rows))
    print(f"on {report['device']}; written to {settings.out}")
    return 0


def _trained(
    train: Source,
    validation: Source,
    world: str,
    detector: DetectorKind,
    seed: int,
    settings: Settings,
) -> DetectorNetwork:
    config = dataclasses.replace(settings.config, kind=detector)
    folder = settings.folder
    path = None if folder is None else folder / f"{world}-{detector}-{seed}.npz"
    return train_detector(train, config=config, validation=validation, seed=seed, path=path)


def _precisions(
    networks: list[DetectorNetwork], held_out: Source, settings: Settings
) -> dict[str, Any]:
    """What the networks of one detector, a seed each, see in held-out frames."""
    known = KnownFrames.of(held_out, settings.clips, 0, names=networks[0].card.classes)
    seen = [network(known.video) for network in networks]
    each = [average_precision(one, known) for one in seen]
    if len(networks) > 1:
        found = {name: list(over_seeds([one[name] for one in each])) for name in PRECISIONS}
    else:
        ends = average_precision_intervals(seen[0], known, resamples=settings.resamples)
        found = {name: [each[0][name], *ends[name]] for name in PRECISIONS}
    batch = known.video.reshape(-1, 1, *known.video.shape[2:])[:_BATCH]
    took = time_calls(lambda: networks[0](batch))
    return {
        **found,
        "seeds": len(networks),
        "clips": len(known.video),
        "frames": int(np.prod(known.video.shape[:2])),
        "parameters": networks[0].parameters,
        "frames_per_second": len(batch) / took.median,
    }


def _agreement(
    networks: list[DetectorNetwork], train: Source, held_out: Source, settings: Settings
) -> dict[str, Any]:
    """How often the networks and the oracle agree."""
    motion = motion_of_boxes(train)
    if not settings.prompts or motion is None:
        return {}
    real = protocol(held_out, n=settings.prompts, seed=0, context_frames=1)
    oracle = oracle_for(train)
    scores = [agreement_with_oracle(n, oracle, real, motion=motion) for n in networks]
    # Means over the networks, which were asked about the same clips.
    count = {kind: score.n for kind, score in scores[0].items()}
    same = {
        kind: np.mean([s[kind].value or 0.0 for s in scores]).item() * n
        for kind, n in count.items()
    }
    kinds = [kind for kind in same if kind not in ("real", "all")]
    worst = min(kinds, key=lambda kind: same[kind] / count[kind])
    broken = sum(same[kind] for kind in kinds), sum(count[kind] for kind in kinds)
    return {
        "agreement": {kind: same[kind] / count[kind] for kind in same},
        "agreement on real clips": _share(same["real"], count["real"]),
        "agreement on broken clips": _share(*broken),
        "worst kind": [worst, *_share(same[worst], count[worst])],
    }


def _share(successes: float | int, n: int) -> list[float]:
    return [successes / n, *wilson(successes, n)]


def table(rows: list[dict[str, Any]]) -> str:
    """The lines as text."""
    head = f"{'clips':<11}{'detector':<14}" + "".join(f"{name:<21}" for name in PRECISIONS)
    lines = [head + f"{'parameters':>11}{'frames/s':>10}"]
    for row in rows:
        cells = "".join(f"{_cell(row[name]):<21}" for name in PRECISIONS)
        lines.append(
            f"{row['world']:<11}{row['detector']:<14}{cells}"
            f"{row['parameters']:>11,}{row['frames_per_second']:>10.0f}"
        )
    agreed = [row for row in rows if "agreement" in row]
    if agreed:
        lines.append("")
        lines.append(
            f"{'clips':<11}{'detector':<14}{'agrees, real':<21}{'agrees, broken':<21}least on"
        )
    for row in agreed:
        kind, *share = row["worst kind"]
        real, broken = row["agreement on real clips"], row["agreement on broken clips"]
        lines.append(
            f"{row['world']:<11}{row['detector']:<14}{_cell(real):<21}{_cell(broken):<21}"
            f"{kind} {_cell(share)}"
        )
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    return "{:.3f} [{:.3f}, {:.3f}]".format(*values)


def _plain(settings: Settings) -> Mapping[str, Any]:
    plain = dataclasses.asdict(settings)
    folder = None if settings.folder is None else str(settings.folder)
    return plain | {"out": str(settings.out), "folder": folder}


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))

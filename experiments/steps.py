"""What do fewer passes of the network cost, by one training? One, two and four of mean flow, five
and ten of diffusion, by several methods, both beside fifty, and one to sixteen of masked decoding.

    python experiments/steps.py                       # the models of the zoo that have steps
    python experiments/steps.py --models diffusion.safetensors meanflow.safetensors

Each trained model answers the same prompts of the test split of its own source with every setting
of its sampler in `SETTINGS`, half of them with the first frame unless it always has one. For each
the share of successes by the oracle from a sentence alone and with a frame (Wilson's 95% intervals
over prompts, within this one training), PSNR with a frame (t), and how long one clip takes from its
sentence on, where nothing is compiled any more (median of 20). Written is a JSON.

Expected, of ``--models zoo:diffusion-digits zoo:meanflow-digits zoo:masked-digits`` on two idle CPU
cores (seed 0, 256 prompts, half of them with a frame; trained on 2.5e13 FLOPs each)::

               steps                 success, text     with a frame      PSNR             a clip
    diffusion  50                    0.96 [0.91, 0.98] 0.99 [0.96, 1.00] 33.0 [32.7, 33.4] 179 ms
               10                    0.95 [0.90, 0.98] 0.99 [0.96, 1.00] 33.9 [33.5, 34.2]  47 ms
               5                     0.93 [0.87, 0.96] 0.99 [0.96, 1.00] 33.3 [32.9, 33.6]  21 ms
               5, heun               0.96 [0.91, 0.98] 0.99 [0.96, 1.00] 33.0 [32.7, 33.4]  43 ms
               10, dpmpp_2m          0.95 [0.89, 0.97] 0.99 [0.96, 1.00] 33.8 [33.4, 34.2]  41 ms
               5, dpmpp_2m           0.94 [0.88, 0.97] 0.99 [0.96, 1.00] 33.2 [32.9, 33.6]  24 ms
               5, dpmpp_2m, unguided 0.61 [0.52, 0.69] 0.99 [0.96, 1.00] 36.1 [35.7, 36.5]  18 ms
    meanflow   1                     0.42 [0.34, 0.51] 0.98 [0.93, 0.99] 34.5 [33.9, 35.0]  11 ms
               2                     0.62 [0.53, 0.70] 0.98 [0.94, 1.00] 34.5 [34.0, 35.0]  11 ms
               4                     0.70 [0.61, 0.77] 0.98 [0.94, 1.00] 34.6 [34.1, 35.1]  16 ms
               50                    0.81 [0.74, 0.87] 0.98 [0.94, 1.00] 34.0 [33.5, 34.5] 104 ms
    masked     1                     0.01 [0.00, 0.04] 0.97 [0.92, 0.99] 49.9 [48.3, 51.4]  13 ms
               2                     0.05 [0.03, 0.11] 0.94 [0.88, 0.97] 49.8 [48.3, 51.4]  20 ms
               4                     0.21 [0.15, 0.29] 0.95 [0.89, 0.97] 49.8 [48.2, 51.4]  32 ms
               8                     0.40 [0.32, 0.48] 0.92 [0.86, 0.96] 49.7 [48.1, 51.4]  38 ms
               16                    0.66 [0.57, 0.73] 0.92 [0.86, 0.96] 49.7 [48.1, 51.4] 112 ms

and of ``--models zoo:masked-camera`` on two slower cores, all prompts with a frame::

    passes  success            PSNR               a clip
    1       0.32 [0.26, 0.38]  24.3 [23.7, 24.9]   47 ms
    2       0.35 [0.30, 0.41]  24.2 [23.6, 24.9]   96 ms
    4       0.39 [0.34, 0.46]  24.1 [23.5, 24.8]  159 ms
    8       0.47 [0.41, 0.53]  24.2 [23.5, 24.8]  287 ms
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro

import vidgen
from vidgen import zoo
from vidgen.atomic import replacing
from vidgen.comparison import model_file
from vidgen.comparison.model import Model
from vidgen.data import source
from vidgen.evaluation import ClipSet, oracle_for, protocol, psnr
from vidgen.evaluation.statistics import average, proportion
from vidgen.generators.diffusion.config import process_of

SCHEMA_VERSION = 1

SETTINGS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "diffusion": (
        {"steps": 50},
        {"steps": 10},
        {"steps": 5},
        {"steps": 5, "method": "heun"},
        {"steps": 10, "method": "dpmpp_2m"},
        {"steps": 5, "method": "dpmpp_2m"},
        {"steps": 5, "method": "dpmpp_2m", "guidance": None, "opening_guidance": None},
    ),
    "meanflow": ({"steps": 1}, {"steps": 2}, {"steps": 4}, {"steps": 50}),
    "masked": tuple({"steps": steps} for steps in (1, 2, 4, 8, 16)),
}
"""By generator, what is turned; all else as the model has it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Who answers what.

    Attributes:
        models: model files or ``zoo:NAME``; by default all of the zoo's that have steps.
        prompts: how many.
        seed: of the prompts and of the draws.
        timed: clips that are timed, after one that is not.
        out: the JSON.
    """

    models: tuple[str, ...] = ()
    prompts: int = 256
    seed: int = 0
    timed: int = 20
    out: Path = Path("steps.json")


def main(settings: Settings) -> int:
    """Draw, judge, time, print and write."""
    models = settings.models or tuple(
        f"zoo:{name}" for name in zoo.names() if name.split("-")[0] in SETTINGS
    )
    if not models:
        print("no model of the zoo has steps; name model files by --models", file=sys.stderr)
        return 1
    rows: list[dict[str, Any]] = []
    for name in models:
        model = vidgen.load(name)
        if model.file is None or model.card.name not in SETTINGS:
            raise ValueError(
                f"{name} is no model file of {', '.join(SETTINGS)}; vidgen export makes one of a "
                "run"
            )
        for row in _rows(name, model, model.file, settings):
            rows.append(row)
            _write(settings, rows)
    print(table(rows))
    return 0


def _rows(
    name: str, model: Model, card: model_file.ModelCard, settings: Settings
) -> Iterator[dict[str, Any]]:
    """A row a setting of the sampler, but for those that its path does not know."""
    task = model.task
    real = protocol(
        source(card.source, split="test", **card.options),
        n=settings.prompts,
        seed=settings.seed,
        context_frames=task.context_frames,
        # Who was never asked without a first frame has no score of that.
        context_rate=0.5 if card.score("oracle_success", "text") else 1.0,
    )
    oracle = oracle_for(source(card.source, split="train", **card.options))
    text = list(real.captions)
    given = [
        video[0] if has else None for video, has in zip(real.video, real.context_mask, strict=True)
    ]
    for setting in SETTINGS[model.card.name]:
        if "method" in setting and not _walks(model, setting["method"]):
            continue
        clips = real.replace(video=model.sample(text, image=given, seed=settings.seed, **setting))
        success = oracle.examine(clips, real).success
        took = []
        for n in range(settings.timed + 1):
            began = time.perf_counter()
            model.sample(text[0], image=given[0], seed=n, **setting)
            took.append(time.perf_counter() - began)
        told = ", ".join(f"{key}={value}".lower() for key, value in setting.items())
        yield {
            "model": name,
            "setting": told,
            "text": _share(success[~real.context_mask]),
            "text + frame": _share(success[real.context_mask]),
            "psnr": _psnr(clips, real),
            "milliseconds": round(1e3 * statistics.median(took[1:]), 2),
        }
        print(f"{name}, {told}: judged", file=sys.stderr)


def _walks(model: Model, method: str) -> bool:
    assert model.file is not None
    return method in process_of(model.file.config, model.task).methods


def _share(success: np.ndarray) -> list[float] | None:
    if not len(success):
        return None
    return [len(success), *proportion(success).interval(4)]


def _psnr(clips: ClipSet, real: ClipSet) -> list[float] | None:
    rows = np.flatnonzero(real.context_mask)
    if not len(rows):
        return None
    K = real.context_frames
    error = psnr(clips.video[rows, K:], real.video[rows, K:]).mean(axis=1)
    return average(error).interval(2)


def _write(settings: Settings, rows: Sequence[Mapping[str, Any]]) -> None:
    told = dataclasses.asdict(settings) | {"out": settings.out.name}
    report = {"schema_version": SCHEMA_VERSION, "settings": told, "rows": rows}
    with replacing(settings.out) as partial:
        partial.write_text(json.dumps(report, indent=2) + "\n")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as text."""
    lines = [f"{'model':<24}{'sampler':<36}{'text':<20}{'text + frame':<20}{'PSNR':<21}a clip"]
    for row in rows:
        text, frame = (
            "" if row[kind] is None else "{:.2f} [{:.2f}, {:.2f}]".format(*row[kind][1:])
            for kind in ("text", "text + frame")
        )
        noise = "" if row["psnr"] is None else "{:.1f} [{:.1f}, {:.1f}]".format(*row["psnr"])
        name, sampler = Path(row["model"]).name, row["setting"]
        pace = f"{row['milliseconds']:.1f} ms"
        lines.append(f"{name:<24}{sampler:<36}{text:<20}{frame:<20}{noise:<21}{pace}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))

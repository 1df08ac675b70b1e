"""Which network should judge: residual ones in 3-D and (2+1)-D, or frames with a memory?

    python experiments/judges.py

Every architecture of `vidgen.vision` learns from the same real clips of a train split, in as many
steps, to say who moves how, and is asked about clips that it never saw. A line is an architecture:
shares of clips of which it says the identity, the motion, and both right (means over seeds, with
Wilson's intervals at the number of clips), the numbers that it has learned, and how many clips
a second it looks at, in batches of 64, all in one process. The two that are best, each by the
source on which it is worse, serve evaluation (`KINDS` of `vidgen.evaluation.features.in_domain`).

Expected: what three seeds of 160 steps came to, 1,024 clips of each validation split, on two cores
that other work shared, so that clips/s are a lower bound, those of the last three of a source by
far::

    clips   architecture        identity  motion    both                  parameters  clips/s
    digits  resnet3d            0.771     0.998     0.769 [0.742, 0.794]     376,242     1448
    digits  resnet2plus1d       0.518     0.999     0.517 [0.486, 0.547]     178,386     2054
    digits  resnet-gru          0.150     0.696     0.105 [0.088, 0.125]     217,842     1752
    digits  resnet-lstm         0.120     0.598     0.076 [0.061, 0.093]     226,034     1813
    digits  resnet-transformer  0.794     0.963     0.762 [0.735, 0.787]     292,466     1805
    digits  vit-gru             0.815     0.555     0.459 [0.429, 0.490]     130,642      105
    digits  vit-lstm            0.726     0.524     0.388 [0.359, 0.418]     138,834      303
    digits  vit-transformer     0.848     0.638     0.544 [0.514, 0.575]     205,266      188
    shapes  resnet3d            0.601     0.993     0.597 [0.566, 0.626]     377,664     1434
    shapes  resnet2plus1d       0.543     0.986     0.534 [0.503, 0.564]     179,808     1432
    shapes  resnet-gru          0.491     0.552     0.275 [0.248, 0.303]     219,264     1322
    shapes  resnet-lstm         0.338     0.540     0.186 [0.163, 0.211]     227,456     1995
    shapes  resnet-transformer  0.619     0.715     0.445 [0.414, 0.475]     293,888     1902
    shapes  vit-gru             0.686     0.509     0.352 [0.323, 0.382]     133,600      313
    shapes  vit-lstm            0.647     0.452     0.293 [0.266, 0.322]     141,792      182
    shapes  vit-transformer     0.797     0.221     0.176 [0.154, 0.200]     208,224      188

In so few steps convolution over time sees best how things move, a ViT who it is, and a recurrent
memory of frames is behind. `resnet3d` and `resnet2plus1d` serve; on digits `resnet-transformer` is
as good as the first, which its eye for motion on shapes is not.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from vidgen.atomic import replacing
from vidgen.data import source
from vidgen.evaluation.features.in_domain import InDomainConfig, InDomainNetwork
from vidgen.evaluation.features.in_domain_training import Drawn, InDomainTraining
from vidgen.evaluation.features.targets import right
from vidgen.evaluation.statistics import repeated
from vidgen.training.timing import time_calls
from vidgen.vision import ARCHITECTURES, Architecture

SCHEMA_VERSION = 1

_STATISTICS = ("mean", "deviation")
"""Stored beside what was learned."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Who learns from what.

    Attributes:
        sources: of clips, by name.
        architectures: who takes part.
        seeds: trainings of each.
        config: of all trainings.
        clips: of the validation split, that are asked about.
        out: where the JSON goes.
    """

    sources: tuple[str, ...] = ("digits", "shapes")
    architectures: tuple[Architecture, ...] = ARCHITECTURES
    seeds: tuple[int, ...] = (0, 1, 2)
    config: InDomainConfig = dataclasses.field(default_factory=InDomainConfig)
    clips: int = 1024
    out: Path = Path("judges.json")


def main(settings: Settings) -> int:
    """Train, ask, print and write."""
    rows = []
    for name in settings.sources:
        train, held_out = source(name, split="train"), source(name, split="validation")
        asked = Drawn.of(held_out, settings.clips, 0)
        trainings = {
            seed: InDomainTraining(train, config=settings.config, seed=seed)
            for seed in settings.seeds
        }
        for architecture in settings.architectures:
            print(f"{name}: {architecture}", file=sys.stderr)
            networks = [training(architecture) for training in trainings.values()]
            rows.append({"source": name, "architecture": architecture} | _line(networks, asked))
    report = {"schema_version": SCHEMA_VERSION, "settings": _plain(settings), "rows": rows}
    with replacing(settings.out) as partial:
        partial.write_text(json.dumps(report, indent=2) + "\n")
    print(table(rows))
    print(f"written to {settings.out}")
    return 0


def _line(networks: list[InDomainNetwork], asked: Drawn) -> dict[str, Any]:
    """What the networks of one architecture, a seed each, say of clips."""
    targets = networks[0].card.targets
    wanted = targets(asked.said)
    hits: dict[str, list[np.ndarray]] = {name: [] for name in (*targets.names, "both")}
    for network in networks:
        said = network.probabilities(network(asked.video))
        found = [right(said[:, part], wanted[:, part]) for part in targets.parts]
        for name, one in zip(targets.names, found, strict=True):
            hits[name].append(one)
        hits["both"].append(np.all(np.stack(found) == 1, axis=0))
    scores = {name: repeated(np.stack(found) == 1) for name, found in hits.items()}
    batch = asked.video[:64]
    took = time_calls(lambda: networks[0](batch))
    learned = [w for name, w in networks[0].weights.items() if name not in _STATISTICS]
    return {
        **{name: [score.value, score.low, score.high] for name, score in scores.items()},
        "n": scores["both"].n,
        "parameters": int(sum(array.size for array in learned)),
        "clips_per_second": len(batch) / took.median,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The lines as text."""
    head = f"{'clips':<9}{'architecture':<20}{'identity':<21}{'motion':<21}{'both':<21}"
    lines = [head + f"{'parameters':>11}{'clips/s':>9}"]
    for row in rows:
        cells = [
            "{:.3f} [{:.3f}, {:.3f}]".format(*row[name]) if name in row else "-"
            for name in ("identity", "motion", "both")
        ]
        lines.append(
            f"{row['source']:<9}{row['architecture']:<20}"
            + "".join(f"{cell:<21}" for cell in cells)
            + f"{row['parameters']:>11,}{row['clips_per_second']:>9.0f}"
        )
    return "\n".join(lines)


def _plain(settings: Settings) -> Mapping[str, Any]:
    return dataclasses.asdict(settings) | {"out": str(settings.out)}


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))

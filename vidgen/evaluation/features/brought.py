"""Weights that users bring: networks that no ordinary package ships, by what they are needed for.

Where a file is absent the metric has no value, and its note says what is missing, where it comes
from and where to put it. vidgen runs the networks itself (`features.inception`, `features.c3d`,
`features.videomae`); each refuses a file of other keys or shapes, and names them.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.pretrained.weights import FORMATS, MissingWeightsError, WrongWeightsError

EXCUSES = (UnsuitableClipsError, WrongWeightsError, ImportError)
"""Why a metric on such a network may have no value."""

DIRECTORY_VARIABLE = "VIDGEN_WEIGHTS"
"""Names the directory of the files; ``~/.cache/vidgen/weights`` if it is not set."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Brought:
    """A network whose weights a user may bring.

    Attributes:
        name: of the file, without its suffix.
        metric: what is computed with it.
        network: which weights exactly, since others of the same name give other numbers.
        origin: who publishes them.
    """

    name: str
    metric: str
    network: str
    origin: str

    def find(self) -> Path:
        """The file, in the first of `FORMATS` that is there.

        Raises:
            MissingWeightsError: if it is not there; the message is fit for a score's note.
        """
        folder = directory()
        for suffix in FORMATS:
            if (path := folder / f"{self.name}{suffix}").is_file():
                return path
        raise MissingWeightsError(
            f"not computed: {self.metric} needs {self.network}; get it from {self.origin} and put "
            f"its arrays at {folder / self.name}{{{','.join(FORMATS)}}} "
            f"({DIRECTORY_VARIABLE} names another directory)"
        )


_TABLE = (
    Brought(
        name="inception-v3-fid",
        metric="FID on frames",
        network="Inception-v3 in TensorFlow's FID variant of 2015-12-05 (pool3, 2048-d)",
        origin="the reference implementation of FID, Heusel et al. 2017 (pt_inception-2015-12-05)",
    ),
    Brought(
        name="c3d-ucf101",
        metric="the Inception score",
        network="C3D trained on Sports-1M and fine-tuned on UCF-101",
        origin="TGAN's authors, Saito et al. 2017 and 2020 (conv3d_deepnetA_ucf.npz)",
    ),
    Brought(
        name="c3d-ucf101-mean",
        metric="the Inception score",
        network="the mean clip that C3D was trained without",
        origin="TGAN's authors, Saito et al. 2017 and 2020 (mean2.npz)",
    ),
    Brought(
        name="videomae-ssv2",
        metric="content-debiased FVD",
        network="VideoMAE v2 ViT-g/14, fine-tuned on Something-Something v2 (smaller ones fit, and "
        "give other numbers)",
        origin="the repository of VideoMAE v2, Wang et al. 2023 (vit_g_hybrid_pt_1200e_ssv2_ft)",
    ),
)

BROUGHT: dict[str, Brought] = {entry.name: entry for entry in _TABLE}
"""The networks by the name of their file."""


def directory() -> Path:
    """Where the files are looked for; it need not exist."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "vidgen" / "weights"

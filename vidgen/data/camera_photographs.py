"""The photographs before which a camera moves, who took them, and under which terms.

Nothing is downloaded and nothing is shipped by this project: the files lie inside the installed
packages scikit-image and scikit-learn, whose own notes (`skimage.data`, and the README beside
scikit-learn's images) state the terms:

============  ============  ==========  ========================================================
photograph    package       part        origin and terms
============  ============  ==========  ========================================================
astronaut     scikit-image  train       NASA, Eileen Collins; public domain
brick         scikit-image  train       CC0Textures (Bricks25); CC0
chelsea       scikit-image  train       Stefan van der Walt; CC0
china         scikit-learn  train       danielbuechele on Flickr; CC BY 2.0
coins         scikit-image  train       Brooklyn Museum; no known copyright restrictions
hubble        scikit-image  train       NASA, Hubble eXtreme Deep Field; public domain
ihc           scikit-image  train       CMMI, a stained tissue; no known copyright restrictions
retina        scikit-image  train       M. Häggström, a fundus; CC0
rocket        scikit-image  train       SpaceX, launch of DSCOVR; public domain
flower        scikit-learn  validation  vultilion on Flickr; CC BY 2.0
gravel        scikit-image  validation  CC0Textures (Gravel04); CC0
camera        scikit-image  test        Lav Varshney; CC0
coffee        scikit-image  test        Rachel Michetti, Pikolo Espresso Bar; CC0
grass         scikit-image  test        linolafett on DeviantArt; CC0
============  ============  ==========  ========================================================

The packages hold more pictures: drawings and charts, pictures too small or blurred to show a move,
and some (the moon, the scanned page, the motorcycles) for which no terms are stated. None of those
is used.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.util
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vidgen.data.framing import recoloured
from vidgen.data.splits import PARTS, Part, divide
from vidgen.data.stills import picture
from vidgen.registry import suggest

SHIPPED = "shipped"
"""The name of the photographs in the table above."""

_SKIMAGE, _SKLEARN = "skimage/data", "sklearn/datasets/images"

_SHIPPED: dict[str, tuple[Part, str]] = {
    "astronaut": ("train", f"{_SKIMAGE}/astronaut.png"),
    "brick": ("train", f"{_SKIMAGE}/brick.png"),
    "chelsea": ("train", f"{_SKIMAGE}/chelsea.png"),
    "china": ("train", f"{_SKLEARN}/china.jpg"),
    "coins": ("train", f"{_SKIMAGE}/coins.png"),
    "hubble": ("train", f"{_SKIMAGE}/hubble_deep_field.jpg"),
    "ihc": ("train", f"{_SKIMAGE}/ihc.png"),
    "retina": ("train", f"{_SKIMAGE}/retina.jpg"),
    "rocket": ("train", f"{_SKIMAGE}/rocket.jpg"),
    "flower": ("validation", f"{_SKLEARN}/flower.jpg"),
    "gravel": ("validation", f"{_SKIMAGE}/gravel.png"),
    "camera": ("test", f"{_SKIMAGE}/camera.png"),
    "coffee": ("test", f"{_SKIMAGE}/coffee.png"),
    "grass": ("test", f"{_SKIMAGE}/grass.png"),
}

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

_SHORTEST_SIDE = 1440
"""Pixels; a larger photograph is reduced, so that a folder of originals fits the memory."""


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A picture in a file.

    Attributes:
        name: unique within its collection.
        path: of the file.
        digest: SHA-256 of the file.
    """

    name: str
    path: Path
    digest: str

    def read(self, channels: int) -> UInt8[np.ndarray, "h w C"]:
        """Its pixels, upright and without transparency, reduced where it is very large.

        Raises:
            CorruptFileError: if the file is damaged, no picture, or too large to be opened safely.
        """
        with self.path.open("rb") as file:
            image = recoloured(picture(file, str(self.path)), channels)
        excess = min(image.size) / _SHORTEST_SIDE
        if excess > 1.0:
            size = (round(image.width / excess), round(image.height / excess))
            image = image.resize(size, Image.Resampling.LANCZOS)
        pixels = np.asarray(image)
        return pixels.reshape(*pixels.shape[:2], channels)


@functools.lru_cache(maxsize=8)
def photographs(origin: str) -> dict[Part, tuple[Photograph, ...]]:
    """The photographs of each part; no two parts share one.

    Args:
        origin: ``"shipped"``, or a folder of pictures, searched with its subfolders. A folder's
            pictures are ordered by the SHA-256 of their files and cut into 70, 15 and 15%; copies
            of a file count once.

    Raises:
        ImportError: if scikit-image is not installed and its photographs are wanted.
        FileNotFoundError: if there is no such folder.
        ValueError: if a folder holds fewer than three different pictures.
    """
    if origin == SHIPPED:
        found = {
            name: _photograph(name, _installed(relative))
            for name, (_, relative) in _SHIPPED.items()
        }
        return {
            part: tuple(found[name] for name, (of, _) in _SHIPPED.items() if of == part)
            for part in PARTS
        }
    folder = Path(origin).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"photographs {origin!r} are neither {SHIPPED!r} nor a folder of pictures"
        )
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _ENDINGS and p.is_file())
    by_digest: dict[str, Photograph] = {}
    for path in files:
        photograph = _photograph(path.relative_to(folder).as_posix(), path)
        by_digest.setdefault(photograph.digest, photograph)
    ordered = [by_digest[digest] for digest in sorted(by_digest)]
    try:
        shares = divide(len(ordered), validation=0.15, test=0.15)
    except ValueError as error:
        raise ValueError(
            f"{folder} holds {len(ordered)} different pictures ({', '.join(_ENDINGS)}); "
            "three parts need at least three"
        ) from error
    return {part: tuple(ordered[share]) for part, share in shares.items()}


UNSEEN = tuple(name for name, (part, _) in _SHIPPED.items() if part != "train")
"""Of the shipped photographs, those that no training showed."""


def shipped(name: str) -> Path:
    """The file of a shipped photograph.

    Raises:
        vidgen.registry.UnknownNameError: if there is none of the name, with near misses.
        ImportError: if the package that ships it is not installed.
        FileNotFoundError: if its version ships other pictures.
    """
    if name not in _SHIPPED:
        raise suggest(name, _SHIPPED, "shipped photograph")
    return _installed(_SHIPPED[name][1])


def _photograph(name: str, path: Path) -> Photograph:
    return Photograph(name, path, hashlib.sha256(path.read_bytes()).hexdigest())


def _installed(relative: str) -> Path:
    """A file inside an installed package, which is found without importing it."""
    package, _, rest = relative.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "the photographs of the source 'camera' ship inside scikit-image, which is not "
            "installed: pip install 'vidgen[camera]', or give a folder of pictures"
        )
    path = Path(spec.submodule_search_locations[0]) / rest
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: this version of {package} ships other pictures; "
            "pip install 'vidgen[camera]' brings one that has it"
        )
    return path

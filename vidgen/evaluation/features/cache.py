"""Features are computed once for the same pixels and network, and kept on disk."""

from __future__ import annotations

import jax
import numpy as np
from etils import epath
from jaxtyping import Float, UInt8
from rich.console import Console
from rich.progress import track

from vidgen import bucket
from vidgen.evaluation.arrays import arrays_digest, parse_arrays, pixel_digest, write_arrays
from vidgen.evaluation.features.feature import FeatureNetwork

_CLIPS_AT_ONCE = 64
"""A device, between two signs of progress: a multiple of what any network takes at a time, so that
none pads more than its last rows. A feature does not depend on it: that is a network's promise."""


class FeatureCache:
    """Remembers what networks made of clips, by the content of the clips and the network's name.

    A file that is damaged, or that holds something else than it says, is as good as none: the
    features are computed again and the file is replaced.

    Args:
        folder: where files lie, local or in a bucket; None keeps features in memory alone.
        console: where progress is shown, with the time that is left; None shows none.
    """

    def __init__(
        self, folder: epath.PathLike | None = None, *, console: Console | None = None
    ) -> None:
        self._folder = None if folder is None else bucket.anywhere(folder)
        self._console = console
        self._known: dict[tuple[str, str], np.ndarray] = {}

    def __call__(
        self,
        network: FeatureNetwork,
        video: UInt8[np.ndarray, "N T H W C"],
        *,
        digest: str | None = None,
    ) -> Float[np.ndarray, "N D"]:
        """The features of N clips, as ``network(video)``.

        Args:
            network: what looks at them.
            video: the clips.
            digest: `pixel_digest` of them, from a caller that several networks serve; by default
                it is taken here.

        Raises:
            UnsuitableClipsError: if the network cannot judge such clips.
        """
        key = network.name, digest or pixel_digest(video)
        if key not in self._known:
            path = self.path(*key)
            found = None if path is None else _read(path, (len(video), network.width))
            if found is None:
                found = self._computed(network, video)
                if path is not None:
                    _write(path, found)
            self._known[key] = found
        return self._known[key]

    def path(self, name: str, digest: str) -> epath.Path | None:
        """Where the features of a network and of clips lie; None where nothing is written."""
        return None if self._folder is None else self._folder / name / f"{digest}.npz"

    def _computed(self, network: FeatureNetwork, video: np.ndarray) -> np.ndarray:
        features = np.empty((len(video), network.width), np.float32)
        at_once = _CLIPS_AT_ONCE * jax.local_device_count()
        starts = range(0, len(video), at_once)
        if self._console is not None:
            starts = track(
                starts,
                description=f"features of {len(video)} clips, {network.name}",
                console=self._console,
                transient=True,
            )
        for start in starts:
            rows = slice(start, start + at_once)
            features[rows] = network(video[rows])
        return features


def _write(path: epath.Path, features: np.ndarray) -> None:
    arrays = {"features": features}
    write_arrays(path, arrays, header={"digest": arrays_digest(arrays)})


def _read(path: epath.Path, shape: tuple[int, int]) -> np.ndarray | None:
    """The features in a file; None where it is absent, damaged or of another shape."""
    try:
        header, arrays = parse_arrays(path.read_bytes())
        whole = arrays["features"].shape == shape and header["digest"] == arrays_digest(arrays)
    except Exception:  # zip, zlib, npy and JSON each fail in ways of their own
        return None
    return arrays["features"] if whole else None

"""A recogniser of identity: which digit, or which shape, a crop shows.

Kernel ridge regression on one-hot labels: a closed form with no training loop and no seed of
luck, as good on handwriting as a support vector machine, and with an honest way out: far from
everything it has seen all its scores fall to zero, so a smear is *unknown* and not the nearest
digit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import linalg, ndimage

UNKNOWN = -1
"""Class index of a crop that looks like nothing."""

MARGIN = 2.0
"""Pixels around the exemplars' size that a crop covers, so that nothing is cut at its edges."""

_GRID = 18
_BLUR = 0.7
_MORE_BLUR = 1.0
_BANDWIDTH = 4.0
_RIDGE = 0.03
_LEAST_SCORE = 0.4
_MOST_ROWS = 4000
_MOST_COPIES = 24
_ROWS_AT_ONCE = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recogniser:
    """Kernel ridge regression on crops about an object's centroid.

    Attributes:
        classes: the identities, sorted.
        size: pixels a side of an object; the crops cover a little more.
        rows: float32 [R F], features of the exemplars and of their warped copies.
        weights: float32 [R classes].
    """

    classes: tuple[str, ...]
    size: int
    rows: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(
        cls, exemplars: np.ndarray, identities: Sequence[str], *, size: int, seed: int = 0
    ) -> Recogniser:
        """Learn from exemplars, and from copies of them slightly turned, scaled and blurred.

        Args:
            exemplars: uint8 [M S' S' C], objects on black; of the training split only.
            identities: M names.
            size: pixels a side of the object, which the crops cover with a margin.
            seed: of the warps.

        Raises:
            ValueError: if there are not as many names as exemplars, or only one identity.
        """
        classes, labels = np.unique(np.asarray(identities), return_inverse=True)
        if len(exemplars) != len(labels):
            raise ValueError(f"{len(exemplars)} exemplars, but {len(labels)} identities")
        if len(classes) < 2:
            raise ValueError("a recogniser needs at least two identities to tell apart")
        rng = np.random.default_rng(seed)
        chosen = _balanced(labels, _MOST_ROWS, rng)
        exemplars, labels = exemplars[chosen], labels[chosen]
        copies = int(np.clip(_MOST_ROWS // len(labels), 1, _MOST_COPIES))
        centres = centroids(exemplars)
        features = [_features(crop(exemplars, centres, size))]
        for blur in np.linspace(_BLUR, _BLUR + _MORE_BLUR, copies)[1:]:
            warps, shifts = _random_warps(len(labels), rng)
            warped = crop(exemplars, centres + shifts, size, warps)
            features.append(_features(warped, blur=float(blur)))
        rows = np.concatenate(features)
        targets = np.eye(len(classes), dtype=np.float64)[np.tile(labels, copies)]
        kernel = _kernel(rows, rows).astype(np.float64)
        kernel[np.diag_indices_from(kernel)] += _RIDGE
        weights = linalg.cho_solve(linalg.cho_factor(kernel, overwrite_a=True), targets)
        return cls(
            classes=tuple(str(name) for name in classes),
            size=size,
            rows=rows,
            weights=weights.astype(np.float32),
        )

    def scores(self, crops: np.ndarray) -> np.ndarray:
        """float32 [n classes], about 1 for the class of a crop and 0 for the others.

        Args:
            crops: float32 [n G G C], as `crop` cuts them.
        """
        features = _features(crops)
        blocks = range(0, len(features), _ROWS_AT_ONCE)
        parts = [_kernel(features[i : i + _ROWS_AT_ONCE], self.rows) @ self.weights for i in blocks]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)), np.float32)

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """int64 [n], the index of each crop's class, or `UNKNOWN`. `crops` as in `scores`."""
        scores = self.scores(crops)
        return np.where(scores.max(1) >= _LEAST_SCORE, scores.argmax(1), UNKNOWN)


def likeness(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """float [n], cosine between crops [n G G C] as the recogniser sees them.

    1 for the same object in the same pose, whatever its brightness; NaN where a crop is black.
    """
    a, b = _features(one), _features(other)
    lit = a.any(1) & b.any(1)
    return np.where(lit, np.einsum("nf,nf->n", a, b), np.nan)


def centroids(images: np.ndarray) -> np.ndarray:
    """float64 [n 2], centre (y, x) of the light in images [n H W C], in pixels from the corner.

    The centre of the first pixel is (0.5, 0.5). NaN where an image is black.
    """
    light = images.sum(3, dtype=np.float64)
    mass = light.sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        y = light.sum(2) @ (np.arange(light.shape[1]) + 0.5) / mass
        x = light.sum(1) @ (np.arange(light.shape[2]) + 0.5) / mass
    return np.stack([y, x], axis=1)


def crop(
    images: np.ndarray, centres: np.ndarray, size: int, warps: np.ndarray | None = None
) -> np.ndarray:
    """Square crops about sub-pixel centres, sampled bilinearly; black beyond the edges.

    Args:
        images: [n H W C].
        centres: float [n 2], (y, x) in pixels.
        size: pixels a side of the object; the crop covers `MARGIN` more on every side.
        warps: float [n 2 2], linear maps from the crop to the image about the centre.

    Returns:
        float32 [n G G C], the crop on a fixed grid whatever its size.
    """
    axis = ((np.arange(_GRID) + 0.5) / _GRID - 0.5) * (size + 2 * MARGIN)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(1, -1, 2)
    points = grid if warps is None else grid @ np.swapaxes(warps, 1, 2)
    # One pixel of black all around, on which every point beyond the edge comes to lie.
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float32)
    last = np.array(padded.shape[1:3]) - 1
    points = np.clip(points + centres[:, None, :] + 0.5, 0.0, last[None, None, :] - 1e-4)
    corner = points.astype(np.int64)
    far = (points - corner).astype(np.float32)[..., None]
    n, y, x = np.arange(len(images))[:, None], corner[..., 0], corner[..., 1]
    top = padded[n, y, x] * (1 - far[..., 1, :]) + padded[n, y, x + 1] * far[..., 1, :]
    bottom = padded[n, y + 1, x] * (1 - far[..., 1, :]) + padded[n, y + 1, x + 1] * far[..., 1, :]
    crops = top * (1 - far[..., 0, :]) + bottom * far[..., 0, :]
    return crops.reshape(len(images), _GRID, _GRID, images.shape[3])


def _features(crops: np.ndarray, *, blur: float = _BLUR) -> np.ndarray:
    # A little blur forgives a pixel of wobble; unit norm forgives brightness, not colour.
    soft = ndimage.gaussian_filter(crops, (0, blur, blur, 0)).reshape(len(crops), -1)
    return soft / np.maximum(np.linalg.norm(soft, axis=1, keepdims=True), 1e-6)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * (a @ b.T)
    return np.exp(-_BANDWIDTH * np.maximum(squares, 0.0))


def _random_warps(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Linear maps [n 2 2] and shifts in pixels [n 2]: the wobble that a generator adds."""
    angle = rng.uniform(-0.2, 0.2, n)
    scale = np.exp(rng.uniform(-0.12, 0.12, (n, 2)))
    shear = rng.uniform(-0.1, 0.1, n)
    rows = [
        np.stack([np.cos(angle), shear - np.sin(angle)], axis=1),
        np.stack([np.sin(angle), np.cos(angle)], axis=1),
    ]
    return np.stack(rows, axis=1) * scale[:, :, None], rng.uniform(-0.6, 0.6, (n, 2))


def _balanced(labels: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Rows to keep, in order: all, or at most `most` with the classes as even as they can be."""
    if len(labels) <= most:
        return np.arange(len(labels))
    shuffled = rng.permutation(len(labels))
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        rows = shuffled[labels[shuffled] == label]
        rank[rows] = np.arange(len(rows))
    return np.sort(shuffled[np.argsort(rank[shuffled], kind="stable")[:most]])

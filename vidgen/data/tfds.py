"""Catalogued clips: any data set of TensorFlow Datasets that holds videos.

TensorFlow is imported here and nowhere else, since TFDS's features want it; examples are read by
`tfds.data_source` from array_record files, without it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from vidgen.data.cut import CutClips, Look
from vidgen.data.errors import CorruptFileError
from vidgen.data.layout import Layout, layout
from vidgen.data.recording import Facts, Shot
from vidgen.data.splits import PARTS, Part, part_named
from vidgen.data.stills import picture
from vidgen.data.windows import Windows
from vidgen.registry import UnknownNameError


def tfds(
    split: str = "train",
    name: str = "",
    *,
    frames: int = 16,
    size: int | tuple[int, int] = 64,
    channels: int = 3,
    stride: int = 1,
    fps: int = 8,
    fit: str = "crop",
    crops: int = 1,
    window: str = "first",
    windows: int = 1,
    step: int | None = None,
    short: str = "hold",
    view: str | None = None,
    caption: str | None = None,
    template: str = "{}",
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = False,
    seed: int = 0,
) -> CutClips:
    """Clips of a TFDS data set (`tfds:NAME`, `tfds:NAME/CONFIG`) with a video and, maybe, a text.

    The data set must be prepared as array records, which can be read at random: by
    ``tfds build NAME --file_format=array_record``, or here with `download`. Its parts are used as
    they are called; what has no test part is tested on its validation part, what has no validation
    part gives the last tenth of train for it, and what has only one part (as moving_mnist) gives
    80, 10 and 10% of it.

    The window "all" and the choice to "refuse" short recordings read every record once where the
    features do not fix the number of frames, and so does a vocabulary made of texts.

    Args:
        split: train, validation or test.
        name: as TFDS knows it, with a configuration or a version if wanted.
        frames: T.
        size: of the clip, a side or (height, width).
        channels: 3, or 1 for grey.
        stride: frames of the recording from one of the clip to the next.
        fps: frames a second of the clips, for playing only: TFDS does not say it.
        fit: "crop" or "squash", see `framing.FITS`.
        crops: how many crops of each window, spread along the longer side; 1 is the centre.
        window: "first", "random", "uniform" or "all", see `windows.WINDOWS`.
        windows: how many of a recording, for "random" and "uniform".
        step: frames between the starts of "all"; by default clips lie end to end.
        short: "hold", "loop" or "refuse" for recordings that end before the clip does.
        view: the feature to watch, such as "image_main"; needed where there are several.
        caption: the text or class label that becomes the caption; by default the only one there
            is, a text before a label and no name of a file; "" for none. A label is said in words:
            "ApplyEyeMakeup" is "apply eye makeup".
        template: of the caption, such as "a person is doing {}".
        data_dir: where TFDS keeps its files; by default its own.
        download: whether to download and prepare what is not there yet.
        seed: of the random windows.

    Raises:
        UnknownNameError: if TFDS knows no such data set, or for another option's near miss.
        FileNotFoundError: if it is not prepared.
        ValueError: if it holds no video, several with none chosen, or cannot be read at random.
        ImportError: if TFDS is not installed.
    """
    part = part_named(split, "tfds")
    look = Look.of(size=size, channels=channels, fit=fit, crops=crops, fps=fps)
    cut = Windows(
        frames=frames,
        stride=stride,
        window=window,
        windows=windows,
        step=step,
        short=short,
        seed=seed,
    )
    builder = _builder(name, data_dir, download)
    plan = layout(builder.info.features, view=view, caption=caption, template=template)
    instructions = _instructions(builder.info.splits)
    reader = _Reader(builder, instructions[part], plan)
    recordings = [_Record(reader, row, plan, float(fps)) for row in range(len(reader))]

    def spoken() -> Sequence[str]:
        if plan.known is not None:
            return plan.known
        said: set[str] = set()
        for each in (_Reader(builder, instruction, plan) for instruction in instructions.values()):
            for row in range(len(each)):
                # A damaged example is the matter of whoever looks at its clip.
                with contextlib.suppress(CorruptFileError):
                    said.add(each.caption(row))
        return sorted(said)

    return CutClips(
        f"tfds:{name}",
        part,
        recordings,
        reader.caption,
        spoken=spoken,
        windows=cut,
        look=look,
        identity=lambda: _identity(builder, instructions[part], plan),
        left_out={},
    )


class _Reader:
    """One part of a data set, whose frames stay encoded until they are looked at."""

    def __init__(self, builder: Any, instruction: str, plan: Layout) -> None:
        self._plan, self.part = plan, instruction
        try:
            self._source = builder.as_data_source(split=instruction, decoders=plan.decoders)
        except NotImplementedError as error:
            raise ValueError(
                f"{builder.info.full_name} lies in files that cannot be read at random; prepare it "
                f"again: tfds build {builder.info.name} --file_format=array_record"
            ) from error
        # A clip asks for the length of its record, its frames and its caption in turn.
        self._example = functools.lru_cache(maxsize=8)(self._read)

    def __len__(self) -> int:
        return len(self._source)

    def frames(self, row: int) -> Sequence[bytes]:
        """The encoded frames of an example."""
        found: Any = self._example(row)
        for step in self._plan.view:
            found = found[step]
        return list(found)

    def caption(self, row: int) -> str:
        """The caption of an example; empty where the data set has none."""
        if self._plan.caption is None:
            return ""
        found: Any = self._example(row)
        for step in self._plan.caption:
            found = found[step]
        return self._plan.said(found)

    def _read(self, row: int) -> Any:
        try:
            return self._source[row]
        except (ValueError, RuntimeError, IndexError, OSError) as error:
            raise CorruptFileError(f"example {row} of {self.part} is damaged: {error}") from error


class _Record:
    """An example as a recording."""

    def __init__(self, reader: _Reader, row: int, plan: Layout, rate: float) -> None:
        self._reader, self._row, self._plan, self._rate = reader, row, plan, rate
        self.name = f"{reader.part}/{row}"

    def facts(self) -> Facts:
        """Length and size, from the features where they fix them."""
        count, height, width = self._plan.shape
        if count is None:
            count = len(self._reader.frames(self._row))
            if not count:
                raise CorruptFileError(f"{self.name} holds no frames")
        if height is None or width is None:
            image = self._image(0)
            height, width = image.height, image.width
        return Facts(frames=count, seconds=count / self._rate, height=height, width=width)

    def examine(self) -> Facts:
        """Its facts and digest, after every frame was decoded."""
        digest = hashlib.sha256()
        for frame, encoded in enumerate(self._reader.frames(self._row)):
            self._image(frame)
            digest.update(hashlib.sha256(encoded).digest())
        return dataclasses.replace(self.facts(), digest=digest.digest())

    def shots(self, times: Float[np.ndarray, "T"]) -> Sequence[Shot]:
        """What is shown at each of these moments, in seconds since the first frame."""
        last = len(self._reader.frames(self._row)) - 1
        wanted = np.floor(times * self._rate + 1e-6).astype(int).clip(0, last).tolist()
        shots = {row: Shot(self._image(row)) for row in set(wanted)}
        return [shots[row] for row in wanted]

    def _image(self, frame: int) -> Any:
        return picture(self._reader.frames(self._row)[frame], f"{self.name}, frame {frame}")


def _builder(name: str, data_dir: str | os.PathLike[str] | None, download: bool) -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            f"'tfds:{name}' needs TensorFlow Datasets: pip install 'vidgen[tfds]' ({error})"
        ) from error
    place = None if data_dir is None else os.fspath(data_dir)
    try:
        builder = tensorflow_datasets.builder(name, data_dir=place)
    except tensorflow_datasets.core.DatasetNotFoundError as error:
        known = tensorflow_datasets.list_builders(with_community_datasets=False)
        near = difflib.get_close_matches(name.partition("/")[0], known, n=2, cutoff=0.6)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise UnknownNameError(
            f"TFDS knows no data set {name!r}, and none of that name is prepared in "
            f"{place or 'its own folder'}{hint}"
        ) from error
    except (RuntimeError, OSError) as error:
        # Some are described in Google's bucket alone, and TFDS wraps whatever the network says.
        raise FileNotFoundError(f"TFDS cannot open {name!r}: {error}") from error
    if download:
        builder.download_and_prepare(file_format="array_record")
    if not builder.info.splits:
        raise FileNotFoundError(
            f"{builder.info.full_name} is not prepared in {builder.data_dir}: run `tfds build "
            f"{name} --file_format=array_record`, or set download=True"
        )
    return builder


def _instructions(splits: Any) -> dict[Part, str]:
    """What of the data set each part is, in TFDS's own words."""
    names = [name for name in splits if splits[name].num_examples]
    if len(names) == 1:
        (only,) = names
        return {
            "train": f"{only}[:80%]",
            "validation": f"{only}[80%:90%]",
            "test": f"{only}[90%:]",
        }
    if "train" not in names or not {"validation", "test"} & set(names):
        raise ValueError(
            f"the parts {names} of the data set do not say what to train and what to test on"
        )
    if "validation" in names and "test" in names:
        return {part: part for part in PARTS}
    return {
        "train": "train[:90%]",
        "validation": "train[90%:]",
        "test": "test" if "test" in names else "validation",
    }


def _identity(builder: Any, instruction: str, plan: Layout) -> str:
    """A hash of the data set by name, configuration, version and files, and of what is read."""
    splits = {
        name: [info.num_examples, list(info.shard_lengths), info.num_bytes]
        for name, info in builder.info.splits.items()
    }
    what = [builder.info.full_name, splits, instruction, plan.view, plan.caption, plan.template]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()

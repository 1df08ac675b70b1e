"""Which features of a TFDS data set are the video and the caption."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vidgen.registry import suggest

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\-\s]+")


_FILING = frozenset({"filename", "file_name", "filepath", "file_path", "path", "url", "id", "name"})
"""Texts by which an example is filed, as robonet's are: nobody says them of what is seen."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """What is read of an example.

    Attributes:
        view: the path to the frames.
        shape: (frames, height, width), None where the features leave it open.
        caption: the path to the caption, or None where there is none.
        labels: the class names in words, where the caption is a label.
        template: what the caption is put into.
        decoders: TFDS's, which leave every frame encoded.
    """

    view: tuple[str, ...]
    shape: tuple[int | None, int | None, int | None]
    caption: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    template: str
    decoders: Any

    @property
    def known(self) -> tuple[str, ...] | None:
        """Every caption there may be, where that can be told without reading the data."""
        if self.caption is None:
            return ()
        if self.labels is None:
            return None
        return tuple(self.template.format(label) for label in self.labels)

    def said(self, value: Any) -> str:
        """A caption from what an example holds: a class index, or a text in UTF-8."""
        if self.labels is not None:
            return self.template.format(self.labels[int(value)])
        text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
        return self.template.format(" ".join(text.split()))


@dataclasses.dataclass(frozen=True)
class _Leaf:
    path: tuple[str, ...]
    feature: Any
    lengths: tuple[int | None, ...]
    """Of the sequences around it."""


class _Encoded:
    """A TFDS decoder that leaves frames as they are: a clip wants few of them, and another size.

    TFDS's own `SkipDecoding` cannot do it to a sequence where examples are read as numpy.
    """

    def setup(self, *, feature: Any) -> None:
        pass

    def decode_example_np(self, example: Any) -> Any:
        return example

    decode_batch_example_np = decode_ragged_example_np = decode_example_np


def layout(features: Any, *, view: str | None, caption: str | None, template: str) -> Layout:
    """Find the video and the caption among the features of a data set.

    Args:
        features: of a TFDS builder's info.
        view: path of the video, with slashes; None for the only one.
        caption: path of the text or label; None for the only text that is no name of a file (see
            `_FILING`), or else the only label; "" for none.
        template: of the caption.

    Raises:
        ValueError: if there is no video, or several candidates and no choice; or for a template
            without a place for the caption.
        UnknownNameError: for a path that is no candidate, with the near misses.
    """
    import tensorflow_datasets

    kinds = tensorflow_datasets.features
    leaves = list(_leaves(features, kinds))
    videos = {
        "/".join(leaf.path): leaf
        for leaf in leaves
        if isinstance(leaf.feature, kinds.Image) and len(leaf.lengths) == 1
    }
    texts, labels = (
        {
            "/".join(leaf.path): leaf
            for leaf in leaves
            if isinstance(leaf.feature, kind) and not leaf.lengths
        }
        for kind in (kinds.Text, kinds.ClassLabel)
    )
    if not videos:
        raise ValueError(
            "the data set has no feature that is a video or a sequence of images; steps that are a "
            "data set within it, as in RLDS, are not read"
        )
    watched = _chosen(view, videos, "view")
    told = None
    spoken = {path: leaf for path, leaf in texts.items() if leaf.path[-1] not in _FILING}
    if caption is not None and caption != "":
        told = _chosen(caption, {**texts, **labels}, "caption")
    elif caption is None and (spoken or labels):
        told = _chosen(None, spoken or labels, "caption")
    try:
        told_apart = template.format("x") != template.format("y")
    except (KeyError, IndexError, ValueError):
        told_apart = False
    if not told_apart:
        raise ValueError(
            f"the template {template!r} has no place {{}} for the caption, or other braces"
        )
    named = told is not None and isinstance(told.feature, kinds.ClassLabel)
    height, width = (*(watched.feature.shape or ()), None, None)[:2]
    return Layout(
        view=watched.path,
        shape=(watched.lengths[0], height, width),
        caption=None if told is None else told.path,
        labels=tuple(map(in_words, told.feature.names)) if told is not None and named else None,
        template=template,
        decoders=_nested(
            [leaf.path for leaf in leaves if isinstance(leaf.feature, kinds.Image)], _Encoded()
        ),
    )


def in_words(label: str) -> str:
    """A class name as it is said.

    Example:
        >>> in_words("ApplyEyeMakeup"), in_words("riding_a-bike")
        ('apply eye makeup', 'riding a bike')
    """
    return " ".join(_WORD_BREAK.sub(" ", label).split()).lower()


def _leaves(
    feature: Any, kinds: Any, path: tuple[str, ...] = (), lengths: tuple[int | None, ...] = ()
) -> Iterator[_Leaf]:
    if isinstance(feature, kinds.FeaturesDict):
        for name, inner in sorted(feature.items()):
            yield from _leaves(inner, kinds, (*path, name), lengths)
    elif isinstance(feature, kinds.Dataset):
        # No array and of no length: what is in it cannot be read in one go.
        return
    elif isinstance(feature, kinds.Sequence):
        yield from _leaves(feature.feature, kinds, path, (*lengths, feature._length))
    else:
        yield _Leaf(path, feature, lengths)


def _chosen(asked: str | None, known: Mapping[str, _Leaf], what: str) -> _Leaf:
    if asked is not None and asked not in known:
        raise suggest(asked, known, f"{what} of the data set")
    if asked is None and len(known) > 1:
        raise ValueError(f"the data set has several: choose by {what}= one of {sorted(known)}")
    return known[asked] if asked is not None else next(iter(known.values()))


def _nested(paths: Sequence[tuple[str, ...]], decoder: Any) -> Any:
    """The decoder at the end of each path, in dictionaries."""
    if paths == [()]:
        return decoder
    tree: dict[str, Any] = {}
    for first in dict.fromkeys(path[0] for path in paths):
        tree[first] = _nested([path[1:] for path in paths if path[0] == first], decoder)
    return tree

"""TFDS data sets of a few generated clips, laid out as the ones that the literature uses.

A pixel says which example and which frame it belongs to: `apart` * (example % 5) + 4 * frame.
"""

import numpy as np
import tensorflow_datasets as tfds

ACTIONS = ("ApplyEyeMakeup", "YoYo", "playing_cello")


def frames(example, count, height, width, channels, *, apart=40, offset=0):
    """uint8 [T H W C] in which example and frame can be read."""
    values = apart * (example % 5) + 4 * np.arange(count) + offset
    shape = (count, height, width, channels)
    return np.broadcast_to(values[:, None, None, None], shape).astype(np.uint8)


class _Small(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    COUNTS = {"train": 10, "test": 3}  # noqa: RUF012  # as TFDS declares such things

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(count) for name, count in self.COUNTS.items()}


class SmallMovingMnist(_Small):
    """One part, grey, twenty frames, nothing said: the layout of moving_mnist."""

    COUNTS = {"test": 10}  # noqa: RUF012

    def _info(self):
        video = tfds.features.Video(shape=(20, 16, 16, 1))
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"image_sequence": video})
        )

    def _generate_examples(self, count):
        for n in range(count):
            yield n, {"image_sequence": frames(n, 20, 16, 16, 1)}


class SmallUcf101(_Small):
    """Two parts, clips of any length, a class label: the layout of ucf101."""

    def _info(self):
        features = {
            "video": tfds.features.Video(shape=(None, 16, 24, 3)),
            "label": tfds.features.ClassLabel(names=ACTIONS),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _generate_examples(self, count):
        for n in range(count):
            yield n, {"video": frames(n, 6 + 4 * (n % 3), 16, 24, 3), "label": n % len(ACTIONS)}


class SmallBair(_Small):
    """A sequence of dictionaries, thirty frames from two cameras: that of bair_robot_pushing."""

    COUNTS = {"train": 2, "test": 2}  # noqa: RUF012

    def _info(self):
        features = tfds.features.Sequence(
            {
                "image_main": tfds.features.Image(shape=(16, 16, 3)),
                "image_aux1": tfds.features.Image(shape=(16, 16, 3)),
                "action": tfds.features.Tensor(shape=(4,), dtype=np.float32),
            },
            length=30,
        )
        return self.dataset_info_from_configs(features=features)

    def _generate_examples(self, count):
        for n in range(count):
            yield (
                n,
                {
                    "image_main": list(frames(n, 30, 16, 16, 3, apart=120)),
                    "image_aux1": list(frames(n, 30, 16, 16, 3, apart=120, offset=2)),
                    "action": np.zeros((30, 4), np.float32),
                },
            )


class SmallTold(_Small):
    """All three parts, and a sentence beside a label."""

    COUNTS = {"train": 3, "validation": 2, "test": 2}  # noqa: RUF012

    def _info(self):
        features = {
            "clip": {"video": tfds.features.Video(shape=(None, 16, 16, 3))},
            "sentence": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=ACTIONS),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _generate_examples(self, count):
        for n in range(count):
            yield (
                n,
                {
                    "clip": {"video": frames(n, 8, 16, 16, 3)},
                    "sentence": f"clip  number {n}\nof {count}",
                    "label": n % len(ACTIONS),
                },
            )

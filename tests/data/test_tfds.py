"""TFDS data sets, generated here and read from the array records that TFDS makes of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from vidgen.data import CorruptFileError, Source, batches, source
from vidgen.data.layout import layout
from vidgen.data.literature import PROTOCOLS
from vidgen.registry import UnknownNameError
from vidgen.text import WordVectors
from vidgen.types import Task

SMALL = {"frames": 4, "size": 16}


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A data_dir in which every small data set went through `download_and_prepare`."""
    folder = tmp_path_factory.mktemp("tfds")
    home = str(Path(__file__).parent / "tfds_builders")
    from tensorflow_datasets.core.utils import gcs_utils

    with pytest.MonkeyPatch.context() as patch:
        # Whether Google's bucket holds a prepared copy is nothing to ask for here.
        patch.setattr(gcs_utils, "_is_gcs_disabled", True)
        patch.syspath_prepend(home)
        from small_sets import builders

        for kind in ("SmallMovingMnist", "SmallUcf101", "SmallBair", "SmallTold"):
            builder = getattr(builders, kind)(data_dir=str(folder))
            builder.download_and_prepare(file_format="array_record")
        yield folder


@pytest.fixture
def clips(prepared):
    def open_(name, split="train", **options):
        chosen = {"data_dir": str(prepared)} | SMALL | options
        return source(f"tfds:{name}", split=split, **chosen)

    return open_


def read(video, apart=40):
    """(example % 5, four times the frame) of each frame of a clip."""
    return [divmod(round(float(frame.mean())), apart) for frame in video]


def starts(found, apart=40):
    """(example % 5, first frame) of each clip."""
    firsts = (read(found[i].video, apart)[0] for i in range(len(found)))
    return sorted((n, t // 4) for n, t in firsts)


def test_a_grey_video_of_one_part_is_divided(clips):
    parts = [
        clips("small_moving_mnist", split, channels=1) for split in ("train", "validation", "test")
    ]
    assert [len(part) for part in parts] == [8, 1, 1]
    assert isinstance(parts[0], Source)
    clip = parts[0][0]
    assert (clip.video.shape, clip.video.dtype, clip.caption) == ((4, 16, 16, 1), np.uint8, "")
    assert [t for _, t in read(clip.video)] == [0, 4, 8, 12]
    whole = {parts[p][i].video.tobytes() for p in range(3) for i in range(len(parts[p]))}
    # Ten examples of five kinds, of which each is there twice.
    assert len(whole) == 5


def test_a_class_label_becomes_words(clips):
    train = clips("small_ucf101")
    # What has no validation part gives the last tenth of train.
    assert [len(clips("small_ucf101", part)) for part in ("train", "validation", "test")] == [
        9,
        1,
        3,
    ]
    said = {train[i].caption for i in range(9)}
    assert said == {"apply eye makeup", "yo yo", "playing cello"}
    assert set(train.vocabulary) == {"apply", "eye", "makeup", "yo", "playing", "cello", "."}
    assert train.max_words == 4
    asked = clips("small_ucf101", template="somebody is doing {}")
    assert "somebody is doing yo yo" in {asked[i].caption for i in range(9)}
    assert asked.max_words == 7
    assert clips("small_ucf101", caption="")[0].caption == ""


def test_a_sentence_is_preferred_to_a_label_and_read_from_every_part(clips):
    train = clips("small_told")
    assert sorted(train[i].caption for i in range(3)) == [f"clip number {n} of 3" for n in range(3)]
    assert {"0", "1", "2", "3", "clip", "number", "of", "."} == set(train.vocabulary)
    assert train.vocabulary == clips("small_told", "test").vocabulary
    assert "yo yo" in {
        c.caption for c in map(clips("small_told", caption="label").__getitem__, range(3))
    }


def test_a_camera_is_chosen_by_name(clips):
    with pytest.raises(ValueError, match=r"view= one of \['image_aux1', 'image_main'\]"):
        clips("small_bair")
    with pytest.raises(UnknownNameError, match="did you mean 'image_main'"):
        clips("small_bair", view="image_mian")
    main, aux = (clips("small_bair", view=f"image_{name}")[0].video for name in ("main", "aux1"))
    np.testing.assert_array_equal(aux.astype(int) - main, 2)


def test_windows_and_strides_count_the_recordings_frames(clips):
    def cut(**options):
        return clips("small_ucf101", "test", frames=4, **options)

    # Recordings of 6, 10 and 14 frames.
    assert starts(cut(window="all")) == [(0, 0), (1, 0), (1, 4), (2, 0), (2, 4), (2, 8)]
    strided = cut(window="all", stride=3)
    assert starts(strided) == [(0, 0), (1, 0), (2, 0)]
    assert {tuple(t for _, t in read(strided[i].video)) for i in range(3)} == {
        (0, 12, 24, 36),
        (0, 12, 20, 20),
    }
    refused = cut(stride=3, short="refuse")
    assert len(refused) == 2
    assert any("6 frames" in why and "10 that" in why for why in refused.left_out.values())
    looped = cut(stride=3, short="loop")
    assert (0, 12, 0, 12) in {tuple(t for _, t in read(looped[i].video)) for i in range(3)}


def test_frames_are_cropped_or_squashed(clips):
    assert clips("small_ucf101", size=(8, 20))[0].video.shape == (4, 8, 20, 3)
    assert clips("small_ucf101", size=(16, 24), fit="squash")[0].video.shape == (4, 16, 24, 3)


def test_facts_are_read_from_the_features_where_they_fix_them(clips):
    for name, facts in clips("small_bair", view="image_main", fps=10).recordings():
        assert name.startswith("train[:90%]/")
        assert (facts.frames, facts.seconds, facts.height, facts.width) == (30, 3.0, 16, 16)
    lengths = sorted(facts.frames for _, facts in clips("small_ucf101", "test").recordings())
    assert lengths == [6, 10, 14]


def test_fingerprints_tell_parts_sets_and_options_apart(clips):
    prints = [
        clips("small_ucf101").fingerprint,
        clips("small_ucf101", "test").fingerprint,
        clips("small_ucf101", stride=2).fingerprint,
        clips("small_ucf101", template="a {}").fingerprint,
        clips("small_bair", view="image_main").fingerprint,
        clips("small_bair", view="image_aux1").fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert clips("small_ucf101").fingerprint == prints[0]


def test_a_record_that_is_no_picture_is_named(clips, monkeypatch):
    found = clips("small_ucf101")
    monkeypatch.setattr(found._recordings[2]._reader, "frames", lambda row: [b"\x89PNG", b""])
    with pytest.raises(CorruptFileError, match=r"train\[:90%\]/2, frame 0"):
        found[2]


def test_a_damaged_file_of_records_is_named(clips, prepared, tmp_path):
    place = tmp_path / "small_told"
    shutil.copytree(prepared / "small_told", place)
    (file,) = place.glob("1.0.0/*-train.array_record*")
    raw = bytearray(file.read_bytes())
    # Within the first record, behind the head of the file.
    raw[200:240] = bytes(255 - byte for byte in raw[200:240])
    file.write_bytes(raw)
    torn = clips("small_told", data_dir=str(tmp_path))
    with pytest.raises(CorruptFileError, match=r"example 0 of train is damaged"):
        torn[0]
    np.testing.assert_array_equal(torn[2].video, clips("small_told")[2].video)
    assert [isinstance(facts, CorruptFileError) for _, facts in torn.recordings()] == [
        True,
        False,
        False,
    ]


def test_clips_reach_a_batch(clips):
    found = clips("small_ucf101", window="uniform", windows=2)
    task = Task(frames=4, height=16, width=16, channels=3, text_length=4, text_width=4)
    encoder = WordVectors(found.vocabulary, length=4, width=4)
    batch = next(batches(found, encoder, task, batch_size=18, seed=0, threads=2))
    expected = {found[i].video.tobytes() for i in range(18)}
    assert {video.tobytes() for video in batch.video} == expected


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("small_ucf1", {}, UnknownNameError, "no data set 'small_ucf1'"),
        ("moving_mnst", {}, UnknownNameError, "did you mean 'moving_mnist'"),
        ("small_ucf101", {"template": "{x}"}, ValueError, "no place {} for the caption"),
        ("small_ucf101", {"template": "{"}, ValueError, "no place {} for the caption"),
        ("small_ucf101", {"fps": 1001}, ValueError, "fps must be at most 1000"),
        ("small_moving_mnist", {"caption": "label"}, UnknownNameError, "caption of the data set"),
        ("small_ucf101", {"stride": 0}, ValueError, "stride must be at least 1"),
        ("small_ucf101", {"view": "vide"}, UnknownNameError, "did you mean 'video'"),
        ("small_ucf101", {"template": "a person"}, ValueError, "no place {} for the caption"),
        ("small_ucf101", {"split": "compositional-train"}, ValueError, "no compositional"),
        ("small_ucf101", {"strid": 2}, ValueError, "did you mean 'stride'"),
        ("mnist", {}, FileNotFoundError, "tfds build mnist --file_format=array_record"),
    ],
)
def test_bad_requests_are_refused(clips, name, options, error, message):
    with pytest.raises(error, match=message):
        clips(name, **options)


def laid_out(features, **options):
    import tensorflow_datasets as tfds

    made = tfds.features.FeaturesDict(features(tfds.features))
    return layout(made, **{"view": None, "caption": None, "template": "{}"} | options)


def test_the_name_of_a_file_is_no_caption():
    # As robonet's features are.
    def features(kinds):
        return {
            "video": kinds.Video(shape=(None, 64, 64, 3)),
            "filename": kinds.Text(),
            "actions": kinds.Tensor(shape=(None, 5), dtype=np.float32),
        }

    assert laid_out(features).caption is None
    assert laid_out(features, caption="filename").caption == ("filename",)

    def labelled(kinds):
        return features(kinds) | {"label": kinds.ClassLabel(names=["Push"])}

    assert laid_out(labelled).caption == ("label",)


def test_steps_that_are_a_data_set_are_refused_before_anything_is_read():
    def features(kinds):
        return {"steps": kinds.Dataset({"image": kinds.Image(shape=(8, 8, 3))})}

    with pytest.raises(ValueError, match="as in RLDS, are not read"):
        laid_out(features)


def test_what_tfds_cannot_open_is_said(clips, monkeypatch):
    import tensorflow_datasets as tfds

    def refuse(*_, **__):
        raise RuntimeError("Could not resolve host: www.googleapis.com")

    monkeypatch.setattr(tfds, "builder", refuse)
    with pytest.raises(FileNotFoundError, match="cannot open 'bridge': Could not resolve host"):
        clips("bridge")


def test_the_literatures_protocols_name_options_that_the_sources_have(clips):
    def open_(name, data_set, **smaller):
        protocol = PROTOCOLS[name]
        return clips(data_set, protocol.real_split, **(protocol.options | smaller))

    first = open_("bair-1-15", "small_bair", size=16)
    assert starts(first, 120) == [(0, 0), (1, 0)]
    assert first[0].video.shape == (16, 16, 16, 3)
    debiased = open_("bair-1-15-debiased", "small_bair", size=16)
    assert starts(debiased, 120) == [(n, t) for n in range(2) for t in range(15)]
    # The camera at the side, which is offset by two here.
    assert {int(debiased[i].video[0, 0, 0, 0]) % 4 for i in range(30)} == {2}
    assert len(open_("ucf101-16", "small_ucf101", size=16)) == 2 * 9


def test_the_literatures_numbers_fit_each_other():
    standard, debiased = PROTOCOLS["bair-1-15"], PROTOCOLS["bair-1-15-debiased"]
    assert standard.real_clips == standard.recordings == 256
    assert debiased.real_clips == 256 * 15 == 3840
    assert standard.samples == debiased.samples == 25_600
    kinetics = PROTOCOLS["kinetics600-5-11"]
    assert kinetics.options["frames"] - kinetics.context_frames == 11
    assert PROTOCOLS["ucf101-16"].recordings * 2 > PROTOCOLS["ucf101-16"].real_clips

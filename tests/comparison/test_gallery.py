import base64
import io
import re
import sys

import numpy as np
import pytest
from PIL import Image

from vidgen.comparison import gallery
from vidgen.comparison.folder import read_json, write_json
from vidgen.evaluation import ClipSet


@pytest.fixture(scope="module")
def walls(comparison):
    columns = [(name, comparison.run(name, 0)) for name in ("gan", "diffusion", "absent")]
    return gallery.walls(comparison, "test-8", columns)


def frames(strip, n):
    content = base64.b64decode(re.fullmatch(r"data:image/webp;base64,(.*)", strip)[1])
    sheet = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
    return np.stack(np.split(sheet, n, axis=1))


def test_a_strip_is_the_clip_frame_by_frame_and_lossless(walls, comparison):
    real = ClipSet.load(comparison.prompts("test-8"))
    answers = ClipSet.load(comparison.run("gan", 0).samples("test-8"))
    shown = walls[0].prompts[0]
    row = next(
        i
        for i in range(8)
        if (frames(shown.pictures[0].strip, 4) == real.video[i, ..., 0]).all()
        and real.captions[i] == shown.caption
    )
    assert (frames(shown.pictures[1].strip, 4) == answers.video[row, ..., 0]).all()
    assert [picture.column for picture in shown.pictures] == ["real", "gan", "diffusion"]


def test_each_kind_of_prompts_is_drawn_and_the_draw_does_not_depend_on_who_answers(
    walls, comparison
):
    assert [wall.heading for wall in walls][:2] == [
        "A sentence alone",
        "A sentence and a first frame",
    ]
    assert [{item.given for item in wall.prompts} for wall in walls[:2]] == [{False}, {True}]
    other = gallery.walls(
        comparison, "test-8", [("autoregressive", comparison.run("autoregressive", 0))]
    )
    for mine, theirs in zip(walls[:2], other[:2], strict=True):
        assert [item.caption for item in mine.prompts] == [item.caption for item in theirs.prompts]


def test_the_worst_are_wrong_ones_what_cannot_be_measured_first(walls):
    # gan is right on the first three clips of eight, and diffusion on the first eight of ten.
    worst = {item.why: item for item in walls[2].prompts}
    real = [f"the digit {i} is moving down" for i in range(8)]
    assert worst["gan's worst, number 1"].caption == real[5]
    assert worst["gan's worst, number 2"].caption == real[4]
    assert all(item.pictures[1].right is False for why, item in worst.items() if "gan" in why)
    assert not any(why.startswith("diffusion") for why in worst)
    assert walls[2].rule == (
        "For each generator the 2 clips that are wrong by the oracle and come last by "
        "“Trajectory error (px)”."
    )


def rescored(folder, name, *, right, clips):
    """One column of a folder whose judge said this of every clip."""
    run = folder.run(name, 0)
    scores = read_json(run.scores)
    write_json(run.scores, scores | {"per_clip": {"oracle_success": right}, "clips": clips})
    return gallery.walls(folder, "test-8", [(name, run)])


def test_without_an_oracle_the_worst_are_told_by_nearness_where_a_frame_is_given(
    make_comparison, tmp_path
):
    # Every other prompt gives a frame: values are of clips 1, 3, 5 and 7.
    psnr = {"metric": "psnr", "prompts": "text+image", "values": [30.0, 12.0, 20.0, 11.0]}
    wall = rescored(make_comparison(tmp_path), "gan", right=None, clips=[psnr])[2]
    digits = [re.search(r"digit (\d)", item.caption)[1] for item in wall.prompts]
    assert digits == ["7", "3"]
    assert wall.rule == "For each generator the 2 clips that come last by “PSNR”."


def test_what_nobody_judged_or_measured_has_no_worst(make_comparison, tmp_path):
    folder = make_comparison(tmp_path)
    walls = rescored(folder, "gan", right=None, clips=[])
    assert [wall.heading for wall in walls] == ["A sentence alone", "A sentence and a first frame"]
    wrong = rescored(folder, "gan", right=[True] * 3 + [False] * 5, clips=[])[2]
    assert [re.search(r"digit (\d)", item.caption)[1] for item in wrong.prompts] == ["3", "4"]
    assert wrong.rule.endswith("that are wrong by the oracle and come first in the list.")


def test_motion_is_drawn_frame_by_frame_and_the_first_has_not_moved(walls):
    for wall in walls:
        assert wall.legend == walls[0].legend
    assert walls[0].legend.fastest > 0
    content = base64.b64decode(walls[0].prompts[0].pictures[0].motion.partition(",")[2])
    sheet = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    first, *later = np.split(sheet, 4, axis=1)
    assert (first == 255).all()
    assert all((frame != 255).any() for frame in later)


def test_without_opencv_no_motion_is_drawn(comparison, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    found = gallery.walls(comparison, "test-8", [("gan", comparison.run("gan", 0))])
    assert {wall.legend for wall in found} == {None}
    assert {picture.motion for w in found for p in w.prompts for picture in p.pictures} == {""}

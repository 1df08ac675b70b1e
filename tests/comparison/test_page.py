import re

import numpy as np
import pytest

from vidgen.comparison import figures, report, video
from vidgen.comparison.curves import against_price, loss_curves
from vidgen.comparison.results import collect


@pytest.fixture(scope="module")
def page(comparison):
    return report(comparison.path).report.read_text()


def test_the_page_needs_nothing_from_outside(page):
    links = re.findall(r'(?:src|srcset|href|url)\s*[=(]\s*"?([^")\s>]+)', page)
    assert links
    assert all(link.startswith(("data:", "#")) for link in links), set(links)
    assert "@import" not in page


def test_the_page_says_the_verdict_and_shows_everybody(page):
    assert "<h1>Diffusion is ahead of all others" in page
    for who in ("gan", "autoregressive", "diffusion", "copy-first-frame", "held-out-real"):
        assert who in page
    assert page.count("<svg") == page.count('role="img"') == 3
    # 4 + 4 prompts, the real clip and three families each.
    assert page.count("data:image/webp") == page.count("data:image/png") == 32
    assert page.count("alt=") == 32


def test_ids_are_unique_so_that_figures_do_not_borrow_from_each_other(page):
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), sorted({i for i in ids if ids.count(i) > 1})


def test_text_from_outside_is_escaped(make_comparison, tmp_path):
    folder = make_comparison(tmp_path)
    text = folder.experiment.read_text().replace("diffusion leads", "<script>alert(1)</script>")
    folder.experiment.write_text(text)
    assert "<script>alert" not in report(folder.path).report.read_text()


def test_the_report_is_a_function_of_the_folder(comparison, page):
    before = comparison.results.read_bytes()
    assert report(comparison.path).report.read_text() == page
    assert comparison.results.read_bytes() == before


def test_a_comparison_without_any_finished_job_still_has_a_page(make_comparison, tmp_path):
    folder = make_comparison(tmp_path)
    for path in folder.path.glob("*/seed-*/scores.json"):
        path.unlink()
    assert "nothing to compare" in report(folder.path).report.read_text()


def test_built_in_families_look_the_same_in_every_report():
    alone = figures.looks(["diffusion"])["diffusion"]
    among = figures.looks(["mine", "gan", "diffusion"])
    assert among["diffusion"] == alone
    assert len(set(among.values())) == 3


def test_a_later_phase_follows_on_the_clocks_of_the_earlier(comparison):
    curves = loss_curves(comparison.run("autoregressive", 0))
    assert [(c.phase, c.split) for c in curves] == [
        ("tokenizer", "train"),
        ("tokenizer", "validation"),
        ("prior", "train"),
        ("prior", "validation"),
    ]
    assert curves[0].seconds[0] == pytest.approx(5.0)
    assert curves[2].seconds[0] == pytest.approx(105.0)
    assert curves[2].flops[0] == pytest.approx((200 + 10) * (10**9 + 10**7))


def test_quality_against_a_price_has_a_point_a_budget(make_comparison, tmp_path):
    results = collect(make_comparison(tmp_path, curve=(0.1, 0.3)))
    points = against_price(results, "training_seconds", generators=["diffusion"])["diffusion"]
    assert [point.price for point in points] == pytest.approx([10.0, 30.0, 100.0])
    once = against_price(results, "parameters", generators=["diffusion"], along_budgets=False)[
        "diffusion"
    ]
    assert len(once) == 1


CLIPS = np.random.default_rng(0).integers(0, 255, (2, 3, 10, 12, 1), dtype=np.uint8)


@pytest.mark.parametrize("extension", [".mp4", ".gif", ".webp"])
def test_a_written_video_has_its_frames_side_by_side(tmp_path, extension):
    path = video.write(tmp_path / f"clip{extension}", CLIPS, fps=8, scale=3)
    if extension == ".webp":
        from PIL import Image

        with Image.open(path) as image:
            assert (image.n_frames, image.size) == (3, (72, 30))
    else:
        assert video.read(path).shape == (3, 30, 72, 3)


def test_a_webp_is_lossless(tmp_path):
    from PIL import Image

    path = tmp_path / "clip.webp"
    path.write_bytes(video.webp(CLIPS[0], 8))
    with Image.open(path) as image:
        image.seek(2)
        assert (np.asarray(image.convert("L")) == CLIPS[0, 2, ..., 0]).all()


def test_odd_sizes_become_even_for_mp4(tmp_path):
    path = video.write(tmp_path / "clip.mp4", CLIPS[:1, :, :9, :11], fps=8, scale=1)
    assert video.read(path).shape == (3, 10, 12, 3)


def test_a_sheet_has_a_row_of_frames_a_clip(tmp_path):
    from PIL import Image

    path = video.write(tmp_path / "clip.png", CLIPS, fps=8, scale=1)
    with Image.open(path) as image:
        sheet = np.asarray(image)
    assert sheet.shape == (20, 36)
    np.testing.assert_array_equal(sheet[10:, 12:24], CLIPS[1, 1, ..., 0])


def test_what_cannot_be_written_or_read_says_why(tmp_path):
    with pytest.raises(ValueError, match=r"must be one of \.mp4, \.gif, \.webp, \.png"):
        video.write(tmp_path / "clip.avi", CLIPS, fps=8)
    with pytest.raises(ValueError, match="does not exist"):
        video.write(tmp_path / "no" / "clip.gif", CLIPS, fps=8)
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match="is no video"):
        video.read(tmp_path / "bad.mp4")

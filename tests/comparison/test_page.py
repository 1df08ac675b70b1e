import csv
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from vidgen.comparison import drawing, report, video
from vidgen.comparison.curves import against_price, along_settings, loss_curves
from vidgen.comparison.folder import read_json, write_json
from vidgen.comparison.results import collect
from vidgen.training import Budget


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
    assert "Nothing but the budget, 100s, was equal here" in page
    for who in ("gan", "autoregressive", "diffusion", "copy-first-frame", "held-out-real"):
        assert who in page
    # The real clip and three answers to each of 4 + 4 prompts drawn, and of the two worst of two
    # families; diffusion is never wrong.
    # A clip and its motion of each.
    assert page.count("data:image/webp") == 2 * 4 * (8 + 4)


class Outline(HTMLParser):
    """What a reader who does not see the page is given."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.headings, self.bold = [], [], [], []
        self.feed(page)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append(int(self.open[-1][1]))
        if self.open and self.open[-1] == "strong":
            self.bold.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_is_whole_to_readers_who_do_not_see_it(page):
    outline = Outline(page)
    assert outline.all("html")[0]["lang"] == "en"
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    steps = np.diff(outline.headings)
    assert steps.max() <= 1, outline.headings
    assert all(svg["role"] == "img" and len(svg["aria-label"]) > 20 for svg in outline.all("svg"))
    assert all(len(image["alt"]) > 20 for image in outline.all("img"))
    assert {head["scope"] for head in outline.all("th")} == {"col", "row", "rowgroup"}
    assert len(outline.all("caption")) == len(outline.all("table"))


def test_every_number_leads_to_what_it_means(page):
    outline = Outline(page)
    ids = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    metrics = {attributes["data-m"] for _, attributes in outline.tags if "data-m" in attributes}
    assert {"oracle_success", "psnr", "drift_identity", "sampling_p95"} <= metrics
    assert {f"def-{metric}" for metric in metrics} <= ids
    links = {a["href"] for a in outline.all("a")}
    assert {link.removeprefix("#") for link in links} <= ids
    notes = [cell.get("data-tip", "") for cell in outline.all("td") if "data-m" in cell]
    # Of six rows of everybody six columns of the main table, and ten lines of all metrics (two in
    # three kinds of prompts each, drift likewise, PSNR in one); and both kinds of the oracle's.
    assert sum("n = " in note for note in notes) == 6 * (6 + 10) + 2


def test_nothing_is_bold_without_a_test_that_supports_it(page, make_comparison, tmp_path):
    assert Outline(page).bold == []
    assert "nothing is bold here" in page
    tested = report(make_comparison(tmp_path, seeds=(0, 1, 2, 3, 4)).path).report.read_text()
    # Diffusion is ahead in every column of the main table and every line of the others, and each
    # of three pairs differs on both primary metrics.
    assert len(Outline(tested).bold) == 6 + 10 + 3 * 2
    assert "nothing is bold here" not in tested
    row = re.search(r"diffusion</th>(.*?)</tr>", tested, re.S)[1]
    assert row.count("<strong>") == row.count("<td")
    for loser in ("gan", "autoregressive"):
        row = re.search(rf"{loser}</th>(.*?)</tr>", tested, re.S)[1]
        assert "<strong>" not in row


def test_moving_samples_stand_still_where_no_motion_is_wanted_and_on_paper(page):
    def rules(medium):
        """What a medium says of a clip, by property; the last rule wins."""
        block = page.split(f"@media {medium} {{", 1)[1].split("\n@media", 1)[0].split("</style>")[0]
        found = {}
        for rule in re.findall(r"\.clip img \{([^}]*)\}", block):
            found |= dict(re.findall(r"([\w-]+): ([^;]*)", rule))
        return found

    # A frame in the middle of four, where nobody pressed the button; on paper all in a row.
    assert rules("(prefers-reduced-motion: reduce)") == {
        "animation": "none",
        "transform": "translateX(-50.0000%)",
    }
    paper = rules("print")
    assert (paper["animation"], paper["transform"]) == ("none !important", "none !important")
    assert paper["width"] == "100% !important"


def test_figures_and_tables_lie_beside_the_page(comparison, page):
    figures = {path.stem: path.read_text() for path in comparison.figures.iterdir()}
    families = ("gan", "autoregressive", "diffusion")
    assert set(figures) == {
        "success-text",
        "success-text-image",
        "quality-total-flops",
        "quality-training-seconds",
        "quality-parameters",
        "quality-sampling-p50",
        "quality-sampling-rate",
        "drift-identity-text",
        "drift-identity-text-image",
        *(f"confusion-identity-{who}" for who in ("real", *families)),
        *(f"loss-{who}-{axis}" for who in families for axis in ("seconds", "flops")),
    }
    assert page.count("<svg") == len(figures)
    for svg in figures.values():
        assert svg.startswith("<?xml")
        assert "<title>" in svg
        assert "currentColor" not in svg
    tables = {path.name for path in comparison.tables.iterdir()}
    names = ["main", "pairs", "price", "oracle", "metrics-what-was-asked", "metrics-along-time"]
    names.append("metrics-nearness-to-the-real-clip")
    assert tables == {f"{name}.{kind}" for name in names for kind in ("csv", "tex")} | {"rows.csv"}
    assert page.count("<table") == len(names)


def test_what_is_no_longer_drawn_is_removed(make_comparison, tmp_path):
    folder = make_comparison(tmp_path)
    stale = [folder.figures / "old.svg", folder.tables / "old.tex"]
    kept = folder.figures / "mine.txt"
    for path in (*stale, kept):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    report(folder.path)
    assert not any(path.exists() for path in stale)
    assert kept.exists()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium on this machine")
def test_a_browser_has_nothing_to_complain_of(comparison, page, tmp_path):
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path}", "--enable-logging=stderr", "--v=0"]
    done = subprocess.run(
        [*command, f"file://{comparison.report}"], capture_output=True, text=True, timeout=60
    )
    assert "CONSOLE" not in done.stderr
    # The script ran to its end: the button shows, and the first number of each table has a stop.
    assert "Pause the clips</button>" in done.stdout
    assert done.stdout.count('tabindex="0"') > page.count('tabindex="0"')


def test_ids_are_unique_so_that_figures_do_not_borrow_from_each_other(page):
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), sorted({i for i in ids if ids.count(i) > 1})


def test_text_from_outside_is_escaped(make_comparison, tmp_path):
    folder = make_comparison(tmp_path)
    text = folder.experiment.read_text().replace("diffusion leads", "<script>alert(1)</script>")
    folder.experiment.write_text(text)
    assert "<script>alert" not in report(folder.path).report.read_text()


def test_the_report_is_a_function_of_the_folder(comparison, page, figures_drawn_once):
    def written():
        paths = [*comparison.figures.iterdir(), *comparison.tables.iterdir(), comparison.results]
        return {path: path.read_bytes() for path in paths}

    before = written()
    figures_drawn_once.clear()
    assert report(comparison.path).report.read_text() == page
    assert written() == before


def test_a_comparison_without_any_finished_job_still_has_a_page(make_comparison, tmp_path):
    folder = make_comparison(tmp_path)
    for path in folder.path.glob("*/seed-*/scores.json"):
        path.unlink()
    assert "nothing to compare" in report(folder.path).report.read_text()


@pytest.mark.parametrize(
    "budget", [Budget(1_234_567, "clips"), Budget(2e15, "flops"), Budget(90, "seconds")]
)
def test_the_command_of_the_page_asks_for_the_very_budget(make_comparison, tmp_path, budget):
    folder = make_comparison(tmp_path, budget=budget)
    page = report(folder.path).report.read_text()
    said = re.search(r"<pre>vidgen compare synthetic --budget (\S+) --seeds 0", page)[1]
    assert Budget.parse(said) == budget
    assert f"<dt>Budget of a training</dt><dd>{said}</dd>" in page


def test_a_seed_that_failed_everywhere_is_not_among_the_trained(make_comparison, tmp_path):
    folder = make_comparison(tmp_path, seeds=(0, 1))
    for path in folder.path.glob("*/seed-1/scores.json"):
        path.unlink()
        write_json(path.parent / "failure.json", {"error": "OutOfMemory"})
    page = report(folder.path).report.read_text()
    assert "<dt>Training seeds</dt><dd>0 (1 more not finished)</dd>" in page


def test_built_in_families_look_the_same_in_every_report():
    alone = drawing.looks(["diffusion"])["diffusion"]
    among = drawing.looks(["mine", "gan", "diffusion"])
    assert among["diffusion"] == alone
    assert len(set(among.values())) == 3


def test_the_losses_have_a_legend_though_the_first_seed_logged_nothing(make_comparison, tmp_path):
    folder = make_comparison(tmp_path, seeds=(0, 1, 2))
    folder.run("gan", 0).metrics.unlink()
    report(folder.path)
    drawn = (folder.figures / "loss-gan-seconds.svg").read_text()
    assert [drawn.count(f"main, {split}") for split in ("train", "validation")] == [1, 1]


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


def test_the_settings_that_were_tried_make_a_curve_of_quality_against_latency(
    make_comparison, write_selection, tmp_path
):
    folder = make_comparison(tmp_path, seeds=(0, 1))
    for seed in (0, 1):
        run = folder.run("diffusion", seed)
        write_selection(run, {5: 0.3 + 0.2 * seed, 20: 0.7 + 0.2 * seed}, chosen=1)
    write_selection(folder.run("gan", 0), {1: 0.2}, chosen=0)
    ((key, series),) = along_settings(folder, ("gan", "diffusion"), (0, 1)).items()
    assert key == ("oracle_success", "all")
    (alone,), (few, many) = series["gan"], series["diffusion"]
    assert (alone.value, alone.low, alone.high) == pytest.approx((0.2, 0.1, 0.3))
    assert (few.price, few.price_high, few.label) == pytest.approx((0.05, 0.1, "steps 5"))
    assert (many.price, many.price_high, many.label) == pytest.approx((0.2, 0.4, "steps 20"))
    # Over seeds the interval is theirs, cut where a share ends.
    assert (few.value, few.low, many.value, many.high) == pytest.approx((0.4, 0.0, 0.8, 1.0))

    page = report(folder.path).report.read_text()
    assert "Quality against latency, by sampler setting" in page
    drawn = (folder.figures / "settings-oracle-success.svg").read_text()
    for words in ("steps 5", "steps 20", "gan", "diffusion"):
        assert f">{words}</text>" in drawn
    lines = list(csv.DictReader((folder.tables / "settings.csv").read_text().splitlines()))
    tried = [line for line in lines if line["line"] == "diffusion:1:0"]
    values = {line["column"]: line["value"] for line in tried}
    assert values == {
        "oracle_success": "0.5",
        "sampling_p50": "0.05",
        "sampling_p95": "0.1",
        "chosen": "",
    }
    assert (tried[0]["low"], tried[0]["high"]) == ("0.4", "0.6")


def test_settings_tried_before_latency_was_measured_are_told_and_not_drawn(
    make_comparison, write_selection, tmp_path
):
    folder = make_comparison(tmp_path)
    run = folder.run("diffusion", 0)
    write_selection(run, {5: 0.4}, chosen=0)
    found = read_json(run.selection)
    del found["tried"][0]["price"]
    write_json(run.selection, found)
    page = report(folder.path).report.read_text()
    assert "steps 5" in page
    assert "Quality against latency" not in page


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

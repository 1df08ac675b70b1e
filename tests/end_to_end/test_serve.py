"""The page in headless Chromium: upload, write, generate, play, download, vote; wide and narrow."""

import gc
import os
import shutil
import socket

import numpy as np
import pytest
from PIL import Image

from vidgen.app import page
from vidgen.app.arena import Arena
from vidgen.app.studio import Studio
from vidgen.comparison.folder import ComparisonFolder, FolderError
from vidgen.comparison.votes import poll

playwright = pytest.importorskip("playwright.sync_api")

# Gradio's own, in threads of its server.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


@pytest.fixture(scope="module")
def folder(prepared, undisturbed, tmp_path_factory):
    copy = tmp_path_factory.mktemp("arena") / "run"
    shutil.copytree(undisturbed, copy)
    return ComparisonFolder.at(copy)


def some_port():
    """A port for this page alone: two that look for one at once find the same."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def address(model_files, folder):
    studio, arena = Studio(list(model_files.values())), Arena(folder, seed=0)
    with page.served(studio, arena, port=some_port()) as where:
        yield where


@pytest.fixture(scope="module")
def browser():
    if shutil.which("chromium") is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as tools:
        found = tools.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield found
        found.close()


@pytest.fixture
def visit(browser, address):
    """Opens the page, and holds that its console stays clean."""
    complaints, opened = [], []

    def open_page(width=1280, locale="en-US"):
        context = browser.new_context(viewport={"width": width, "height": 900}, locale=locale)
        opened.append(context)
        tab = context.new_page()
        tab.set_default_timeout(30_000)
        tab.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(address, wait_until="domcontentloaded")
        tab.wait_for_selector("#go")
        return tab

    yield open_page
    for context in opened:
        context.close()
    assert complaints == []


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((60, 90, 3), 200, np.uint8)).save(path)
    return path


def asked(tab, photograph, idea):
    tab.set_input_files("#photo input[type=file]", photograph)
    tab.wait_for_selector("#photo img")
    tab.fill("#idea textarea", idea)
    tab.click("#go")


def drawn(tab, count):
    videos = tab.locator("#clips video")
    tab.wait_for_function(f"document.querySelectorAll('#clips video').length === {count}")
    for place in range(count):  # Chromium plays what is on the screen
        videos.nth(place).scroll_into_view_if_needed()
        tab.wait_for_function(f"document.querySelectorAll('#clips video')[{place}].currentTime > 0")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_a_visitor_uploads_writes_plays_and_downloads(visit, photograph, width, tmp_path):
    tab = visit(width)
    asked(tab, photograph, "digit 3, up and left please")
    drawn(tab, 2)
    said = tab.inner_text("#clips")
    assert "the digit 3 is moving up and left" in said
    assert "toy-bright" in said
    with tab.expect_download() as download:
        tab.click("#clips a[download$='.mp4'] >> nth=0")
    assert download.value.suggested_filename.startswith("toy-")
    download.value.save_as(tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes()[4:8] == b"ftyp"
    # Nothing sticks out at the side of a phone.
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    seed = tab.input_value("#seed input")
    tab.check("#same input")
    tab.click("#go")
    tab.wait_for_function("document.querySelectorAll('#clips video').length < 2")
    drawn(tab, 2)
    assert tab.input_value("#seed input") == seed
    # Who types a seed gets it.
    tab.uncheck("#same input")
    tab.fill("#seed input", "42")
    tab.wait_for_selector("#same input:checked")
    tab.click("#go")
    tab.wait_for_selector("#clips a[download='toy-42.mp4']")


@pytest.mark.slow
def test_an_example_brings_its_picture_and_what_becomes_of_it(visit, model_files):
    tab = visit()
    assert "Photograph" not in tab.inner_text("body")  # that is for the camera's
    tab.click(".gallery-item >> nth=3")
    tab.wait_for_selector("#photo img")
    (idea,) = (one.idea for one in Studio(list(model_files.values())).examples if one.name == "3")
    tab.wait_for_function(f"document.querySelector('#idea textarea').value === {idea!r}")
    tab.click("#go")
    drawn(tab, 2)


@pytest.mark.slow
def test_what_is_not_understood_is_said_and_draws_nothing(visit, photograph, tmp_path):
    tab = visit()
    asked(tab, photograph, "sing me a song")
    tab.wait_for_selector("text=is no idea that these models know")
    assert tab.locator("#clips video").count() == 0
    broken = tmp_path / "broken.png"
    broken.write_bytes(photograph.read_bytes()[:60])
    tab = visit()
    asked(tab, broken, "the digit 3 is moving up")
    tab.wait_for_selector("text=is damaged")


@pytest.mark.slow
def test_a_vote_is_kept_and_names_are_told_afterwards(visit, folder):
    tab = visit()
    before = len(poll(folder).votes)
    tab.get_by_role("tab").nth(1).click()
    tab.wait_for_selector("#left video")
    hidden = tab.inner_text("body")
    assert "toy" not in hidden
    tab.click("#prefer-left")
    tab.wait_for_selector("#said >> text=Thank you")
    votes = poll(folder).votes
    assert len(votes) == before + 1
    assert {votes[-1].first, votes[-1].second} == {"toy", "toy-bright"}
    assert votes[-1].preferred == "first"
    assert votes[-1].first in tab.inner_text("#said")


@pytest.mark.slow
def test_a_chinese_browser_reads_chinese(visit, photograph, tmp_path):
    tab = visit(locale="zh-CN")
    tab.wait_for_selector("text=动起来")
    asked(tab, photograph, "唱首歌")
    # Toys know no move of a camera, and what they know has no Chinese.
    tab.wait_for_selector("text=这些模型不认识'唱首歌'")
    broken = tmp_path / "broken.png"
    broken.write_bytes(photograph.read_bytes()[:60])
    tab = visit(locale="zh-CN")
    asked(tab, broken, "the digit 3 is moving up")
    tab.wait_for_selector("text=无法处理")
    assert tab.inner_text("#go") == "开始"
    assert "Photograph" not in tab.inner_text("body")


@pytest.mark.slow
def test_pages_stand_beside_each_other_and_a_port_that_is_taken_is_named(model_files, folder):
    studio, arena = Studio(list(model_files.values())), Arena(folder, seed=0)
    with page.served(studio, arena) as one, page.served(studio, arena) as other:
        assert one != other
        port = int(one.rstrip("/").rpartition(":")[2])
        with (
            pytest.raises(OSError, match=f"on port {port} already"),
            page.served(studio, arena, port=port),
        ):
            pass


@pytest.mark.slow
@pytest.mark.fault(19)
def test_many_at_once_are_answered_and_hostile_ones_refused(address, load_benchmark, photograph):
    load = load_benchmark("page")
    kinds = len(load.HOSTILE)
    settings = load.Settings(requests=kinds + 24, hostile=kinds, at_once=8, seconds=1.0)
    told = (os.getpid(), ["toy", "toy-bright"], ["the digit 3 is moving up"])
    answers, memory = load.load(address, *told, photograph.read_bytes(), settings)
    found = load.summary(answers, memory)
    assert found["wrong"] == []
    assert found["good"] == {"served": 24}
    # The silent ones were refused by Gradio, before the page.
    silent = len(load.SILENT)
    assert found["hostile"] == {"refused": kinds - silent, "crashed": silent}
    assert len(memory) == kinds + 24
    for kind, said in (
        ("empty file", "empty"),
        ("truncated picture", "damaged"),
        ("no picture", "no picture"),
        ("40,000 pixels a side", "pixels"),
        ("no idea", "idea"),
        ("an idea of 100 kB", "characters"),
        ("markup", "&lt;script&gt;"),
        ("no such family", "etc"),
        ("30 MB", "size"),
        ("a file by another door", "is not here"),
        ("an endless file", "is not here"),
        ("no file", "Choose a photograph"),
        ("a list of ideas", "a sentence"),
        ("an endless clip", "number of seconds"),
        ("no length", "number of seconds"),
        ("a family a thousand times", "asked once"),
        ("a seed of 30 digits", "a whole number"),
        ("a JPEG of 2,000 scans", "scans"),
    ):
        assert said in found["refusals"][kind], kind
    assert set(found["refusals"]) == set(load.HOSTILE)


def kept_pages():
    """How often an answer of the page is in memory."""
    gc.collect()
    held = (one for one in gc.get_objects() if isinstance(one, dict))
    return sum("<video" in str(one.get("value", ""))[:5_000] for one in held)


@pytest.mark.slow
def test_what_is_kept_of_visitors_has_a_bound(model_files, load_benchmark, photograph, monkeypatch):
    monkeypatch.setattr(page, "MOST_VISITORS", 3)
    load = load_benchmark("page")
    settings = load.Settings(requests=12, hostile=0, at_once=2, seconds=1.0)
    before = kept_pages()  # those of the other page
    with page.served(Studio(list(model_files.values())), None, port=some_port()) as where:
        told = (os.getpid(), ["toy"], ["the digit 3 is moving up"], photograph.read_bytes())
        answers, _ = load.load(where, *told, settings)
        assert {answer.outcome for answer in answers} == {"served"}
        assert 1 <= kept_pages() - before <= 3


def test_an_arena_counts_a_vote_once_and_needs_two(folder, tmp_path):
    arena = Arena(folder, seed=1)
    shown = arena.show()
    assert set(arena.vote(shown.ticket, "neither", "me")) == {"toy", "toy-bright"}
    for ticket in (shown.ticket, "made up"):
        with pytest.raises(ValueError, match="voted on, or is not known"):
            arena.vote(ticket, "first", "me")
    sides = {arena.vote(arena.show().ticket, "first", "me")[0] for _ in range(40)}
    assert sides == {"toy", "toy-bright"}
    with pytest.raises(FolderError, match="does not exist"):
        Arena(ComparisonFolder.at(tmp_path))

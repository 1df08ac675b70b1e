"""Generators from other distributions: the example of CONTRIBUTING.md, and broken ones."""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import re
import sys

import pytest

from vidgen import registry

CONTRIBUTING = pathlib.Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install distributions of one module each, as pip would leave them on the path."""

    def add(distribution: str, name: str, module: str, code: str) -> None:
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        header = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        (info / "METADATA").write_text(header)
        (info / "entry_points.txt").write_text(f"[vidgen.generators]\n{name} = {module}\n")
        importlib.invalidate_caches()

    registry.listing()  # what is built in registers at its first import, and only then
    before, entries = set(sys.modules), dict(registry._entries)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield add
    registry._entries.clear()
    registry._entries.update(entries)
    for module in set(sys.modules) - before:
        if getattr(sys.modules[module], "__file__", None) and str(tmp_path) in str(
            sys.modules[module].__file__
        ):
            del sys.modules[module]


def example() -> str:
    """The generator that CONTRIBUTING.md shows."""
    code = re.search(r"```python\n(.*?)```", CONTRIBUTING.read_text(), re.DOTALL)
    assert code is not None
    return code[1]


def test_example_is_short():
    assert len(example().splitlines()) < 120


@pytest.mark.slow
@pytest.mark.usefixtures("figures_drawn_once")
def test_example_is_listed_trained_judged_and_reported(install, tmp_path):
    install("their-generators", "imle", "their_imle", example())
    assert "imle" in registry.names()
    (listed,) = [one for one in registry.listing() if one.name == "imle"]
    assert listed.card is not None
    assert listed.card.family == "imle"

    import vidgen
    from vidgen.comparison import find

    experiment = dataclasses.replace(find("quick").smoke(), metrics=("oracle",))
    comparison = vidgen.compare(
        experiment, out=tmp_path / "run", generators=("imle", "copy-first-frame")
    )
    scored = {row.metric for row in comparison.results.rows if row.generator == "imle"}
    assert "oracle_success" in scored
    assert "imle" in pathlib.Path(comparison.report).read_text()


def test_broken_plugin_is_shown_and_disturbs_nobody(install):
    install("half-baked", "half-baked", "half_baked", "import a_package_that_is_not_there\n")
    listed = {one.name: one for one in registry.listing()}
    assert listed["half-baked"].card is None
    assert "a_package_that_is_not_there" in listed["half-baked"].error
    assert listed["diffusion"].card is not None
    with pytest.raises(ImportError, match="cannot be imported"):
        registry.entry("half-baked")


def test_silent_plugin_is_an_error(install):
    install("mute", "mute", "mute_plugin", "")
    with pytest.raises(ImportError, match="registered no generator"):
        registry.entry("mute")


def test_name_taken_twice_is_an_error(install):
    install("first", "same", "first_same", example().replace('"imle"', '"same"'))
    install("second", "same", "second_same", example().replace('"imle"', '"same"'))
    with pytest.raises(ValueError, match=r"first_same.*second_same|second_same.*first_same"):
        registry.entry("same")
    install("third", "third", "third_same", example().replace('"imle"', '"diffusion"'))
    registry.entry("diffusion")
    with pytest.raises(ImportError, match=r"taken by .*diffusion\.Diffusion"):
        registry.entry("third")


def test_typo_names_the_near_miss():
    with pytest.raises(registry.UnknownNameError, match="did you mean 'gan'"):
        registry.entry("gna")
    with pytest.raises(registry.UnknownNameError, match="known: "):
        registry.entry("zzzzzz")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("frozen=True, ", "frozen"),
        ("def tiny", "tiny"),
        ('name="imle"', "card says"),
    ],
)
def test_registration_says_what_is_wrong(install, change, complaint):
    replaced = {"frozen=True, ": "", "def tiny": "def small", 'name="imle"': 'name="other"'}
    install("wrong", "imle", "wrong_imle", example().replace(change, replaced[change]))
    with pytest.raises(ImportError, match=complaint):
        registry.entry("imle")


def test_an_equal_question_gets_the_same_generator_and_a_list_in_a_config_is_no_obstacle(task):
    gan, toy = registry.entry("gan"), registry.entry("gan").config.tiny()
    assert gan.build(task, toy) is gan.build(dataclasses.replace(task), gan.config.tiny())
    assert gan.build(task, toy) is not gan.build(dataclasses.replace(task, text_width=9), toy)

    @dataclasses.dataclass(frozen=True)
    class Listing:
        widths: list = dataclasses.field(default_factory=list)

    class Unhurried:
        card = gan.generator.card
        phases = sample = print

        def __init__(self, config, task):
            self.config = config

    entry = registry.Entry("listing", Unhurried, Listing)
    one, other = (entry.build(task, Listing([8])) for _ in range(2))
    assert one is not other
    assert one.config == other.config

"""Votes on disk, and their ranking in the report."""

import dataclasses
import json
import re

import pytest

from vidgen.comparison import report
from vidgen.comparison.folder import FolderError
from vidgen.comparison.results import Results
from vidgen.comparison.rows import Row
from vidgen.comparison.votes import Ballot, Poll, agreements, answers_of, cast, poll, ranked, seen
from vidgen.evaluation.preference import Strength


@pytest.fixture
def folder(make_comparison, tmp_path):
    return make_comparison(tmp_path / "run")


@pytest.fixture
def ballot(folder):
    answers = answers_of(folder)

    def make(first, second, preferred="first", visitor="a"):
        return Ballot(
            first=first,
            second=second,
            preferred=preferred,
            visitor=visitor,
            protocol="test-8",
            prompt=3,
            clips=(seen(answers[first], 3), seen(answers[second], 3)),
        )

    return make


def test_votes_are_added_and_read_in_order(folder, ballot):
    assert poll(folder).votes == ()
    assert ranked(poll(folder)) == []
    cast(folder, ballot("gan", "diffusion"))
    before = (folder.path / "votes.jsonl").read_text()
    cast(folder, ballot("diffusion", "gan", "neither", "b"))
    content = (folder.path / "votes.jsonl").read_text()
    assert content.startswith(before)
    assert [(v.first, v.preferred, v.visitor) for v in poll(folder).votes] == [
        ("gan", "first", "a"),
        ("diffusion", "neither", "b"),
    ]
    line = json.loads(content.splitlines()[1])
    assert (line["protocol"], line["prompt"], line["schema_version"]) == ("test-8", 3, 1)
    assert line["time"].endswith("+00:00")


def test_a_line_that_a_crash_cut_short_is_passed_over_and_others_are_named(folder, ballot):
    cast(folder, ballot("gan", "diffusion"))
    path = folder.path / "votes.jsonl"
    whole = path.read_text()
    path.write_text(whole + whole[:40])
    assert len(poll(folder).votes) == 1
    cast(folder, ballot("gan", "diffusion", "second"))
    assert [vote.preferred for vote in poll(folder).votes] == ["first", "second"]
    for broken in (
        "{}",
        "[]",
        whole.strip().replace('"preferred": "first"', '"preferred": 1'),
        whole.strip().replace('"prompt": 3', '"prompt": "third"'),
        whole.strip().replace('"prompt": 3', '"prompt": Infinity'),
        whole.strip().replace('"diffusion"', '"gan"'),
        re.sub(r'"clips": .*]', '"clips": ["one"]', whole.strip()),
        '{"schema_version": 1}',
    ):
        path.write_text(whole + broken + "\n" + whole)
        with pytest.raises(FolderError, match=r"line 3 is no vote .*remove the line"):
            poll(folder)
    path.write_text(whole.replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(FolderError, match="update vidgen"):
        poll(folder)


def test_the_report_ranks_them_beside_the_metrics(folder, ballot):
    report(folder.path)
    assert "Preferred by people" not in folder.report.read_text()
    for visitor in "abcdefgh":
        cast(folder, ballot("gan", "diffusion", "second", visitor))
        cast(folder, ballot("autoregressive", "gan", "first", visitor))
        cast(folder, ballot("diffusion", "autoregressive", "first", visitor))
    assert [one.name for one in ranked(poll(folder))] == ["diffusion", "autoregressive", "gan"]
    report(folder.path)
    page = folder.report.read_text()
    assert "Preferred by people" in page
    assert "How far metrics rank the generators as people do" in page
    # Each strength with its interval.
    lows = [f"{one.low:+.2f} to {one.high:+.2f}" for one in ranked(poll(folder))]
    assert all(low in page for low in lows)
    written = (folder.tables / "preference.csv").read_text()
    assert written.index("diffusion") < written.index("autoregressive") < written.index("gan")


def test_a_metric_of_which_less_is_better_agrees_where_people_prefer_less():
    better = {"kvd_in_domain": "lower", "oracle_success": "higher"}
    values = {"a": 0.1, "b": 0.2, "c": 0.4, "d": 0.3}
    results = Results(
        rows=(),
        summary=tuple(
            Row(
                generator=name,
                kind="generator",
                seed=None,
                metric=metric,
                value=value,
                better=better[metric],
            )
            for metric in better
            for name, value in values.items()
        ),
    )
    people = [
        Strength(name=name, value=-value, low=-1.0, high=1.0, votes=1, won=0.5)
        for name, value in values.items()
    ]
    found = {pair.second: pair for pair in agreements(people, results)}
    assert found["kvd_in_domain"].kendall == pytest.approx(1.0)
    assert found["oracle_success"].kendall == pytest.approx(-1.0)
    assert found["oracle_success"].n == 4
    # Two of them can only agree or not.
    assert agreements(people[:2], results) == []


def test_votes_on_clips_that_were_drawn_anew_do_not_count(folder, ballot):
    for visitor in "abc":
        cast(folder, ballot("gan", "diffusion", "second", visitor))
        cast(folder, ballot("autoregressive", "diffusion", "second", visitor))
    path = folder.run("gan", 0).samples("test-8")
    other = answers_of(folder)["gan"]
    dataclasses.replace(other, video=255 - other.video).save(path)
    assert poll(folder).outdated == 3
    other.save(path)  # the same clips again
    assert poll(folder).outdated == 0
    dataclasses.replace(other, video=255 - other.video).save(path)
    assert {vote.first for vote in poll(folder).votes} == {"autoregressive"}
    report(folder.path)
    assert "votes on clips that are not here any more: 3" in folder.report.read_text()
    for name in ("diffusion", "autoregressive"):
        folder.run(name, 0).samples("test-8").unlink()
    assert poll(folder) == Poll(outdated=6)
    report(folder.path)
    assert "votes on clips that are not here any more: 6" in folder.report.read_text()

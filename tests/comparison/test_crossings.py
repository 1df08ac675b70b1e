"""Where one generator overtakes another, on lines drawn by hand."""

import json

import pytest

from vidgen.comparison import report
from vidgen.comparison.crossings import crossings
from vidgen.comparison.curves import Point
from vidgen.comparison.panels import crossed
from vidgen.comparison.results import collect


def line(*points, half=0.05):
    return [Point(price=float(p), value=v, low=v - half, high=v + half) for p, v in points]


def test_a_crossing_lies_on_both_lines_over_the_logarithm_of_the_price():
    series = {"a": line((1, 0.5), (100, 0.5)), "b": line((1, 0.1), (100, 0.9), half=0.2)}
    (found,) = crossings(series)
    assert (found.ahead, found.behind) == ("a", "b")
    # Half of the way from 1 to 100 by their logarithms.
    assert (found.price, found.value) == pytest.approx((10.0, 0.5))
    assert found.apart
    assert str(found) == "b overtakes a at 10"
    (turned,) = crossings(series, better="lower")
    assert (turned.ahead, turned.behind, turned.price) == ("b", "a", pytest.approx(10.0))


def test_budgets_need_not_be_the_same_and_nothing_is_said_beyond_both():
    a, b = line((1, 0.5), (32, 0.5)), line((4, 0.3), (64, 0.7))
    (found,) = crossings({"a": a, "b": b})
    assert found.price == pytest.approx(16.0)
    # Who is only reached, at the end that both share, is not overtaken.
    assert crossings({"a": line((1, 0.5), (16, 0.5)), "b": b}) == []
    assert crossings({"a": line((1, 0.5), (2, 0.5)), "b": b}) == []
    assert crossings({"a": line((1, 0.5)), "b": b}) == []


def test_wide_intervals_make_a_crossing_doubtful_and_touching_is_none():
    a, b = ((1, 0.5), (10, 0.5), (100, 0.5)), ((1, 0.4), (10, 0.5), (100, 0.6))
    (found,) = crossings({"a": line(*a, half=0.06), "b": line(*b, half=0.06)})
    assert (found.price, found.apart) == (pytest.approx(10.0), False)
    assert str(found).endswith("at 10 (intervals overlap on one side at least)")
    (found,) = crossings({"a": line(*a, half=0.04), "b": line(*b, half=0.04)})
    assert found.apart
    touching = line((1, 0.4), (10, 0.5), (100, 0.4))
    assert crossings({"a": line(*a), "b": touching}) == []


def test_two_crossings_are_told_apart_by_what_lies_between_them():
    a = line((1, 0.5), (100, 0.5), (10000, 0.5))
    b = line((1, 0.3), (100, 0.7), (10000, 0.3))
    first, second = crossings({"a": a, "b": b})
    assert [first.price, second.price] == pytest.approx([10.0, 1000.0])
    assert (first.behind, second.behind) == ("b", "a")
    assert first.apart
    assert second.apart
    dull = line((1, 0.3), (100, 0.52), (10000, 0.3))
    assert [found.apart for found in crossings({"a": a, "b": dull})] == [False, False]


def test_the_report_says_where_lines_cross_and_rings_it(make_comparison, tmp_path):
    folder = make_comparison(tmp_path, curve=(0.1, 0.3))
    assert crossed(collect(folder), ["gan", "diffusion"]) == {}
    scores = folder.run("gan", 0, 0.1).scores
    data = json.loads(scores.read_text())
    for row in data["rows"]:
        if row["metric"] == "oracle_success":
            row |= {"value": 0.95, "low": 0.9, "high": 1.0}
    scores.write_text(json.dumps(data))
    found = crossed(collect(folder), ["gan", "diffusion"])
    assert set(found) == {"device-seconds of training"}  # all shares had the same steps
    ((crossing,),) = {tuple(map(str, some)) for some in [found["device-seconds of training"]]}
    assert crossing.startswith("diffusion overtakes gan at 1")
    page = report(folder.path).report.read_text()
    assert "Along device-seconds of training (ringed; lines are straight" in page
    assert crossing in page
    assert crossing in (folder.figures / "quality-training-seconds.svg").read_text()

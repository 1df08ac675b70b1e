"""Comparisons at equal prices, as results, verdict and report tell them."""

import json
import shutil

import pytest

from vidgen.comparison import page, report
from vidgen.comparison.folder import read_json, write_json
from vidgen.comparison.rows import EQUAL_FLOPS, EQUAL_PARAMETERS, TEST

FAMILIES = ("gan", "autoregressive", "diffusion")
SEEDS = (0, 1, 2, 3, 4)


def rewrite(path, **changes):
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | changes))


@pytest.fixture(scope="module")
def told(make_comparison, tmp_path_factory):
    """Five seeds; at equal parameters autoregressive and diffusion change places, and the gan is
    one that keeps its size.
    """
    places = ("success", "training", "sampling", "settings", "drift", "losses", "confusion")
    folder = make_comparison(tmp_path_factory.mktemp("equal") / "runs", seeds=SEEDS)
    record = read_json(folder.experiment)
    record["experiment"] |= {"equal_flops": 2e11, "equal_parameters": 9_000_000}
    write_json(folder.experiment, record)
    for question in (EQUAL_FLOPS, EQUAL_PARAMETERS):
        inner = make_comparison(folder.further(question).path, seeds=SEEDS)
        assert inner.prompts("test-8") == folder.prompts("test-8")
        assert inner.judge == folder.judge
        shutil.rmtree(inner.path / "anchors")
        shutil.rmtree(inner.path / "copy-first-frame")
    for seed in SEEDS:
        runs = [inner.run(name, seed) for name in FAMILIES]
        for run, parameters in zip(runs, (3_000_000, 9_000_000, 9_000_000), strict=True):
            rewrite(run.price, parameters=parameters)
        _, one, other = (json.loads(run.scores.read_text()) for run in runs)
        for run, name, scores in ((runs[1], FAMILIES[1], other), (runs[2], FAMILIES[2], one)):
            rows = [{**row, "generator": name} for row in scores["rows"]]
            rewrite(run.scores, rows=rows)
    with pytest.MonkeyPatch.context() as patch:  # figures are no part of this, and slow
        patch.setattr(page, "_figures", lambda *_: {place: {} for place in places})
        return folder, report(folder.path)


def test_who_is_better_is_told_of_each_price_with_its_own_tests(told):
    _, found = told
    results = found.results
    for protocol, lead in ((TEST, "diffusion"), (EQUAL_FLOPS, "diffusion")):
        assert results.best("oracle_success", protocol=protocol) == lead
    assert results.best("oracle_success", protocol=EQUAL_PARAMETERS) == "autoregressive"
    pairs = results.pairs_on("oracle_success", protocol=EQUAL_PARAMETERS)
    assert {pair.primary for pair in pairs} == {False}
    assert len(pairs) == 3, "baselines have no price"
    words = "\n".join(found.verdict.findings)
    assert "Trained at equal training FLOPs (202 G to 404 G), oracle success is diffusion" in words
    assert "Trained at equal parameters (3 M to 9 M), oracle success is autoregressive" in words
    assert "Oracle success at equal parameters, tested over seeds (Benjamini-Hochberg" in words
    assert "autoregressive is better than diffusion" in words
    assert words.count("parameters are not equal (gan 3 M, ") == 1


def test_the_report_sets_what_was_spent_beside_what_it_came_to(told):
    folder, _ = told
    section = folder.report.read_text().split('id="equal">')[1].split("</section>")[0]
    headings = ("Equal budget: 100s each", "Equal training FLOPs: 200 G", "Equal parameters: 9 M")
    places = [section.index(heading) for heading in headings]
    assert places == sorted(places)
    assert section.count("<table") == 3, "one of prices and scores, two of pairs"
    last = section[places[-1] :]
    assert ">3 M<" in last
    assert last.index(">9 M<") < last.index("<strong>")
    assert {"equal.csv", "pairs-equal-flops.csv"} <= {p.name for p in folder.tables.iterdir()}

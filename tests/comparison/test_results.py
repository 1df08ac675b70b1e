import dataclasses

import pytest

from vidgen.comparison.folder import read_json, write_json
from vidgen.comparison.results import Results, Row, collect, summarise
from vidgen.comparison.verdict import interval, number, seconds, untrusted, verdict


def row(value, *, who="gan", seed=0, metric="oracle_success", prompts="text", **rest):
    spread = {"low": value - 0.1, "high": value + 0.1} if value is not None else {}
    given = {"kind": "generator", "n": 8, "note": "Wilson"} | spread | rest
    return Row(generator=who, seed=seed, metric=metric, prompts=prompts, value=value, **given)


def results(*rows):
    return Results(rows=tuple(rows), summary=tuple(summarise(rows)))


def test_one_seed_keeps_its_interval_and_says_so():
    (found,) = summarise([row(0.5)])
    assert (found.low, found.high, found.note) == (0.4, 0.6, "one seed: Wilson")
    assert found.seed is None


def test_several_seeds_get_the_t_interval_of_their_means():
    (found,) = summarise([row(v, seed=i) for i, v in enumerate((0.4, 0.5, 0.6))])
    assert found.value == pytest.approx(0.5)
    # t(0.975, 2) * 0.1 / sqrt(3)
    assert found.high - found.value == pytest.approx(4.30265 * 0.1 / 3**0.5, rel=1e-4)
    assert (found.n, found.note) == (3, "t over 3 seeds")


def test_proportions_are_cut_at_their_ends_and_others_are_not():
    (share,) = summarise([row(0.1, seed=0), row(0.9, seed=1)])
    (psnr,) = summarise([row(0.1, seed=0, metric="psnr"), row(0.9, seed=1, metric="psnr")])
    assert (share.low, share.high) == (0.0, 1.0)
    assert psnr.low < 0


def test_seeds_that_agree_do_not_claim_a_width_of_nothing():
    (found,) = summarise([row(0.5, seed=0), row(0.5, seed=1)])
    assert found.high - found.low == pytest.approx(0.2)
    assert "no spread" in found.note


def test_a_missing_seed_is_counted_in_the_note():
    missing = row(None, seed=1, note="the job failed: no memory")
    (found,) = summarise([row(0.5), missing])
    assert found.value == 0.5
    assert "1 of 2 seeds have no value (the job failed: no memory)" in found.note


def test_collecting_reads_every_run_prices_and_failures(make_comparison, tmp_path):
    folder = make_comparison(tmp_path, seeds=(0, 1), curve=(0.5,))
    (folder.run("gan", 1).path / "scores.json").unlink()
    write_json(folder.run("gan", 1).path / "failure.json", {"error": "OutOfMemory"})
    found = collect(folder)
    assert found.who("generator") == ["gan", "autoregressive", "diffusion", "copy-first-frame"]
    assert found.who("anchor") == ["held-out-real", "shuffled-captions"]
    assert "the job failed: OutOfMemory" in found.one("gan", "oracle_success", prompts="text").note
    assert found.one("diffusion", "training_flops").value == 200 * 10**9
    assert found.one("diffusion", "training_seconds", share=0.5).value == 50.0
    assert found.one("autoregressive", "trained_parameters").value == 2_000_000
    assert found == collect(folder)


def test_a_clear_leader_is_named_on_both_kinds_of_prompts():
    rows = [
        row(value, who=who, prompts=prompts)
        for who, value in {"gan": 0.2, "diffusion": 0.8}.items()
        for prompts in ("text", "text+image")
    ]
    words = verdict(results(*rows))
    assert words.headline == "Diffusion is ahead of all others, with and without a first frame."
    assert any("all intervals are apart" in finding for finding in words.findings)


def test_overlapping_intervals_make_no_leader():
    words = verdict(results(row(0.5, who="gan"), row(0.55, who="diffusion")))
    assert words.headline.startswith("No family is ahead")
    assert any("diffusion and gan overlap" in finding for finding in words.findings)


def test_a_lead_on_one_kind_of_prompts_is_not_sold_as_both():
    rows = [
        row(0.2, who="gan"),
        row(0.8, who="diffusion"),
        row(0.5, who="gan", prompts="text+image"),
        row(0.5, who="diffusion", prompts="text+image"),
    ]
    headline = verdict(results(*rows)).headline
    assert "diffusion from a sentence alone" in headline
    assert "nobody is clearly ahead" in headline


def test_chance_is_the_best_of_the_anchors_that_ignore_the_prompt():
    chance = {"kind": "anchor", "seed": None}
    rows = [
        row(0.9, who="diffusion"),
        row(0.15, who="gan"),
        row(0.0, who="copy-first-frame", **chance),
        row(0.1, who="shuffled-captions", **chance),
        row(1.0, who="held-out-real", **chance),
    ]
    findings = " ".join(verdict(results(*rows)).findings)
    assert "Not clearly above chance from a sentence alone (shuffled-captions" in findings
    assert findings.split("Not clearly above chance", 1)[1].split(": ", 1)[1].startswith("gan.")


@pytest.mark.parametrize(("count", "words"), [(1, "one training seed"), (3, "3 training seeds")])
def test_few_seeds_are_descriptive_only(count, words):
    limits = verdict(results(*[row(0.5, seed=i) for i in range(count)])).limits
    assert limits[0].startswith(f"Descriptive only: {words}")
    assert "no p-value" in limits[0]


def test_a_metric_that_does_not_order_its_anchors_is_not_trusted():
    good = row(0.9, who="held-out-real", kind="anchor", seed=None)
    bad = row(0.95, who="shuffled-captions", kind="anchor", seed=None)
    assert untrusted(results(good, bad), "oracle_success", "text")
    lower = dataclasses.replace(bad, value=0.0)
    assert not untrusted(results(good, lower), "oracle_success", "text")


def test_numbers_read_as_people_write_them():
    assert number(None) == "-"
    assert number(-0.0004, "drift_psnr") == "0.000"
    assert interval(row(0.5)) == "0.50 [0.40, 0.60]"
    assert (seconds(0.0123), seconds(3.0), seconds(1200.0)) == ("12.3 ms", "3 s", "20 min")


def test_the_results_file_holds_rows_and_verdict(comparison):
    from vidgen.comparison import report

    report(comparison.path)
    data = read_json(comparison.results)
    assert {"rows", "summary", "verdict", "experiment", "hash"} <= set(data)
    assert data["rows"][0].keys() == {field.name for field in dataclasses.fields(Row)}

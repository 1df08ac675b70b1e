import pytest

from vidgen.types import Score


@pytest.fixture(scope="module")
def benchmark(load_benchmark):
    return load_benchmark("metric_sensitivity")


def test_it_prints_what_each_metric_sees(benchmark, capsys):
    settings = benchmark.Settings(tiny=True, groups=("pixel", "temporal"))
    assert benchmark.main(settings) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[1].split() == ["metric", "clean", "blur", "noise", "jitter", "frozen", "shuffled"]
    rows = {line.split()[0]: line for line in table[2:]}
    assert {"psnr", "flicker", "warp_error"} <= set(rows)
    # Noise is the first thing that a difference of frames sees; PSNR sees any of them at once.
    assert rows["psnr"].split()[2] == "1"
    assert "-" not in rows["flicker"].split()[4]


def scores(*values, half=None):
    if half is None:
        return [Score(value=value) for value in values]
    return [Score(value=value, low=value - half, high=value + half) for value in values]


def test_a_cell_names_the_least_strength_whose_interval_is_apart(benchmark):
    assert benchmark._cell(*scores(1.0, half=0.2), scores(1.1, 1.5, 2.0, half=0.2)) == "2 (2)"
    assert benchmark._cell(*scores(1.0, half=0.2), scores(1.2, 1.1, half=0.2)) == "-~ (1.1)"
    # Without an interval nobody knows whether a difference is one.
    assert benchmark._cell(*scores(1.0), scores(5.0, 9.0)) == "? (9)"
    assert benchmark._cell(*scores(1.0, half=0.2), scores(5.0, 9.0)) == "? (9)"

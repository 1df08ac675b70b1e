import pytest


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

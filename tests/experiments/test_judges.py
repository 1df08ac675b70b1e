import json

import pytest

from vidgen.evaluation.features.in_domain import InDomainConfig


@pytest.fixture(scope="module")
def judges(load_experiment):
    return load_experiment("judges")


@pytest.mark.slow
def test_an_architecture_gets_a_line_of_what_it_learned(judges, tmp_path, capsys):
    settings = judges.Settings(
        sources=("digits",),
        architectures=("vit-gru",),
        seeds=(0, 1),
        config=InDomainConfig(width=16, steps=2, batch_size=8, clips=64),
        clips=32,
        out=tmp_path / "judges.json",
    )
    assert judges.main(settings) == 0
    rows = json.loads(settings.out.read_text())["rows"]
    assert [row["architecture"] for row in rows] == ["vit-gru"]
    for row in rows:
        assert row["n"] == 32  # clips, of which both seeds are asked
        for name in ("identity", "motion", "both"):
            value, low, high = row[name]
            assert 0 <= low <= value <= high <= 1
        assert row["both"][0] <= min(row["identity"][0], row["motion"][0])
        assert row["parameters"] > 1000
        assert row["clips_per_second"] > 0
    table = capsys.readouterr().out
    assert "vit-gru" in table
    assert f"{rows[0]['parameters']:,}" in table

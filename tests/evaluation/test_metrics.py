from vidgen.evaluation import METRICS


def test_every_metric_says_what_it_is_in_one_line():
    assert next(iter(METRICS)) == "oracle_success"
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.better in ("higher", "lower")
        assert metric.strata
        assert 20 < len(metric.definition) < 200
        assert "\n" not in metric.definition

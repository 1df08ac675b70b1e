"""The trained models that come with vidgen: what they are, and that they draw."""

import shlex

import jax
import numpy as np
import pytest

import vidgen
from vidgen import zoo
from vidgen.cli import main
from vidgen.comparison import catalogue, model_file
from vidgen.comparison.price import read_by_sampling
from vidgen.data import source

SHIPPED = {
    f"{generator}-{source}"
    for generator in ("autoregressive", "diffusion", "gan", "masked", "meanflow")
    for source in ("camera", "digits", "shapes")
}

LARGEST = 40_000_000
"""Bytes, all together."""


def test_all_are_there_and_fit_together():
    assert set(zoo.names()) == SHIPPED
    assert sum(zoo.path(name).stat().st_size for name in zoo.names()) <= LARGEST


@pytest.mark.parametrize("name", zoo.names())
def test_a_card_says_what_it_is_and_how_it_is_trained_again(name):
    card = model_file.read_card(zoo.path(name))
    assert name == f"{card.generator}-{card.source}"
    assert card.faults
    assert card.cost["steps"] > 0
    kind = "text+image" if card.source == "camera" else "text"
    row = card.score("oracle_success", kind)
    assert row["n"] >= 128
    assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1
    program, verb, asked, generator, *_ = shlex.split(card.command)
    assert (program, verb, generator) == ("vidgen", "train", card.generator)
    assert catalogue.find(asked).source == card.source


@pytest.mark.parametrize("name", zoo.names())
def test_weights_are_those_of_the_network_that_the_card_describes(name):
    file = model_file.read(zoo.path(name))
    leaves = jax.tree.leaves(file.params)
    assert sum(leaf.size for leaf in leaves) == file.card.parameters
    assert len(leaves) > 20
    read = read_by_sampling(file.generator, file.card.task, file.params, file.card.sampler)
    phases = jax.tree.unflatten(jax.tree.structure(file.params), read)
    assert all(any(jax.tree.leaves(phase)) for phase in phases.values())
    features, mask = file.encoder([file.card.sentences[0]])
    assert features.shape == (1, file.card.task.text_length, file.card.task.text_width)
    assert mask.any()


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.names())
def test_a_model_moves_a_photograph_that_it_has_not_seen(name):
    model = vidgen.load(f"zoo:{name}")
    clip = source(model.file.source, split="test", **model.file.options)[0]
    drawn = model.sample(clip.caption, image=clip.video[0], seed=1)[0]
    assert drawn.shape == clip.video.shape
    np.testing.assert_allclose(drawn[0].astype(int), clip.video[0], atol=48)
    assert np.abs(drawn[-1].astype(int) - drawn[0]).mean() > 1


def test_the_list_names_them_all(capsys):
    assert main(["list", "zoo"]) == 0
    said = capsys.readouterr().out
    for name in zoo.names():
        assert name in said

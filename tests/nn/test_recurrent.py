"""Recurrent layers against their equations, and run at once against run step by step."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from flax import nnx

from vidgen.nn import GRU, LSTM

BATCH, FRAMES, INPUTS, WIDTH = 2, 3, 4, 5


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(1), (BATCH, FRAMES, INPUTS))


def test_gru_follows_its_equations(x):
    gru = GRU(INPUTS, WIDTH, rngs=nnx.Rngs(0))
    gru.candidate_bias = nnx.Param(jax.random.normal(jax.random.key(2), (WIDTH,)))
    outputs, last = gru(x)

    w, b = np.asarray(gru.inward.kernel), np.asarray(gru.inward.bias)
    u, c = np.asarray(gru.recurrent), np.asarray(gru.candidate_bias)
    state, expected = np.zeros((BATCH, WIDTH)), []
    for frame in np.asarray(x).swapaxes(0, 1):
        inward, recurrent = frame @ w + b, state @ u
        reset = sigmoid(inward[:, :WIDTH] + recurrent[:, :WIDTH])
        update = sigmoid(inward[:, WIDTH : 2 * WIDTH] + recurrent[:, WIDTH : 2 * WIDTH])
        new = np.tanh(inward[:, 2 * WIDTH :] + reset * (recurrent[:, 2 * WIDTH :] + c))
        state = (1 - update) * new + update * state
        expected.append(state)
    np.testing.assert_allclose(outputs, np.stack(expected, axis=1), atol=1e-5)
    np.testing.assert_array_equal(last, outputs[:, -1])


def test_lstm_follows_its_equations(x):
    lstm = LSTM(INPUTS, WIDTH, rngs=nnx.Rngs(0))
    outputs, (last, cell_at_end) = lstm(x)

    w, b, u = (np.asarray(p) for p in (lstm.inward.kernel, lstm.inward.bias, lstm.recurrent))
    output = cell = np.zeros((BATCH, WIDTH))
    expected = []
    for frame in np.asarray(x).swapaxes(0, 1):
        i, f, o, g = np.split(frame @ w + b + output @ u, 4, axis=1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        output = sigmoid(o) * np.tanh(cell)
        expected.append(output)
    np.testing.assert_allclose(outputs, np.stack(expected, axis=1), atol=1e-5)
    np.testing.assert_allclose(cell_at_end, cell, atol=1e-5)
    np.testing.assert_array_equal(last, outputs[:, -1])


def test_lstm_starts_with_its_forget_gate_open():
    bias = np.asarray(LSTM(INPUTS, WIDTH, rngs=nnx.Rngs(0)).inward.bias)
    np.testing.assert_array_equal(bias.reshape(4, WIDTH), np.eye(4)[1][:, None] * np.ones(WIDTH))


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_steps_and_a_split_sequence_give_what_the_whole_gives(kind, x):
    layer = kind(INPUTS, WIDTH, rngs=nnx.Rngs(0))
    whole, last = layer(x)

    _, middle = layer(x[:, :2])
    rest, _ = layer(x[:, 2:], middle)
    np.testing.assert_allclose(rest, whole[:, 2:], atol=1e-6)

    state = layer.initial(BATCH)
    for frame in range(FRAMES):
        state = layer.step(x[:, frame], state)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state, last)


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_no_output_sees_a_later_input(kind, x):
    layer = kind(INPUTS, WIDTH, rngs=nnx.Rngs(0))
    before, _ = layer(x)
    after, _ = layer(x.at[:, 2].add(1.0))
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    assert np.abs(before[:, 2] - after[:, 2]).max() > 1e-3


def test_recurrent_matrices_start_orthogonal_gate_by_gate():
    gates = np.split(np.asarray(GRU(INPUTS, WIDTH, rngs=nnx.Rngs(0)).recurrent), 3, axis=1)
    for gate in gates:
        np.testing.assert_allclose(gate @ gate.T, np.eye(WIDTH), atol=1e-5)

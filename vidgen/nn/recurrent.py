"""Recurrent layers over time: GRU and LSTM."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float


class GRU(nnx.Module):
    """A gated recurrent unit, run over a sequence or one step at a time.

    With input x and state h::

        r, u = sigmoid(x W_r + h U_r), sigmoid(x W_u + h U_u)
        n    = tanh(x W_n + r * (h U_n + b))
        h'   = (1 - u) * n + u * h

    The reset gate multiplies after the matrix product, so that each step needs one product only.

    Args:
        inputs: features of an input.
        width: features of the state, which is also the output.
        rngs: source of the initial weights.

    References: Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014).
    """

    def __init__(self, inputs: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.inward = nnx.Linear(inputs, 3 * width, rngs=rngs)
        self.recurrent = nnx.Param(_orthogonal_gates(rngs, width, gates=3))
        self.candidate_bias = nnx.Param(jnp.zeros(width))
        self.width = width

    def initial(self, batch: int) -> Float[Array, "B D"]:
        """The state before the first input: zeros."""
        return jnp.zeros((batch, self.width))

    def step(self, x: Float[Array, "B I"], state: Float[Array, "B D"]) -> Float[Array, "B D"]:
        """The state after one more input."""
        return self._advance(self.inward(x), state)

    def __call__(
        self, x: Float[Array, "B T I"], state: Float[Array, "B D"] | None = None
    ) -> tuple[Float[Array, "B T D"], Float[Array, "B D"]]:
        """Run over a whole sequence.

        Args:
            x: T inputs.
            state: the state to start from; `initial` if None.

        Returns:
            The state after each input, and the last one by itself.
        """
        state = self.initial(x.shape[0]) if state is None else state

        def advance(state: Array, inward: Array) -> tuple[Array, Array]:
            state = self._advance(inward, state)
            return state, state

        last, states = jax.lax.scan(advance, state, self.inward(x).swapaxes(0, 1))
        return states.swapaxes(0, 1), last

    def _advance(self, inward: Array, state: Array) -> Array:
        recurrent = state @ self.recurrent.get_value()
        reset, update = jnp.split(
            jax.nn.sigmoid(inward[:, : 2 * self.width] + recurrent[:, : 2 * self.width]), 2, axis=-1
        )
        remembered = recurrent[:, 2 * self.width :] + self.candidate_bias.get_value()[None]
        candidate = jnp.tanh(inward[:, 2 * self.width :] + reset * remembered)
        return (1.0 - update) * candidate + update * state


class LSTM(nnx.Module):
    """A long short-term memory, run over a sequence or one step at a time.

    With input x, output h and cell c::

        i, f, o = sigmoid(x W_i + h U_i), sigmoid(x W_f + h U_f + 1), sigmoid(x W_o + h U_o)
        c'      = f * c + i * tanh(x W_g + h U_g)
        h'      = o * tanh(c')

    The forget gate starts open (its bias at 1), so that early training remembers.

    Args:
        inputs: features of an input.
        width: features of the output and of the cell.
        rngs: source of the initial weights.

    References: Hochreiter & Schmidhuber, "Long short-term memory" (1997); forget gate and its
    bias: Gers et al. (2000), Jozefowicz et al. (2015).
    """

    def __init__(self, inputs: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.inward = nnx.Linear(inputs, 4 * width, rngs=rngs)
        forget = jnp.arange(4 * width) // width == 1
        self.inward.bias = nnx.Param(forget.astype(jnp.float32))
        self.recurrent = nnx.Param(_orthogonal_gates(rngs, width, gates=4))
        self.width = width

    def initial(self, batch: int) -> tuple[Float[Array, "B D"], Float[Array, "B D"]]:
        """Output and cell before the first input: zeros."""
        return jnp.zeros((batch, self.width)), jnp.zeros((batch, self.width))

    def step(
        self, x: Float[Array, "B I"], state: tuple[Float[Array, "B D"], Float[Array, "B D"]]
    ) -> tuple[Float[Array, "B D"], Float[Array, "B D"]]:
        """Output and cell after one more input."""
        return self._advance(self.inward(x), state)

    def __call__(
        self,
        x: Float[Array, "B T I"],
        state: tuple[Float[Array, "B D"], Float[Array, "B D"]] | None = None,
    ) -> tuple[Float[Array, "B T D"], tuple[Float[Array, "B D"], Float[Array, "B D"]]]:
        """Run over a whole sequence.

        Args:
            x: T inputs.
            state: output and cell to start from; `initial` if None.

        Returns:
            The output after each input, and the last output and cell.
        """
        state = self.initial(x.shape[0]) if state is None else state

        def advance(state: tuple[Array, Array], inward: Array) -> tuple[tuple[Array, Array], Array]:
            state = self._advance(inward, state)
            return state, state[0]

        last, outputs = jax.lax.scan(advance, state, self.inward(x).swapaxes(0, 1))
        return outputs.swapaxes(0, 1), last

    def _advance(self, inward: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        output, cell = state
        gates = inward + output @ self.recurrent.get_value()
        i, f, o, g = jnp.split(gates, 4, axis=-1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(cell), cell


def _orthogonal_gates(rngs: nnx.Rngs, width: int, *, gates: int) -> Float[Array, "D gates_D"]:
    """Each gate's recurrent matrix by itself orthogonal (Saxe et al., 2014)."""
    draw = initializers.orthogonal()
    return jnp.concatenate([draw(rngs.params(), (width, width)) for _ in range(gates)], axis=1)

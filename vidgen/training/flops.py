"""Floating-point operations of a traceable function, counted from its jaxpr.

What counts, and by which convention:

- A multiply-add is 2 FLOPs (8 if complex). Matrix products and convolutions count; elementwise
  arithmetic, reductions, gathers, sorts and random bits count 0, as is the field's custom.
- A convolution counts only the taps that fall on real input. Padding and the zeros that a strided
  layer's backward pass inserts between values (lhs dilation) are no work, so each of the two
  gradients of a convolution costs exactly what its forward pass costs.
- Code whose result nobody reads counts 0: the compiler removes it, even inside loops.
- `scan` counts its body `length` times and `while` its body as often as the jaxpr shows it to run;
  `cond` counts its dearest branch; `shard_map` counts all devices together.
- Work under ``jax.named_scope("optimizer")`` is the optimiser's, e.g. Muon's Newton-Schulz
  products; all else is the model's.
- What `jax.checkpoint` computes a second time is kept apart: it was executed, but not required.
  Under a derivative of a derivative (a gradient penalty) first and second time cannot be told
  apart; all of it is then charged to the model.

Where the answer would be a guess (an unknown primitive, a heavy loop of unknown length), counting
raises. XLA's own cost analysis is no substitute: it counts the body of a scan once.

References: Chowdhery et al., "PaLM" (2022), appendix B, for the convention and for the reason why
utilisation leaves rematerialisation out.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from vidgen.training.primitives import CHEAP

OPTIMIZER_SCOPE = "optimizer"
"""Name of the `jax.named_scope` under which an optimiser does its own arithmetic."""


class UncountedPrimitiveError(NotImplementedError):
    """The jaxpr holds a primitive whose FLOPs this counter does not know."""


class UnknownTripCountError(ValueError):
    """The jaxpr holds a loop with matrix products in it whose length only run time decides."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flops:
    """Floating-point operations by what they serve, exact integers.

    Attributes:
        model: forward and backward passes, losses and the EMA.
        optimizer: inside ``jax.named_scope("optimizer")``.
        recomputed: what rematerialisation computes again.
    """

    model: int = 0
    optimizer: int = 0
    recomputed: int = 0

    @property
    def required(self) -> int:
        """Model and optimiser: what the method costs. Budgets and utilisation are in these."""
        return self.model + self.optimizer

    @property
    def executed(self) -> int:
        """Required and recomputed: what the device does."""
        return self.required + self.recomputed

    def __add__(self, other: Flops) -> Flops:
        return Flops(
            model=self.model + other.model,
            optimizer=self.optimizer + other.optimizer,
            recomputed=self.recomputed + other.recomputed,
        )

    def __mul__(self, times: int) -> Flops:
        return Flops(
            model=self.model * times,
            optimizer=self.optimizer * times,
            recomputed=self.recomputed * times,
        )

    __rmul__ = __mul__


def count(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Flops:
    """FLOPs of ``fn(*args, **kwargs)``. Traces `fn`; compiles and computes nothing.

    Example:
        >>> x = jax.ShapeDtypeStruct((8, 32), jnp.float32)
        >>> w = jax.ShapeDtypeStruct((32, 4), jnp.float32)
        >>> count(jnp.matmul, x, w).model
        2048

    Args:
        fn: a traceable function, jitted or not. Bind static arguments with `functools.partial`.
        args: arrays, `jax.ShapeDtypeStruct` s, or pytrees of them.
        kwargs: as `args`.

    Raises:
        UncountedPrimitiveError: for a primitive that is neither counted nor known to be cheap.
        UnknownTripCountError: for a `while` around heavy work whose trip count is not in
            the jaxpr.
    """
    closed = jax.make_jaxpr(fn)(*args, **kwargs)
    return _walk(closed, [True] * len(closed.jaxpr.outvars), "", [None] * len(closed.in_avals))[0]


# A walk over a jaxpr goes backwards, from the outputs that somebody reads, so that liveness and
# cost are found in one pass. `live` says which outputs are read, `known` holds the value of inputs
# that are scalar literals at the call (trip counts travel that way), and the returned list says
# which inputs are read.
_Walked = tuple[Flops, list[bool]]
_Rule = Callable[[JaxprEqn, list[bool], str, list[Any]], _Walked]


def _walk(
    body: Jaxpr | ClosedJaxpr, live: Sequence[bool], scope: str, known: Sequence[Any]
) -> _Walked:
    jaxpr, consts = (body.jaxpr, body.consts) if isinstance(body, ClosedJaxpr) else (body, ())
    values: dict[Var, Any] = dict(zip(jaxpr.invars, known, strict=True))
    values |= {v: c for v, c in zip(jaxpr.constvars, consts, strict=False) if np.ndim(c) == 0}
    read = {v for v, is_read in zip(jaxpr.outvars, live, strict=True) if is_read and _is_var(v)}
    total = Flops()
    for eqn in reversed(jaxpr.eqns):
        outputs = [v in read for v in eqn.outvars]
        if not any(outputs) and not eqn.effects:
            continue
        inner = f"{scope}/{eqn.source_info.name_stack}"
        operands = [v.val if isinstance(v, Literal) else values.get(v) for v in eqn.invars]
        flops, inputs = _rule(eqn)(eqn, outputs, inner, operands)
        total += flops
        read |= {v for v, is_read in zip(eqn.invars, inputs, strict=True) if is_read and _is_var(v)}
    return total, [v in read for v in jaxpr.invars]


def _is_var(atom: Any) -> bool:
    return not isinstance(atom, Literal)


def _rule(eqn: JaxprEqn) -> _Rule:
    name = eqn.primitive.name
    if name in _RULES:
        return _RULES[name]
    if name in CHEAP:
        return _cheap
    raise UncountedPrimitiveError(
        f"the FLOPs of {name!r} are not known to the counter, and a guess would corrupt the "
        "budget; express it by matrix products or convolutions, or, if it is cheap, add it to the "
        "list in vidgen/training/primitives.py"
    )


def _charge(flops: int, scope: str) -> Flops:
    # Transformations wrap the names of scopes, as in "transpose(jvp(optimizer))/adam".
    names = set(re.split(r"[/()]", scope))
    if OPTIMIZER_SCOPE in names:
        return Flops(optimizer=flops)
    # "rematted_computation" is how jax.checkpoint marks its second forward pass. In a derivative
    # of a derivative the mark also covers values that were never computed before.
    higher_order = re.search(r"jvp\([^/]*transpose\(", scope)
    if "rematted_computation" in names and not higher_order:
        return Flops(recomputed=flops)
    return Flops(model=flops)


def _cheap(eqn: JaxprEqn, live: list[bool], scope: str, known: list[Any]) -> _Walked:
    return Flops(), [True] * len(eqn.invars)


def _dot_general(eqn: JaxprEqn, live: list[bool], scope: str, known: list[Any]) -> _Walked:
    (contracted, _), _ = eqn.params["dimension_numbers"]
    lhs, out = _shaped(eqn.invars[0]).shape, _shaped(eqn.outvars[0]).shape
    macs = math.prod(out) * math.prod(lhs[d] for d in contracted)
    return _charge(macs * _flops_per_mac(eqn), scope), [True] * len(eqn.invars)


def _convolution(eqn: JaxprEqn, live: list[bool], scope: str, known: list[Any]) -> _Walked:
    p = eqn.params
    lhs, rhs, out = (_shaped(v).shape for v in (*eqn.invars[:2], eqn.outvars[0]))
    lhs_spec, rhs_spec, out_spec = p["dimension_numbers"]
    # The kernel's input features are those of one group, so no other factor knows of groups.
    macs = out[out_spec[0]] * out[out_spec[1]] * rhs[rhs_spec[1]]
    for i, (low, _) in enumerate(p["padding"]):
        macs *= _real_taps(
            size=lhs[lhs_spec[2 + i]],
            kernel=rhs[rhs_spec[2 + i]],
            out=out[out_spec[2 + i]],
            low=low,
            stride=p["window_strides"][i],
            lhs_dilation=p["lhs_dilation"][i],
            rhs_dilation=p["rhs_dilation"][i],
        )
    return _charge(macs * _flops_per_mac(eqn), scope), [True] * len(eqn.invars)


@functools.lru_cache(maxsize=4096)
def _real_taps(
    *, size: int, kernel: int, out: int, low: int, stride: int, lhs_dilation: int, rhs_dilation: int
) -> int:
    """Pairs of output and tap, along one axis, that meet a value of the input and not a zero."""
    outputs = np.arange(out, dtype=np.int64) * stride
    taps = np.arange(kernel, dtype=np.int64) * rhs_dilation
    few, many = sorted((outputs, taps), key=len)
    pairs = 0
    for offset in few:  # one row at a time: a kernel's gradient has as many taps as pixels
        position = many + (offset - low)
        real = (position >= 0) & (position <= (size - 1) * lhs_dilation)
        pairs += int(np.count_nonzero(real & (position % lhs_dilation == 0)))
    return pairs


def _shaped(variable: Any) -> Any:
    """The shape and type of an array variable; the union that jax declares has neither."""
    return variable.aval


def _flops_per_mac(eqn: JaxprEqn) -> int:
    return 8 if jnp.issubdtype(_shaped(eqn.outvars[0]).dtype, jnp.complexfloating) else 2


def _call(eqn: JaxprEqn, live: list[bool], scope: str, known: list[Any]) -> _Walked:
    body = eqn.params["call_jaxpr"] if "call_jaxpr" in eqn.params else eqn.params["jaxpr"]
    return _walk(body, live, scope, known)


def _shard_map(eqn: JaxprEqn, live: list[bool], scope: str, known: list[Any]) -> _Walked:
    flops, inputs = _call(eqn, live, scope, known)
    p = eqn.params
    axes = p["newly_manual_axes"] if "newly_manual_axes" in p else p["manual_axes"]  # by version
    return flops * math.prod(p["mesh"].shape[axis] for axis in axes), inputs


def _scan(eqn: JaxprEqn, live: list[bool], scope: str, known: list[Any]) -> _Walked:
    p = eqn.params
    if "num_consts" in p:
        consts, carries = p["num_consts"], p["num_carry"]
    else:  # by version
        consts, carries = (len(list(part)) for part in p["ft_in"].unpack()[:2])
    values = known[:consts] + [None] * (len(known) - consts)
    carry, ys = live[:carries], live[carries:]
    while True:  # a carry is read if the next iteration reads it: grow until nothing changes
        flops, inputs = _walk(p["jaxpr"], carry + ys, scope, values)
        grown = [a or b for a, b in zip(carry, inputs[consts : consts + carries], strict=True)]
        if grown == carry:
            return flops * p["length"], inputs[:consts] + carry + inputs[consts + carries :]
        carry = grown


def _while(eqn: JaxprEqn, live: list[bool], scope: str, known: list[Any]) -> _Walked:
    p = eqn.params
    n_cond, n_body = p["cond_nconsts"], p["body_nconsts"]
    cond_known, body_known = known[:n_cond], known[n_cond : n_cond + n_body]
    unknown = [None] * (len(known) - n_cond - n_body)
    condition, tested = _walk(p["cond_jaxpr"], [True], scope, cond_known + unknown)
    carry = [a or b for a, b in zip(live, tested[n_cond:], strict=True)]
    while True:
        body, inputs = _walk(p["body_jaxpr"], carry, scope, body_known + unknown)
        grown = [a or b for a, b in zip(carry, inputs[n_body:], strict=True)]
        if grown == carry:
            break
        carry = grown
    inputs = tested[:n_cond] + inputs[:n_body] + carry
    if (condition + body).executed == 0:
        return Flops(), inputs
    trips = _trip_count(eqn, known)
    if trips is None:
        raise UnknownTripCountError(
            f"a while loop in scope {scope!r} holds {(condition + body).executed} FLOPs an "
            "iteration, and the jaxpr does not show how often it runs; use jax.lax.scan, or "
            "fori_loop with Python integers for bounds"
        )
    return body * trips, inputs  # a condition that is one comparison costs nothing


def _trip_count(eqn: JaxprEqn, known: list[Any]) -> int | None:
    """Iterations of ``while i < bound: i += step`` with constants throughout, or None."""
    p = eqn.params
    n_cond, n_body = p["cond_nconsts"], p["body_nconsts"]
    cond, body, initial = p["cond_jaxpr"].jaxpr, p["body_jaxpr"].jaxpr, known[n_cond + n_body :]
    carried_in, carried_out = body.invars[n_body:], body.outvars
    tests = [e for e in cond.eqns if cond.outvars[0] in e.outvars]
    if len(tests) != 1 or tests[0].primitive.name not in ("lt", "gt"):
        return None
    counter, bound = tests[0].invars if tests[0].primitive.name == "lt" else tests[0].invars[::-1]
    if counter not in cond.invars[n_cond:]:
        return None
    i = cond.invars.index(counter) - n_cond

    def constant(atom: Any) -> Any:
        if isinstance(atom, Literal):
            return atom.val
        if atom not in cond.invars:
            return None
        j = cond.invars.index(atom)
        if j < n_cond:
            return known[j]
        j -= n_cond
        return initial[j] if carried_out[j] is carried_in[j] else None

    steps = [e for e in body.eqns if carried_out[i] in e.outvars and e.primitive.name == "add"]
    if len(steps) != 1 or carried_in[i] not in steps[0].invars:
        return None
    step = next((a.val for a in steps[0].invars if isinstance(a, Literal)), None)
    start, stop = initial[i], constant(bound)
    if start is None or stop is None or step is None or step <= 0:
        return None
    return max(0, math.ceil((stop - start) / step))


def _cond(eqn: JaxprEqn, live: list[bool], scope: str, known: list[Any]) -> _Walked:
    walks = [_walk(branch, live, scope, known[1:]) for branch in eqn.params["branches"]]
    dearest = max((flops for flops, _ in walks), key=lambda flops: flops.executed)
    return dearest, [True, *map(any, zip(*(inputs for _, inputs in walks), strict=True))]


_RULES: Mapping[str, _Rule] = {
    "dot_general": _dot_general,
    "conv_general_dilated": _convolution,
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "shard_map": _shard_map,
} | dict.fromkeys(
    (
        *("jit", "pjit", "call", "closed_call", "core_call", "composite", "remat2", "checkpoint"),
        *("custom_jvp_call", "custom_vjp_call", "custom_vmap_call"),
    ),
    _call,
)

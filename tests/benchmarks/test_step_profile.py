"""benchmarks/step_profile.py: what an instruction does, and how long it takes."""

import jax
import jax.numpy as jnp
import pytest


@pytest.fixture(scope="module")
def study(load_benchmark):
    return load_benchmark("step_profile")


@pytest.fixture(scope="module")
def program():
    def work(x):
        y = jax.lax.fori_loop(0, 3, lambda _, y: jnp.tanh(y @ x), x)
        return jnp.sort(y, axis=0), jnp.flip(x).T, y.sum()

    x = jnp.full((256, 256), 0.01)
    return jax.jit(work).lower(x).compile(), x


def test_instructions_are_called_by_what_they_do(study, program):
    run, _ = program
    kinds = study.kinds_of(run.as_text())
    assert {"products", "sorting", "control"} <= set(kinds.values())
    text = """
HloModule m
%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %add.1 = f32[] add(%a, %b)
}
%fused (p: f32[4,2]) -> f32[4] {
  %p = f32[4,2]{1,0} parameter(0)
  %c = f32[] constant(0)
  ROOT %r = f32[4]{0} reduce(%p, %c), dimensions={1}, to_apply=%add
}
%turned (q: f32[4,2]) -> f32[2,4] {
  %q = f32[4,2]{1,0} parameter(0)
  ROOT %t = f32[2,4]{1,0} transpose(%q), dimensions={1,0}
}
ENTRY %main (x: f32[4,2]) -> f32[4] {
  %x = f32[4,2]{1,0} parameter(0)
  %turn = f32[2,4]{1,0} fusion(%x), kind=kLoop, calls=%turned
  %mm = (f32[4,4]{1,0}, s8[64]{0}) custom-call(%x, %turn), custom_call_target="__onednn$matmul"
  %e = f32[4,2]{1,0} exponential(%x)
  ROOT %sum = f32[4]{0} fusion(%e), kind=kLoop, calls=%fused
}
"""
    seen = study.kinds_of(text)
    asked = {"turn": "moving", "mm": "products", "e": "elementwise", "sum": "sums"}
    assert {name: seen[name] for name in asked} == asked


def test_the_time_of_a_loop_is_that_of_its_body(study, program):
    run, x = program
    seconds = study.by_instruction(lambda: run(x))
    kinds = study.kinds_of(run.as_text())
    # Every instruction that was timed is one of the program.
    assert set(seconds) <= set(kinds)
    assert all(spent > 0 for spent in seconds.values())
    assert any(kinds[name] == "products" for name in seconds)
    whole = sum(spent for name, spent in seconds.items() if kinds[name] != "control")
    shown = study.longest(seconds, kinds, whole, count=100)
    assert sum(row["share"] for row in shown) == pytest.approx(1)
    assert "control" not in {row["kind"] for row in shown}

"""JAX primitives that the FLOP counter counts 0: all that is no matrix product or convolution.

A list of what is known, and not a rule for the unknown: a new primitive may be a factorisation or
a fused attention kernel, and must be looked at before it goes for free.
"""

from __future__ import annotations

_ELEMENTWISE = """
    abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp
    clz complex conj cos cosh digamma div eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge gt
    igamma igamma_grad_a igammac imag integer_pow is_finite le le_to lgamma log log1p log2 logistic
    lt lt_to max min mul mulhi ne neg nextafter not one_minus_square or polygamma population_count
    pow real regularized_incomplete_beta rem round rsqrt select_n shift_left shift_right_arithmetic
    shift_right_logical sign sin sinh sqrt square sub tan tanh xor zeta
"""
_REDUCTIONS_AND_SORTS = """
    approx_top_k argmax argmin cumlogsumexp cummax cummin cumprod cumsum reduce reduce_and
    reduce_max reduce_min reduce_or reduce_prod reduce_sum reduce_window reduce_window_max
    reduce_window_min reduce_window_sum reduce_xor select_and_gather_add select_and_scatter
    select_and_scatter_add sort top_k
"""
_MOVES = """
    after_all bitcast_convert_type broadcast_in_dim broadcast_to concatenate convert_element_type
    copy create_token device_put dimension_size dynamic_slice dynamic_update_slice empty empty2
    gather iota layout_constraint name optimization_barrier pad platform_index reduce_precision
    reshape reshard rev scatter scatter-add scatter-max scatter-min scatter-mul scatter-sub
    scatter_add scatter_max scatter_min scatter_mul sharding_constraint slice split squeeze stack
    stop_gradient tie tile transpose unstack with_memory_space_constraint zeros_like
"""
_RANDOM_BITS = """
    philox2x32 philox4x32 random_bits random_clone random_fold_in random_gamma random_seed
    random_split random_unwrap random_wrap rng_bit_generator rng_uniform threefry2x32 threefry4x32
"""
_BETWEEN_DEVICES = """
    all_gather all_gather_invariant all_to_all axis_index pbroadcast pmax pmin ppermute psum
    psum_invariant pvary reduce_scatter reduced_vary_cast_p unreduced_psum vary_unreduced_cast_p
"""
_REFERENCES_AND_LOOKS = """
    addupdate check debug_callback debug_print free_ref freeze get new_ref swap
"""

CHEAP = frozenset(
    " ".join(
        (
            _ELEMENTWISE,
            _REDUCTIONS_AND_SORTS,
            _MOVES,
            _RANDOM_BITS,
            _BETWEEN_DEVICES,
            _REFERENCES_AND_LOOKS,
        )
    ).split()
)
"""Names of the primitives that count 0."""

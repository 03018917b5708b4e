"""
Model FLOPs per token, under a named convention.

Symbols, as in the literature: N matmul parameters that a token passes through,
L layers, H heads, Q head dimension, T sequence length. A multiply-add counts as
two FLOPs; the backward pass counts twice the forward pass. Recomputed activations,
padding and pipeline bubbles are no model FLOPs: that is the point of MFU.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TypeVar

from goodput_exporter.domain.observations import ModelFacts

X = TypeVar("X", int, float)


class Convention(StrEnum):
    """What counts as a model FLOP; on one model they differ by up to 70 %."""

    USER = "user"
    CAUSAL = "causal"
    FULL = "full"
    SIX_N = "6n"


def six_n(params: float) -> float:
    """
    Return FLOPs per token of the matrix multiplications alone: 6N.

    Attention scores are left out, which understates long sequences.

    Args:
        params: N, with the output head, without the input embedding's lookup.

    Source:
        arXiv:2001.08361, section 2.1: 2N forward, 4N backward.
    """
    return 6 * params


def full_attention(layers: int, width: int, seq_len: int) -> float:
    """
    Return FLOPs per token of attention that looks at every position: 12LHQT.

    Args:
        layers: L.
        width: H times Q.
        seq_len: T.

    Source:
        arXiv:2204.02311, appendix B.
    """
    return 12 * layers * width * seq_len


def causal_attention(layers: int, width: int, seq_len: int) -> float:
    """
    Return FLOPs per token of attention that looks back only: 6LHQT.

    Half of the full figure: a causal kernel skips the other half, and work that
    nobody does must not be credited. Megatron-LM and MaxText halve it too.
    """
    return full_attention(layers, width, seq_len) / 2


def flops_per_token(
    facts: ModelFacts, convention: Convention | None = None
) -> tuple[float, Convention] | None:
    """
    Return the best figure that *facts* allow, and the convention it follows.

    Without a wish the framework's own figure wins, then the causal one where the
    shape is known, then 6N. A figure that cannot be (zero, negative, NaN) counts
    as not said.

    Args:
        facts: What the job says of its model.
        convention: The only one to use, so that runs can be compared.

    Returns:
        FLOPs per token and their convention; None where the facts do not suffice.
    """
    wanted = _PREFERENCE if convention is None else (convention,)
    for candidate in wanted:
        flops = _by_convention(facts, candidate)
        if flops is not None:
            return flops, candidate
    return None


_PREFERENCE = (Convention.USER, Convention.CAUSAL, Convention.SIX_N)


def _by_convention(facts: ModelFacts, convention: Convention) -> float | None:
    if convention is Convention.USER:
        return _positive(facts.flops_per_token)
    params = matmul_params(facts)
    if params is None or convention is Convention.SIX_N:
        return None if params is None else six_n(params)
    layers, seq_len = _positive(facts.layers), _positive(facts.seq_len)
    width = attention_width(facts)
    if layers is None or seq_len is None or width is None:
        return None
    attention = causal_attention if convention is Convention.CAUSAL else full_attention
    return six_n(params) + attention(layers, width, seq_len)


def matmul_params(facts: ModelFacts) -> float | None:
    """
    Return N: the active parameters of a mixture of experts, else all of them.

    With all parameters a model of 671 B of which 37 B are active would get 18
    times its MFU.
    """
    return _positive(facts.active_params) or _positive(facts.params)


def attention_width(facts: ModelFacts) -> int | None:
    """Return H times Q; the hidden size where heads are not said."""
    heads, head_dim = _positive(facts.heads), _positive(facts.head_dim)
    if heads is not None and head_dim is not None:
        return heads * head_dim
    return _positive(facts.hidden)


def _positive(value: X | None) -> X | None:
    """Return *value* where it can be a size, else None."""
    if value is None or not math.isfinite(value) or value <= 0:
        return None
    return value

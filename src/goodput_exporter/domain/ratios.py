"""The ratios of the definitions: chained, GPU-weighted, over observed time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.states import LAYER_OF, Layer, RunState


@dataclass(frozen=True, slots=True)
class LayerRatios:
    """
    One account's ratios; None where a denominator is zero or a part is unknown.

    ``infrastructure x framework x pace = goodput`` and, where FLOPs and peak
    are known, ``infrastructure x framework x model = overall``.

    Source:
        ETTR: arXiv:2410.21680, W = Q + R + U, here weighted by GPUs.
        MFU: arXiv:2204.02311, appendix B.
    """

    infrastructure: float | None
    framework: float | None
    pace: float | None
    goodput: float | None
    model: float | None
    overall: float | None
    ettr: float | None
    coverage: float | None
    goodput_with_evaluation: float | None


def ratios(
    account: Account,
    *,
    model_flops: float | None = None,
    peak_flops: float | None = None,
) -> LayerRatios:
    """
    Form the ratios of one account, or of the sum of several.

    Args:
        account: GPU time by state, in nanoseconds x devices.
        model_flops: Model FLOPs of first-time steps booked in the same time.
        peak_flops: Dense peak of one device, in FLOP/s.
    """
    by_layer = dict.fromkeys(Layer, 0)
    for state, gpu_ns in account.gpu_ns.items():
        by_layer[LAYER_OF[state]] += gpu_ns
    step = by_layer[Layer.MODEL] + by_layer[Layer.GOOD]
    available = step + by_layer[Layer.FRAMEWORK]
    wall = available + by_layer[Layer.INFRASTRUCTURE]
    queued = by_layer[Layer.OUTSIDE]
    unobserved = by_layer[Layer.NONE]
    productive = account.of(RunState.PRODUCTIVE)
    good_or_evaluating = productive + account.of(RunState.EVALUATING)
    done = None
    if model_flops is not None and peak_flops:
        done = model_flops / peak_flops * 1e9
    return LayerRatios(
        infrastructure=_share(available, wall),
        framework=_share(step, available),
        pace=_share(productive, step),
        goodput=_share(productive, wall),
        model=None if done is None else _share(done, step),
        overall=None if done is None else _share(done, wall),
        ettr=_share(step, wall + queued),
        coverage=_share(wall + queued, wall + queued + unobserved),
        goodput_with_evaluation=_share(good_or_evaluating, wall),
    )


def ratio_of_sums(accounts: Iterable[Account]) -> LayerRatios:
    """Form a group's ratios: the ratio of sums, never a mean of ratios."""
    whole = Account()
    for account in accounts:
        whole.merge(account)
    return ratios(whole)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None

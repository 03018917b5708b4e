"""Whose peak a GPU gets, by the name that NVML reports."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.generators import peaks as page
from goodput_exporter.domain.peak_table import PEAK_TABLE, PeakRow
from goodput_exporter.domain.peaks import (
    DTYPE_ALIASES,
    GIB,
    column_of,
    peak_of,
    why_no_peak,
)


@pytest.mark.parametrize(
    ("name", "bf16_tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA GH200 480GB", 989.4),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA H100 NVL", 835.0),
        ("NVIDIA H200", 989.4),
        ("NVIDIA H200 NVL", 835.0),
        ("NVIDIA B200", 2250.0),
        ("NVIDIA GB200", 2500.0),
        ("NVIDIA B300 SXM6 AC", 2250.0),
        ("NVIDIA GB300", 2500.0),
        ("NVIDIA A100-SXM4-40GB", 312.0),
        ("NVIDIA A100-PCIE-40GB", 312.0),
        ("NVIDIA A100 80GB PCIe", 312.0),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA A10", 125.0),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA GeForce RTX 5090", 209.5),
        ("AMD Instinct MI300X", 1307.4),
    ],
)
def test_a_listed_gpu_has_its_own_bf16_peak(name: str, bf16_tflops: float) -> None:
    """Each name finds its own row, and no shorter one that is part of it."""
    peak = peak_of(name, "bf16")

    assert peak is not None
    assert peak.flops == bf16_tflops * 1e12
    assert why_no_peak(name, "bf16") is None


@pytest.mark.parametrize(
    ("name", "fp16_tflops"),
    [
        ("Tesla V100-SXM2-16GB", 125.0),
        ("Tesla V100-PCIE-32GB", 112.0),
        ("Tesla T4", 65.0),
    ],
)
def test_gpus_before_ampere_have_fp16_and_no_bf16(
    name: str, fp16_tflops: float
) -> None:
    """A V100 has no BF16 tensor cores: an MFU against its FP16 peak would lie."""
    peak = peak_of(name, "fp16")

    assert peak is not None
    assert peak.flops == fp16_tflops * 1e12
    assert why_no_peak(name, "bf16") == f"no dense bf16 peak of {name} is listed"


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA A10G",
        "NVIDIA L40",
        "NVIDIA H20",
        "NVIDIA H800",
        "NVIDIA A30",
        "NVIDIA B100",
        "Tesla V100S-PCIE-32GB",
        "Tesla V100-FHHL-16GB",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA T400 4GB",
        "AMD Instinct MI300A",
        "Some GPU of 2031",
    ],
)
def test_an_unlisted_gpu_has_no_peak_and_says_so(name: str) -> None:
    """No neighbour's figure is lent: no peak, no MFU, and the reason names the GPU."""
    reason = why_no_peak(name, "bf16")

    assert peak_of(name, "bf16") is None
    assert reason is not None
    assert name in reason


@pytest.mark.parametrize(
    "name", ["NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA A100-40C", "NVIDIA L40S-24Q"]
)
def test_a_slice_of_a_gpu_has_no_peak(name: str) -> None:
    """A MIG instance or a vGPU is not the whole device its name begins with."""
    reason = why_no_peak(name, "bf16")

    assert peak_of(name, "bf16") is None
    assert reason is not None
    assert "slice" in reason


def test_memory_tells_parts_apart_that_share_a_name() -> None:
    """An H100 with 40 GiB is not the H100 of the table, whatever it calls itself."""
    name = "NVIDIA H100 80GB HBM3"
    reason = why_no_peak(name, "bf16", 40 * GIB)

    assert peak_of(name, "bf16", 81_559 * 2**20) is not None
    assert peak_of(name, "bf16", 40 * GIB) is None
    assert reason is not None
    assert "40 GiB" in reason


@pytest.mark.parametrize(
    ("said", "column"),
    [
        ("bf16", "bf16"),
        ("bfloat16", "bf16"),
        ("torch.bfloat16", "bf16"),
        ("BF16-mixed", "bf16"),
        ("float16", "fp16"),
        ("torch.half", "fp16"),
        ("16-mixed", "fp16"),
        ("tf32", "tf32"),
        ("fp8_e4m3", "fp8"),
        ("torch.float8_e4m3fn", "fp8"),
        ("float8_e5m2", "fp8"),
    ],
)
def test_a_dtype_goes_by_many_names(said: str, column: str) -> None:
    """However a framework writes a dtype, it is the same column of the table."""
    assert column_of(said) == column


@pytest.mark.parametrize("dtype", ["fp32", "int8", "nvfp4", "", "bf"])
def test_an_unlisted_dtype_has_no_peak(dtype: str) -> None:
    """FP32 without TF32 runs on other units; it must not get their figure."""
    assert peak_of("NVIDIA H100 80GB HBM3", dtype) is None
    assert why_no_peak("NVIDIA H100 80GB HBM3", dtype) is not None


def test_a_run_that_says_neither_gpu_nor_dtype_is_told_which_is_missing() -> None:
    """The reason names what the job or the node has to say."""
    assert "dtype" in (why_no_peak("NVIDIA H200", None) or "")
    assert "GPU name" in (why_no_peak(None, "bf16") or "")
    assert "GPU name" in (why_no_peak("", "bf16") or "")


@pytest.mark.parametrize("row", PEAK_TABLE, ids=lambda row: " ".join(row.words))
def test_every_row_has_a_source_and_a_date(row: PeakRow) -> None:
    """A number without a source is not listed."""
    checked = dt.date.fromisoformat(row.checked)
    low, high = row.memory_gib

    assert row.source
    assert checked >= dt.date(2026, 1, 1)
    assert 0 < low < high
    assert peak_of(" ".join(row.words), "fp16", (low + high) // 2 * GIB) is not None


@pytest.mark.parametrize("row", PEAK_TABLE, ids=lambda row: " ".join(row.words))
def test_every_figure_is_dense(row: PeakRow) -> None:
    """Half the width, twice the rate: a sparse figure among dense ones stands out."""
    ladder = [figure for figure in (row.tf32, row.bf16, row.fp8) if figure is not None]

    assert row.bf16 is None or row.bf16 == row.fp16
    for slower, faster in itertools.pairwise(ladder):
        assert faster / slower == pytest.approx(2.0, rel=0.03)


@pytest.mark.parametrize(
    ("words", "sms", "fma_per_clock", "gigahertz"),
    [
        (("H100",), 132, 2048, 1.83),
        (("H100", "PCIE"), 114, 2048, 1.62),
        (("A100",), 108, 1024, 1.41),
        (("L4",), 58, 512, 2.04),
        (("RTX", "5090"), 170, 256, 2.407),
        (("MI300X",), 1216 // 4, 1024, 2.1),
    ],
)
def test_the_silicon_confirms_the_figure(
    words: tuple[str, ...], sms: int, fma_per_clock: int, gigahertz: float
) -> None:
    """Units times rate times clock times two gives the figure that sheets print."""
    (row,) = [row for row in PEAK_TABLE if row.words == words]

    derived = 2 * fma_per_clock * sms * gigahertz / 1000

    assert row.fp16 == pytest.approx(derived, rel=0.01)


@given(st.text(max_size=60), st.none() | st.text(max_size=20))
def test_any_name_and_dtype_give_a_peak_or_a_reason(
    name: str, dtype: str | None
) -> None:
    """Whatever a driver or a job says, there is a figure or a sentence, never both."""
    has_peak = peak_of(name, dtype) is not None

    assert has_peak is (why_no_peak(name, dtype) is None)


def test_no_alias_means_two_dtypes() -> None:
    """Each spelling of a dtype belongs to one column."""
    aliases = [alias for names in DTYPE_ALIASES.values() for alias in names]

    assert len(aliases) == len(set(aliases))


def test_the_reference_page_lists_every_row() -> None:
    """The documented table is the one in use."""
    text = page.render()

    for row in PEAK_TABLE:
        assert f"| {' '.join(row.words)} |" in text
        assert row.source in text

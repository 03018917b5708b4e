"""Dense peak TFLOP/s per GPU model; each row has its source and its date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CHECKED: Final = "2026-11-22"


@dataclass(frozen=True, slots=True)
class PeakRow:
    """
    One GPU model. Figures are dense: data sheets since Ampere print 2:4 sparsity.

    Args:
        words: All of them must be words of the device's name.
        memory_gib: The least and most memory of such a board, in GiB; a device
            outside is another part or a slice of this one.
        tf32, bf16, fp16, fp8: TFLOP/s with FP32 accumulation; None is not listed.
        source: Who says so, and who says otherwise.
        checked: The day on which the sources were last compared, ISO 8601.
    """

    words: tuple[str, ...]
    memory_gib: tuple[int, int]
    tf32: float | None
    bf16: float | None
    fp16: float | None
    fp8: float | None
    source: str
    checked: str = CHECKED


H100_SXM: Final = (
    "torchtitan 989; Composer half of 1,979; ml-engineering 989; "
    "derived: 132 SM at 1.83 GHz"
)
H100_NVL: Final = "torchtitan 835; half of the data sheet's sparse 1,671"

PEAK_TABLE: Final = (
    PeakRow(("H100",), (60, 100), 494.7, 989.4, 989.4, 1978.9, H100_SXM),
    PeakRow(("GH200",), (90, 145), 494.7, 989.4, 989.4, 1978.9, H100_SXM),
    PeakRow(
        ("H100", "PCIE"),
        (75, 100),
        378.0,
        756.0,
        756.0,
        1513.0,
        "torchtitan 756; Composer half of 1,513; ml-engineering; "
        "derived: 114 SM at 1.62 GHz",
    ),
    PeakRow(("H100", "NVL"), (90, 100), 417.5, 835.0, 835.0, 1671.0, H100_NVL),
    PeakRow(
        ("H200",),
        (135, 145),
        494.7,
        989.4,
        989.4,
        1978.9,
        "torchtitan 989; Composer; ml-engineering; the die and clock of H100 SXM",
    ),
    PeakRow(
        ("H200", "NVL"),
        (135, 145),
        418.0,
        835.0,
        835.0,
        1671.0,
        "half of the sparse 1,671 of the data sheet; Lightning lists the sparse "
        "figure; torchtitan gives this name the SXM figure",
    ),
    PeakRow(
        ("B200",),
        (170, 195),
        1100.0,
        2250.0,
        2250.0,
        4500.0,
        "torchtitan 2,250; DGX B200 sheet by way of ml-engineering; half of NVIDIA's "
        "HGX B200 table (TF32 2.2, BF16 4.5, FP8 9 PFLOP/s sparse)",
    ),
    PeakRow(
        ("GB200",),
        (170, 195),
        1250.0,
        2500.0,
        2500.0,
        5000.0,
        "per GPU, at 1,200 W: torchtitan 2,500; half of NVIDIA's GB200 table (TF32 "
        "2.5, BF16 5, FP8 10 PFLOP/s sparse); one cloud says 2,250",
    ),
    PeakRow(
        ("B300",),
        (255, 295),
        1125.0,
        2250.0,
        2250.0,
        4500.0,
        "torchtitan 2,250; DGX B300 sheet by way of ml-engineering",
    ),
    PeakRow(
        ("GB300",),
        (255, 295),
        1250.0,
        2500.0,
        2500.0,
        5000.0,
        "per GPU: torchtitan 2,500; ml-engineering",
    ),
    PeakRow(
        ("A100",),
        (38, 82),
        156.0,
        312.0,
        312.0,
        None,
        "all sources agree, SXM and PCIe; derived: 108 SM at 1.41 GHz",
    ),
    PeakRow(
        ("L40S",),
        (43, 49),
        183.0,
        362.0,
        362.0,
        733.0,
        "ml-engineering 362; torchtitan's source comment; derived 362.1",
    ),
    PeakRow(
        ("L4",),
        (21, 25),
        60.0,
        121.0,
        121.0,
        242.0,
        "Lightning 121; derived: 58 SM at 2.04 GHz; the sheet's FP16 242 is sparse",
    ),
    PeakRow(
        ("A10",),
        (21, 25),
        62.5,
        125.0,
        125.0,
        None,
        "Composer 125; derived 125.0; A10G is another part and has no row",
    ),
    PeakRow(
        ("V100", "SXM2"),
        (15, 33),
        None,
        None,
        125.0,
        None,
        "Composer 125; derived 125.3",
    ),
    PeakRow(
        ("V100", "PCIE"),
        (15, 33),
        None,
        None,
        112.0,
        None,
        "Composer 112; derived 113",
    ),
    PeakRow(
        ("T4",),
        (14, 17),
        None,
        None,
        65.0,
        None,
        "Composer 65; Lightning 65; derived 65.1",
    ),
    PeakRow(
        ("RTX", "4090"),
        (22, 25),
        82.6,
        165.2,
        165.2,
        330.3,
        "derived, FP32 accumulation; with FP16 accumulation twice as much; Lightning "
        "lists the shaders' 82.6",
    ),
    PeakRow(
        ("RTX", "5090"),
        (30, 33),
        104.8,
        209.5,
        209.5,
        419.0,
        "derived: 170 SM at 2.407 GHz, FP32 accumulation; vendors' 838 is sparse "
        "and accumulates in FP16",
    ),
    PeakRow(
        ("MI300X",),
        (185, 195),
        653.7,
        1307.4,
        1307.4,
        2614.9,
        "ml-engineering 1,300; torchtitan 1,300; derived: 1,216 cores at 2.1 GHz; "
        "2,615 for FP16 is the sparse figure",
    ),
)

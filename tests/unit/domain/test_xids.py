"""XIDs by who has to act, after NVIDIA's catalogue."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.xids import XIDS, XidClass, codes, xid_class


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (13, XidClass.APP),
        (31, XidClass.APP),
        (43, XidClass.APP),
        (45, XidClass.APP),
        (63, XidClass.HW_RECOVERABLE),
        (94, XidClass.HW_RECOVERABLE),
        (48, XidClass.HW_FATAL),
        (64, XidClass.HW_FATAL),
        (74, XidClass.HW_FATAL),
        (79, XidClass.HW_FATAL),
        (95, XidClass.HW_FATAL),
        (119, XidClass.HW_FATAL),
        (120, XidClass.HW_FATAL),
        (38, XidClass.DRIVER),
        (4711, XidClass.UNKNOWN),
    ],
)
def test_an_xid_says_who_has_to_act(code: int, wanted: XidClass) -> None:
    """A user's bug pages nobody, a fallen GPU does; a new code is kept as unknown."""
    assert xid_class(code) is wanted


def test_every_xid_is_listed_once_with_its_source() -> None:
    """The source is NVIDIA's own page."""
    assert len({row.code for row in XIDS}) == len(XIDS)
    assert all(row.source.startswith("https://docs.nvidia.com/") for row in XIDS)


def test_a_notice_ends_no_work() -> None:
    """A row that will be remapped leaves the running program alone."""
    assert "63" in codes(XidClass.HW_RECOVERABLE, ends_work=False)
    assert codes(XidClass.HW_RECOVERABLE) == ("94",)

"""The settings are the definitions' numbers unless somebody says otherwise."""

from __future__ import annotations

from goodput_exporter.domain.settings import Rules, default_floors


def test_the_defaults_are_the_definitions() -> None:
    """Rules 6, 8, 14, 15 and section 8, in nanoseconds."""
    rules, second = Rules(), 1_000_000_000

    assert rules.window_ns == 10 * second
    assert rules.grace_ns == 5 * second
    assert rules.settle_ns == 60 * second
    assert rules.settle_after_start_ns == 300 * second
    assert rules.end_after_ns == 900 * second
    assert rules.merge_ns == 120 * second
    assert rules.reference_step_ns is None
    assert rules.stall_factor == 10
    assert rules.stepping_on_steps == 2


def test_each_set_of_rules_has_floors_of_its_own() -> None:
    """Changing one run's floor changes no other's."""
    rules = Rules()
    rules.stall_floors_ns.clear()

    assert Rules().stall_floors_ns == default_floors()
    assert len(default_floors()) == 8

"""A seeded cluster that is lived through, not measured: raw inputs, and the truth."""

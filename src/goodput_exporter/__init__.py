"""goodput-exporter: what fraction of GPU time became training progress that was kept."""

__version__ = "0.1.0"

"""What fraction of GPU time became training progress that was kept, and why not."""

__version__ = "0.1.0"

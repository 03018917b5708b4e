"""One file per source: they read the world and decide nothing."""

"""A small character-level language model in numpy, its text and its checkpoints."""

"""A run on disk: its folder, checkpoints, images, and the reader of recorded ones."""

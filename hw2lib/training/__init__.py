"""Training: loops, checkpoints, seeding, run folders."""

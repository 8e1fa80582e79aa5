"""What chapters try beside the recorded runs: toy domains, receptive fields, checkerboards and others."""

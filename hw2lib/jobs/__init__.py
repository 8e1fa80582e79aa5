"""The recorded jobs of the book: train, evaluate, write; one file each."""

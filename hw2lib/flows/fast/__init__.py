"""The same functions as in the layer above, arranged for speed; each is held against its readable form."""

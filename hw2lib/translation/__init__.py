"""How translations are judged: a classifier, colours, distances, spectra, hidden information, similarity."""

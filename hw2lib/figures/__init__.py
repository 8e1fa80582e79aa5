"""One function per figure of the book, with labels in both languages."""

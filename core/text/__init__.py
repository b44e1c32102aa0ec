"""Text: words, normalization, byte pairs, languages, small talk."""

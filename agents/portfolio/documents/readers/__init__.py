"""One reader for each format: from bytes to text and blocks."""

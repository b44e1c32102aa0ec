"""From a request to the text: fields read from its words, sections, files."""

"""The revisions of market's tables."""

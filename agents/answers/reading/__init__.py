"""Questions and documents as words, units and what they ask or say."""

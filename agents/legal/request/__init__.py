"""What a caller asks: checked, read from words, planned, and revised."""

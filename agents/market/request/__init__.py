"""What a caller asks: checked, and planned."""

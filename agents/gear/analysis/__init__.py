"""What reviews and specifications say of a product, worked out in the background."""

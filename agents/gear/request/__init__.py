"""What a request asks for, and what it must be."""

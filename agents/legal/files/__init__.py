"""The finished document as a file."""

"""The tokenizer is for kernels: it has no Python interface."""

"""The tools: each a pure function from a frame to figures, its method in its docstring."""

"""Document types: typed fields, clauses, and the sandbox that fills them."""

"""A question in words: which tools, rows and dimensions it asks for, and the sentence that answers it."""

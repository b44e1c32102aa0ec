"""The state of a document, and what goes between it and the messages of the contract."""

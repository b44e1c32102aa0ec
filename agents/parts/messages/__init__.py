"""The contract's messages: checked when they come, made when they go, compacted when they are kept."""

"""From a message to a streamed, cited answer."""

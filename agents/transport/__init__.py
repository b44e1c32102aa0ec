"""What vendors' and models' connections share: cancellation, idle connections, Retry-After."""

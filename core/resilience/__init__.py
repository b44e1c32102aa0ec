"""How calls to parties that fail are made: thread pools with bulkheads, circuit breakers, retries, request rates."""

from hexar.core.resilience.policies import (
    NO_RETRY,
    BreakerOpen,
    BreakerState,
    BulkheadFull,
    CircuitBreaker,
    Peers,
    RetryPolicy,
    counts_as_failure,
)

__all__ = [
    "NO_RETRY",
    "BreakerOpen",
    "BreakerState",
    "BulkheadFull",
    "CircuitBreaker",
    "Peers",
    "RetryPolicy",
    "counts_as_failure",
]

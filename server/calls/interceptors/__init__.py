"""What every call passes through, outermost first: errors, request id, authentication, metrics, rates, admission."""

from hexar.server.calls.interceptors.admission import Admission
from hexar.server.calls.interceptors.errors import errors
from hexar.server.calls.interceptors.observe import Observe
from hexar.server.calls.interceptors.rate import RateLimit, Rates
from hexar.server.calls.interceptors.request_id import request_id

__all__ = ["Admission", "Observe", "RateLimit", "Rates", "errors", "request_id"]

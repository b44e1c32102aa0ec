"""What every call passes through, outermost first: errors, request id, authentication, metrics, rates, admission."""

from hexar.server.interceptors.admission import Admission
from hexar.server.interceptors.errors import errors
from hexar.server.interceptors.observe import Observe
from hexar.server.interceptors.rate import RateLimit, Rates
from hexar.server.interceptors.request_id import request_id

__all__ = ["Admission", "Observe", "RateLimit", "Rates", "errors", "request_id"]

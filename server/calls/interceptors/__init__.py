"""What every call passes through, outermost first: errors, id, authentication, metrics, rates, open streams, admission."""

from hexar.server.calls.interceptors.admission import Admission
from hexar.server.calls.interceptors.errors import errors
from hexar.server.calls.interceptors.observe import Observe
from hexar.server.calls.interceptors.rate import RateLimit, Rates
from hexar.server.calls.interceptors.request_id import request_id
from hexar.server.calls.interceptors.streams import OpenStreams, StreamLimit

__all__ = ["Admission", "Observe", "OpenStreams", "RateLimit", "Rates", "StreamLimit", "errors", "request_id"]

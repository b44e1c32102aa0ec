"""Page tokens: where the next page of a list begins, opaque to who passes them back."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from hexar.core.errors import InvalidArgument


class PageTokens:
    """The tokens of one list, whose rows lie in the order of ``kinds`` of values: a token of another list is refused."""

    def __init__(self, name: str, *kinds: type) -> None:
        self._name = name
        self._kinds = kinds

    def encode(self, *position: object) -> str:
        """The token of the page behind ``position``, the place of the last row of this one."""
        return base64.urlsafe_b64encode(orjson.dumps([self._name, *position])).decode()

    def decode(self, token: str) -> tuple[Any, ...] | None:
        """The position in ``token``; None for the first page, whose token is empty. Raises InvalidArgument."""
        if not token:
            return None
        try:
            name, *position = orjson.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
        except (ValueError, TypeError):
            raise InvalidArgument("page.token", "is not a token of this list") from None
        fits = len(position) == len(self._kinds) and all(type(a) is kind for a, kind in zip(position, self._kinds, strict=True))
        if name != self._name or not fits:
            raise InvalidArgument("page.token", "is not a token of this list")
        return tuple(position)

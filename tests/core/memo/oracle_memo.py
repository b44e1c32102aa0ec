"""What memos under one bound must do, written plainly: one list of (memo, key), the latest used last."""

from collections.abc import Callable


class Memory:
    """``cost`` gives the bytes of an entry; every memo is a name."""

    def __init__(self, limit: int, cost: Callable[[object, object], int]) -> None:
        self.limit = limit
        self._cost = cost
        self.kept: list[tuple[str, object, object]] = []

    @property
    def used(self) -> int:
        """Bytes of all entries."""
        return sum(self._cost(key, value) for _, key, value in self.kept)

    def get(self, memo: str, key: object) -> object | None:
        """The value under ``key``, which is the latest used from now on."""
        for entry in self.kept:
            if entry[:2] == (memo, key):
                self.kept.remove(entry)
                self.kept.append(entry)
                return entry[2]
        return None

    def put(self, memo: str, key: object, value: object) -> None:
        """Keep ``value``, unless it is too large; those that were used longest ago make room."""
        self.kept = [entry for entry in self.kept if entry[:2] != (memo, key)]
        if self._cost(key, value) > self.limit // 8:
            return
        self.kept.append((memo, key, value))
        while self.used > self.limit:
            self.kept.pop(0)

"""What was worked out from a text or a request and may be asked again: remembered under one bound in bytes.

::

    @remembered("stems")
    def stem(word: str, language: str) -> str: ...

All memos of a process share :data:`MEMORY`: the value that was used longest ago makes room, whichever memo it is of. A bound in
number alone would not do, as texts come from strangers and may be long. What depends on a
tenant has it in its key.
"""

from hexar.core.memo.memo import MEMORY, Memo, MemoMemory, remembered

__all__ = ["MEMORY", "Memo", "MemoMemory", "remembered"]

from typing import Final

MAX_MARKS: Final[int]

def normalize_text(text: str) -> str: ...

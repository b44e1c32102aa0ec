"""The plain oracle of hexar.core.text.normalization: the definition, repeated until nothing changes."""

import unicodedata


def normalize_text(source: str) -> str:
    """NFKC_Casefold and collapsed spaces, repeated until nothing changes."""
    while True:
        shown = "".join(character for character in source if not ignorable(character))
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", shown).casefold())
        words = " ".join(folded.split())
        if words == source:
            return words
        source = words


def ignorable(character: str) -> bool:
    """Default_Ignorable_Code_Point: format characters without a shape of their own, and what is listed beside them."""
    code = ord(character)
    if 0xFE00 <= code <= 0xFE0F or 0xE0000 <= code <= 0xE0FFF or 0xFFF0 <= code <= 0xFFF8 or 0x2060 <= code <= 0x206F:
        return True
    if code in {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0}:
        return True
    visible_format = (
        0x0600 <= code <= 0x0605
        or code in {0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD}
        or 0xFFF9 <= code <= 0xFFFB
        or 0x13430 <= code <= 0x1343F
    )
    return unicodedata.category(character) == "Cf" and not visible_format

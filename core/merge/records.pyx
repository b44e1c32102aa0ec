"""From a row of a vendor to the record that is compared.

Fields are found by their usual names (``ROLES`` of :mod:`hexar.core.merge.lexicon`); the rest of at most ``FIELD_LIMIT`` fields,
in the order of their names, is kept by name. What is empty or no text or number is not there.
"""

from libcpp.algorithm cimport sort as std_sort

from hexar.core.merge.tokens cimport (
    DESCRIPTION_TOKENS, FIELD_LIMIT, LENGTH_LIMIT, TEXT_LIMIT, TOKEN_LIMIT, codelike, digit, fold, group_number, has_strong,
    hash_span, hash_text, number_value, tokenize,
)

from hexar.core.merge.lexicon import ROLES, SIZES, TITLE_ORDER, UNITS

cdef int color_group = group_number("color")
cdef int side_group = group_number("side")
cdef int position_group = group_number("position")
cdef int stop_group = group_number("stop")
cdef int filler_group = group_number("filler")


cdef str as_text(object value):
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return ""


cdef str key_name(str key):
    return fold(key[:64]).strip().replace(" ", "_").replace("-", "_")


cdef str role_of(str key):
    role = ROLES.get(key)
    if role is not None:
        return role
    if "brand" in key or "manufacturer" in key or "factory" in key or "brewery" in key:
        return "brand"
    return "other"


cdef str compact(str text):
    """Letters and digits only, folded, at most LENGTH_LIMIT of them."""
    return "".join([c for c in fold(text) if c.isalnum()])[:LENGTH_LIMIT]


cdef str size_name(str text):
    """One form of a size: "Medium" is "m", "154 cm" is "154", "10.0" is "10"; the unit of other words stays."""
    cdef str name = "".join([c for c in fold(text) if c.isalnum() or c == "."])[:LENGTH_LIMIT].strip(".")
    cdef Py_ssize_t i = 0
    name = SIZES.get(name, name)
    while i < len(name) and (digit(name[i]) or name[i] == "."):
        i += 1
    if i > 0 and (i == len(name) or name[i:] in UNITS):
        name = name[:i]
        if "." in name:
            name = name.rstrip("0").rstrip(".")
    return name


cdef str first_number(str text):
    """The first number of a text without thousands separators; empty where there is none."""
    cdef Py_ssize_t i = 0, n = len(text)
    cdef Py_UCS4 c
    while i < n and not digit(text[i]):
        i += 1
    out = []
    while i < n and (digit(text[i]) or text[i] in ".,"):
        c = text[i]
        if c == c',' or (c == c'.' and not (i + 1 < n and digit(text[i + 1]))):
            if not (i + 3 < n and digit(text[i + 1]) and digit(text[i + 2]) and digit(text[i + 3])):
                break
        else:
            out.append(c)
        i += 1
    return "".join(out)[:24]


cdef double value_of(str number):
    cdef vector[Py_UCS4] text
    cdef Py_UCS4 c
    for c in number:
        text.push_back(c)
    return number_value(text.data(), text.size()) if not text.empty() else 0.0


cdef uint64_t gtin_of(str text) except? 0xFFFFFFFFFFFFFFFF:
    """The GTIN in ``text`` as a number, or 0. Check digit by the GS1 General Specifications, 7.9.

    Numbers that shops give themselves (prefixes 02, 04 and 2) identify nothing outside the shop and count as none.
    """
    cdef str digits = "".join([c for c in text[:LENGTH_LIMIT] if "0" <= c <= "9"])
    cdef int n = <int>len(digits), i, total = 0
    cdef uint64_t value = 0
    if n not in (8, 12, 13, 14):
        return 0
    for i in range(n):
        total += (<int>digits[i] - 48) * (3 if (n - 1 - i) % 2 else 1)
        value = value * 10 + <uint64_t>(<int>digits[i] - 48)
    if total % 10:
        return 0
    if n != 8:
        padded = digits.rjust(14, "0")
        if padded[1] == "2" or padded[1:3] in ("02", "04"):
            return 0
    return value


cdef int add_span(str text, vector[Py_UCS4]& pool, Span* span) except -1:
    cdef Py_UCS4 c
    span.start = <uint32_t>pool.size()
    for c in text:
        pool.push_back(c)
    span.length = <uint32_t>(pool.size() - span.start)
    span.hash = hash_span(pool.data() + span.start, span.length)
    return 0


cdef void note_group(const Token* t, Record* record) noexcept nogil:
    if t.group and t.group != stop_group and t.group != filler_group:
        record.groups[t.group] |= <uint64_t>1 << t.value


cdef int add_other(str key, str value, bint category, Record* record) except -1:
    cdef Other other
    cdef Py_UCS4 c
    cdef str text = compact(value), number = first_number(value[:TEXT_LIMIT])
    other.key = hash_text(key)
    other.name_like = key.endswith(("_name", "_title"))
    other.category = category
    other.digits = other.letters = 0
    for c in text:
        if digit(c):
            other.digits += 1
        else:
            other.letters += 1
    other.compact = hash_text(text)
    other.numeric = other.digits > 0 and other.letters <= 4 and other.digits == len(number.replace(".", ""))
    other.number = value_of(number)
    other.significant = <uint32_t>len(number.replace(".", "").strip("0"))
    tokenize(value, record.text, other.tokens, TOKEN_LIMIT)
    if not record.others.empty() and record.others.back().key == other.key:
        record.others.pop_back()
    record.others.push_back(other)
    return 0


cdef bint by_key(const Other& x, const Other& y) noexcept nogil:
    return x.key < y.key


cdef str pick_title(list named):
    """The field that is the title: by the lexicon's order, else the first ``…_name`` or ``…_title``."""
    present = {key for key, value in named if value.strip()}
    for wanted in TITLE_ORDER:
        if wanted in present:
            return wanted
    for key, value in named:
        if key.endswith(("_name", "_title")) and role_of(key) == "other" and value.strip():
            return key
    return ""


cdef int prepare(object row, Record* record) except -1:
    """Read one listing into ``record``, which must be new."""
    cdef vector[Token] extra, found
    cdef size_t i
    cdef int years = 0
    cdef uint64_t gtin
    cdef str key, value, role, title_key
    cdef list named = []
    record.filled = False
    record.gtin = record.size = record.currency = record.vendor = record.sku = 0
    record.model.length = record.mpn.length = record.model.start = record.mpn.start = 0
    record.year, record.price, record.sku_strong = 0, 0.0, False
    for i in range(GROUP_LIMIT):
        record.groups[i] = 0
    for name, content in row.items():
        if isinstance(name, str):
            named.append((key_name(str(name)), as_text(content)))
    named.sort()
    title_key = pick_title(named)
    for key, value in named[:FIELD_LIMIT]:
        if not value.strip():
            continue
        role = role_of(key)
        if key == title_key:
            role = "title"
        elif role == "title":
            continue
        if role == "ignored":
            continue
        if role != "vendor" and role != "currency":
            record.filled = True
        if role == "title":
            record.title.clear()
            tokenize(value, record.text, record.title, TOKEN_LIMIT)
        elif role == "brand":
            if record.brand.empty():
                tokenize(value, record.text, record.brand, TOKEN_LIMIT)
        elif role == "model" or role == "mpn":
            if role == "model" and not record.model.length:
                add_span(compact(value), record.text, &record.model)
            elif role == "mpn" and not record.mpn.length:
                add_span(compact(value), record.text, &record.mpn)
            found.clear()
            tokenize(value, record.text, found, TOKEN_LIMIT)
            extra.insert(extra.end(), found.begin(), found.end())
            if record.model_tokens.empty():
                record.model_tokens = found
        elif role == "sku":
            record.sku = hash_text(value[:TEXT_LIMIT])
            found.clear()
            tokenize(value, record.text, found, TOKEN_LIMIT)
            record.sku_strong = has_strong(found)
            for i in range(found.size()):  # a shop's own number may confirm, but never refutes
                if codelike(&found[i]):
                    record.described.push_back(found[i])
        elif role == "vendor":
            record.vendor = hash_text(value[:TEXT_LIMIT])
        elif role == "gtin":
            gtin = gtin_of(value)
            if gtin and (not record.gtin or gtin < record.gtin):
                record.gtin = gtin
        elif role == "price":
            if record.price == 0:
                record.price = value_of(first_number(value[:TEXT_LIMIT]))
        elif role == "currency":
            value = compact(value)
            record.currency = hash_text(value) if value else 0
        elif role == "year":
            value = first_number(value[:TEXT_LIMIT]).partition(".")[0]
            if len(value) == 4 and 1900 <= int(value) < 2040:
                record.year = int(value)
        elif role == "size":
            value = size_name(value)
            record.size = hash_text(value) if value else 0
        elif role == "color":
            found.clear()
            tokenize(value, record.text, found, TOKEN_LIMIT)
            for i in range(found.size()):
                if found[i].group == color_group:
                    extra.push_back(found[i])
        elif role == "description":
            found.clear()
            tokenize(value, record.text, found, DESCRIPTION_TOKENS)
            for i in range(found.size()):
                if codelike(&found[i]):
                    record.described.push_back(found[i])
        else:
            add_other(key, value, role == "category", record)
    for i in range(record.title.size()):
        note_group(&record.title[i], record)
        if codelike(&record.title[i]):
            record.codes.push_back(record.title[i])
    for i in range(extra.size()):
        note_group(&extra[i], record)
        if codelike(&extra[i]):
            record.codes.push_back(extra[i])
    record.side, record.position = record.groups[side_group], record.groups[position_group]
    if not record.year:
        for i in range(record.title.size()):
            if record.title[i].year:
                years += 1
                record.year = <int>record.title[i].number
        if years != 1:
            record.year = 0
    std_sort(record.others.begin(), record.others.end(), by_key)
    return 0

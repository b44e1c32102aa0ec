# distutils: language = c++
"""From a row of a vendor to the record that is compared.

Fields are found by their usual names (``ROLES`` of :mod:`hexar.core.merge.lexicon`). Of the others, at most ``FIELD_LIMIT`` in the order
of their names, the words are kept: what a title leaves out may stand there. What is empty or no text or number is not there.
"""

from libcpp.algorithm cimport sort as std_sort, unique as std_unique

from hexar.core.merge.tokens cimport (
    CODE, DESCRIPTION_TOKENS, FIELD_LIMIT, LENGTH_LIMIT, NUMBER, TEXT_LIMIT, TOKEN_LIMIT, WORD, codelike, digit, fold, group_number,
    hash_span, hash_text, number_value, tokenize,
)

from hexar.core.merge.lexicon import EVIDENCE, ROLES, SIZES, TITLE_ORDER, UNITS

cdef int color_group = group_number("color")
cdef int side_group = group_number("side")
cdef int position_group = group_number("position")
cdef uint64_t exclusive = 0  # groups of EVIDENCE, a bit each
cdef uint64_t naming = 1  # groups whose words name the product, and what is of no group
for _group in EVIDENCE:
    exclusive |= <uint64_t>1 << group_number(_group)
for _group in ("variant", "kind", "sport", "part"):
    naming |= <uint64_t>1 << group_number(_group)


cdef str as_text(object value):
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return ""


cdef str key_name(str key):
    return fold(key[:64]).strip().replace(" ", "_").replace("-", "_")


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
    if (exclusive >> t.group) & 1:
        record.groups[t.group] |= <uint64_t>1 << t.value


cdef void note_trailing(Record* record) noexcept nogil:
    """Which values of groups stand behind the last word, number or code that names the product."""
    cdef size_t i
    cdef const Token* t
    for i in range(record.title.size()):
        t = &record.title[i]
        if t.kind == CODE or t.kind == NUMBER or (t.kind == WORD and (naming >> t.group) & 1):
            for group in range(GROUP_LIMIT):
                record.trailing[group] = 0
        elif (exclusive >> t.group) & 1:
            record.trailing[t.group] |= <uint64_t>1 << t.value


cdef uint64_t initials_of(str brand) except? 0:
    """The hash of the first letters of a brand of several words, or 0."""
    words = "".join([c if c.isalnum() else " " for c in fold(brand)]).split()
    return hash_text("".join([word[0] for word in words])[:LENGTH_LIMIT]) if len(words) > 1 else 0


cdef str pick_title(list named):
    """The field that is the title, by the lexicon's order."""
    present = {key for key, value in named if value.strip()}
    for wanted in TITLE_ORDER:
        if wanted in present:
            return wanted
    return ""


cdef void clear(Record* record) noexcept:
    cdef size_t i
    record.filled = record.dated = False
    record.gtin = record.size = record.currency = record.vendor = record.sku = record.initials = 0
    record.model.length = record.mpn.length = record.model.start = record.mpn.start = 0
    record.year, record.price = 0, 0.0
    for i in range(GROUP_LIMIT):
        record.groups[i] = record.trailing[i] = 0


cdef int say(const vector[Token]& found, Record* record) except -1:
    cdef size_t i
    for i in range(found.size()):
        record.said.push_back(found[i].hash)
    return 0


cdef int read_field(str role, str value, Record* record, vector[Token]& extra) except -1:
    """Read a field of text: what becomes tokens."""
    cdef vector[Token] found
    cdef size_t i
    if role == "title":
        record.title.clear()
        return tokenize(value, record.text, record.title, TOKEN_LIMIT)
    if role == "brand":
        if record.brand.empty():
            tokenize(value, record.text, record.brand, TOKEN_LIMIT)
            record.initials = initials_of(value)
        return 0
    tokenize(value, record.text, found, DESCRIPTION_TOKENS if role == "description" else TOKEN_LIMIT)
    if role == "model" or role == "mpn":
        extra.insert(extra.end(), found.begin(), found.end())
        if record.model_tokens.empty():
            record.model_tokens = found
    elif role == "color":
        for i in range(found.size()):
            if found[i].group == color_group:
                extra.push_back(found[i])
        return 0
    elif role == "sku" or role == "description":
        for i in range(found.size()):
            if codelike(&found[i]):
                record.described.push_back(found[i])
    if role != "sku":
        say(found, record)
    return 0


cdef int read_value(str role, str value, Record* record) except -1:
    """Read a field of one value: a number, an id, a size."""
    cdef uint64_t gtin
    if role == "model":
        if not record.model.length:
            add_span(compact(value), record.text, &record.model)
    elif role == "mpn":
        if not record.mpn.length:
            add_span(compact(value), record.text, &record.mpn)
    elif role == "sku":
        record.sku = hash_text(value[:TEXT_LIMIT])
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
            record.year, record.dated = int(value), True
    elif role == "size":
        value = size_name(value)
        record.size = hash_text(value) if value else 0
    return 0


cdef int read_year(Record* record) noexcept nogil:
    """The year of the title where it has one and no field says it."""
    cdef size_t i
    cdef int years = 0
    if record.year:
        return 0
    for i in range(record.title.size()):
        if record.title[i].year:
            years += 1
            record.year = <int>record.title[i].number
    if years != 1:
        record.year = 0
    return 0


cdef int prepare(object row, Record* record) except -1:
    """Read one listing into ``record``, which must be new."""
    cdef vector[Token] extra
    cdef size_t i
    cdef str key, value, role, title_key
    cdef list named = []
    clear(record)
    for name, content in row.items():
        if isinstance(name, str):
            named.append((key_name(str(name)), as_text(content)))
    named.sort()
    title_key = pick_title(named)
    for key, value in named[:FIELD_LIMIT]:
        role = ROLES.get(key, "other")
        if key == title_key:
            role = "title"
        elif role == "title":
            continue
        if role == "ignored" or not value.strip():
            continue
        if role != "vendor" and role != "currency":
            record.filled = True
        read_value(role, value, record)
        if role in ("title", "brand", "model", "mpn", "color", "sku", "description", "category", "other"):
            read_field(role, value, record, extra)
    extra.insert(extra.begin(), record.title.begin(), record.title.end())
    for i in range(extra.size()):
        note_group(&extra[i], record)
        if codelike(&extra[i]):
            record.codes.push_back(extra[i])
    note_trailing(record)
    read_year(record)
    record.side, record.position = record.groups[side_group], record.groups[position_group]
    std_sort(record.said.begin(), record.said.end())
    record.said.erase(std_unique(record.said.begin(), record.said.end()), record.said.end())
    return 0

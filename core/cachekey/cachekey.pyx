"""Cache keys: SHA-256 over an injective, typed, length-prefixed canonical encoding.

**The encoding.** ``encode(tenant, kind, fields)`` is ``b"hxk"``, the schema version (one byte), the tenant, the kind and the
fields. Every value is a tag byte and what the tag announces, so no encoding is the beginning of another one and a
sequence of values can be read back in one way only: the encoding is injective. Netstrings (Bernstein, 1997) and bencode
have the same property for fewer types. ``size`` is an unsigned LEB128 number, always in its shortest form.

====  =========================================  =============================================================
tag   value                                      what follows
====  =========================================  =============================================================
N     ``None``                                   nothing
T F   ``True``, ``False``                        nothing
i     int of any size                            size, then the shortest two's complement, little-endian
f     float                                      8 bytes: IEEE 754 binary64, little-endian
s     str                                        size, then UTF-8
b     bytes                                      size, then the bytes
l     list or tuple                              the number of items, then the items
d     dict or other ``Mapping`` with str keys    the number of entries, then for each key, in the order of its
                                                 UTF-8: size, UTF-8, and the value
====  =========================================  =============================================================

**What is equal.** The encoding is injective over *canonical* values: ``1``, ``1.0``, ``"1"`` and ``True`` differ, and
so do both infinities. A tuple equals the list of its items, a subclass (``StrEnum``, ``IntEnum``, ``OrderedDict``)
its base, ``-0.0`` equals ``0.0``, the order of a dict does not matter, and strings inside ``fields``, keys too, are
equal when their NFC forms are (Unicode Standard Annex #15; NFC of assigned characters never changes between Unicode
versions). ``tenant`` and ``kind`` are identifiers: they are compared character by character and not normalised, so
two tenants never share a key.

**What is refused.** NaN, lone surrogates, two keys of one dict with the same NFC form, more than ``MAX_DEPTH`` containers
inside each other (so a cyclic value is refused), more than ``MAX_BYTES`` of encoding (so is a small value that repeats
itself exponentially) and more than ``MAX_MARKS`` combining marks in a row (normalising them takes quadratic time) are a
``ValueError``; a value or key of another type is a ``TypeError``. Both name the path, as ``fields['filters'][2]``.

``normalize_text`` (hexar.core.text.normalization) is offered here too: query text goes through it before it becomes a field.

**Changing it.** Any change of the encoding raises ``SCHEMA_VERSION``; tests/core/cachekey_vectors.json pins the bytes.

Thread-safety: the functions share no state. A container is copied, under its own lock in free-threaded builds, before its
items are read, so a change made meanwhile by another thread gives the key of some moment, never undefined behaviour.
The GIL is released while 16 KiB or more are hashed.
"""

from collections.abc import Mapping
from unicodedata import normalize

from hexar.core.text.normalization import MAX_MARKS, normalize_text

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next, PyDict_Size
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.list cimport PyList_Check
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_Check
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.algorithm cimport sort

from hexar.core.text.normalization cimport has_long_run

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    int PyUnicode_KIND(object text)
    const void* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    const int PyUnicode_1BYTE_KIND

cdef extern from "sha256.hpp" namespace "hexar::sha256":
    void sha256_digest "hexar::sha256::digest"(
        const uint8_t* data, size_t size, uint8_t* out, cbool portable) noexcept nogil

cdef extern from "cachekey.hpp" namespace "hexar":
    cdef struct Entry:
        uint64_t prefix
        const char* key
        Py_ssize_t size
        PyObject* name
        PyObject* value
    void copy_short(char* target, const char* source, size_t size) noexcept
    uint64_t key_prefix(const char* key, Py_ssize_t size) noexcept
    int compare(const Entry& a, const Entry& b) noexcept


cdef enum:
    DEPTH_LIMIT = 64
    BYTE_LIMIT = 1 << 24
    INLINE_BYTES = 2048  # most requests need no heap
    INLINE_ENTRIES = 24
    ROOM_FOR_A_HEAD = 11  # a tag and the longest size
    HASH_WITHOUT_GIL = 1 << 14

#: Version of the encoding, inside every key.
SCHEMA_VERSION = 1
#: How many containers may stand inside each other, ``fields`` included.
MAX_DEPTH = DEPTH_LIMIT
#: The longest encoding, in bytes.
MAX_BYTES = BYTE_LIMIT

cdef uint8_t SCHEMA = SCHEMA_VERSION

cdef struct Step:
    PyObject* name    # the key being encoded (see Entry.name), NULL inside a list
    Py_ssize_t index  # the item being encoded


cdef struct Writer:
    char* data
    size_t size
    size_t capacity
    const char* root  # the argument that is being encoded, for error messages
    int depth
    Step steps[DEPTH_LIMIT]
    char inline_data[INLINE_BYTES]


# --- The public face ------------------------------------------------------------------------------------------------

cpdef bytes cache_key(object tenant, object kind, object fields):
    """The cache key of a request: 32 bytes, SHA-256 (FIPS 180-4) of ``encode(tenant, kind, fields)``.

    Equal for equal canonical values in every process, machine and release with the same ``SCHEMA_VERSION``.

    Raises:
        TypeError: a value has a type that has no encoding, or a key is no str.
        ValueError: a value has no canonical form, or is too deep or too long (see the module).
    """
    cdef Writer writer
    cdef uint8_t digest[32]
    open_writer(&writer)
    try:
        write_request(&writer, tenant, kind, fields)
        if writer.size >= HASH_WITHOUT_GIL:
            with nogil:
                sha256_digest(<const uint8_t*>writer.data, writer.size, digest, False)
        else:
            sha256_digest(<const uint8_t*>writer.data, writer.size, digest, False)
    finally:
        close_writer(&writer)
    return PyBytes_FromStringAndSize(<const char*>digest, 32)


cpdef bytes encode(object tenant, object kind, object fields):
    """The canonical encoding that ``cache_key`` hashes. Raises what ``cache_key`` raises."""
    cdef Writer writer
    open_writer(&writer)
    try:
        write_request(&writer, tenant, kind, fields)
        return PyBytes_FromStringAndSize(writer.data, <Py_ssize_t>writer.size)
    finally:
        close_writer(&writer)


def _sha256(const uint8_t[::1] data not None, *, bint portable=False):
    """SHA-256 of a buffer, for tests: ``portable`` takes the path without special instructions."""
    cdef uint8_t digest[32]
    cdef const uint8_t* start = &data[0] if data.shape[0] else NULL
    with nogil:
        sha256_digest(start, data.shape[0], digest, portable)
    return PyBytes_FromStringAndSize(<const char*>digest, 32)


# --- Values ---------------------------------------------------------------------------------------------------------

cdef int write_request(Writer* writer, object tenant, object kind, object fields) except -1:
    memcpy(writer.data, b"hxk", 3)
    writer.data[3] = <char>SCHEMA
    writer.size = 4
    writer.root = "tenant"
    write_identifier(writer, tenant)
    writer.root = "kind"
    write_identifier(writer, kind)
    writer.root = "fields"
    if type(fields) is not dict and not isinstance(fields, Mapping):
        raise TypeError(f"fields must be a mapping, not {type(fields).__name__}")
    return write_value(writer, fields)


cdef int write_identifier(Writer* writer, object text) except -1:
    """Write a str exactly as it is, without normalising."""
    if not PyUnicode_Check(text):
        raise TypeError(f"{path(writer)} must be a str, not {type(text).__name__}")
    return write_text(writer, text)


cdef int write_value(Writer* writer, object value) except -1:
    """Write one value of any type, the most frequent types first. A bool is an int too, so it comes before."""
    if PyUnicode_Check(value):
        return write_text(writer, value if PyUnicode_IS_ASCII(value) else canonical(writer, value))
    if value is None or value is True or value is False:
        return write_tag(writer, b"N" if value is None else b"T" if value is True else b"F")
    if PyLong_Check(value):
        return write_int(writer, value)
    if PyFloat_Check(value):
        return write_float(writer, PyFloat_AS_DOUBLE(value))
    if type(value) is dict:
        return write_dict(writer, value)
    if PyList_Check(value) or PyTuple_Check(value):
        return write_items(writer, tuple(value))
    if PyBytes_Check(value):
        return write_tagged(writer, b"b", PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    if isinstance(value, Mapping):
        return write_dict(writer, dict(value))
    raise TypeError(f"{path(writer)}: a value of type {type(value).__name__} has no canonical encoding")


cdef int write_int(Writer* writer, object value) except -1:
    """Write an int in its shortest two's complement form, so that one number has one encoding."""
    cdef int overflow = 0
    cdef long long small = PyLong_AsLongLongAndOverflow(value, &overflow)
    cdef int length = 1
    cdef uint8_t little_endian[8]
    cdef bytes payload
    if overflow:
        value = int.__index__(value)  # of a subclass, the number alone
        payload = value.to_bytes((value if value > 0 else ~value).bit_length() // 8 + 1, "little", signed=True)
        return write_tagged(writer, b"i", PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
    while length < 8 and not -(1LL << (8 * length - 1)) <= small < 1LL << (8 * length - 1):
        length += 1
    put_little_endian(little_endian, <uint64_t>small)
    return write_tagged(writer, b"i", <const char*>little_endian, length)


cdef int write_float(Writer* writer, double value) except -1:
    cdef uint64_t bits
    if value != value:
        raise ValueError(f"{path(writer)}: NaN equals nothing, so it has no key")
    if value == 0.0:
        value = 0.0  # -0.0 is the same number
    memcpy(&bits, &value, 8)
    reserve(writer, 8)
    put_tag(writer, b"f")
    put_little_endian(<uint8_t*>writer.data + writer.size, bits)
    writer.size += 8
    return 0


cdef int write_items(Writer* writer, tuple items) except -1:
    """Write the items of a list or tuple. ``items`` is a copy: nobody changes it meanwhile."""
    cdef Py_ssize_t count = PyTuple_GET_SIZE(items)
    cdef Py_ssize_t index
    cdef Step* step = enter(writer, b"l", count)
    for index in range(count):
        step.index = index
        write_value(writer, items[index])
    writer.depth -= 1
    return 0


cdef int write_dict(Writer* writer, dict mapping) except -1:
    """Write a dict by its keys' UTF-8 order, from a copy of its entries that holds references."""
    cdef Entry inline_entries[INLINE_ENTRIES]
    cdef Entry* entries = inline_entries
    cdef Py_ssize_t capacity = INLINE_ENTRIES
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t index
    cdef PyObject* name
    cdef PyObject* value
    cdef Step* step
    try:
        with cython.critical_section(mapping):  # nothing in here runs Python code
            if PyDict_Size(mapping) > capacity:
                capacity = PyDict_Size(mapping)
                entries = <Entry*>PyMem_Malloc(<size_t>capacity * sizeof(Entry))
            while entries != NULL and PyDict_Next(mapping, &position, &name, &value):
                Py_INCREF(<object>name)
                Py_INCREF(<object>value)
                entries[count].name = name
                entries[count].value = value
                count += 1
        if entries == NULL:
            raise MemoryError
        for index in range(count):
            read_key(writer, &entries[index])
        sort(entries, entries + count)
        for index in range(1, count):
            if compare(entries[index - 1], entries[index]) == 0:
                raise ValueError(f"{path(writer)}: two keys are {key_text(entries[index].name)!r} after NFC")
        step = enter(writer, b"d", count)
        for index in range(count):
            step.name = entries[index].name
            reserve(writer, <size_t>entries[index].size)
            put_sized(writer, entries[index].key, entries[index].size)
            write_value(writer, <object>entries[index].value)
        writer.depth -= 1
    finally:
        for index in range(count):
            Py_DECREF(<object>entries[index].name)
            Py_DECREF(<object>entries[index].value)
        if entries != inline_entries:
            PyMem_Free(entries)
    return 0


cdef int read_key(Writer* writer, Entry* entry) except -1:
    """Fill ``prefix``, ``key`` and ``size`` from the name; a name that is not ASCII is replaced by its canonical UTF-8."""
    cdef object name = <object>entry.name
    if not PyUnicode_Check(name):
        raise TypeError(f"{path(writer)}: a key must be a str, not {type(name).__name__}")
    if PyUnicode_IS_ASCII(name):
        entry.key = <const char*>PyUnicode_DATA(name)
        entry.size = PyUnicode_GET_LENGTH(name)
    else:
        name = utf8(writer, canonical(writer, name))
        Py_INCREF(name)
        Py_DECREF(<object>entry.name)
        entry.name = <PyObject*>name
        entry.key = PyBytes_AS_STRING(name)
        entry.size = PyBytes_GET_SIZE(name)
    entry.prefix = key_prefix(entry.key, entry.size)
    return 0


cdef Step* enter(Writer* writer, char tag, Py_ssize_t count) except NULL:
    """Begin a container of ``count`` items: write its tag and count, go one level deeper."""
    cdef Step* step
    if writer.depth == DEPTH_LIMIT:
        raise ValueError(f"{path(writer)}: more than {DEPTH_LIMIT} containers inside each other, or a cycle")
    write_tag(writer, tag)
    put_size(writer, <size_t>count)  # write_tag made room for it
    step = &writer.steps[writer.depth]
    step.name = NULL
    step.index = 0
    writer.depth += 1
    return step


# --- Text -----------------------------------------------------------------------------------------------------------

cdef str canonical(Writer* writer, object text):
    """The NFC form of a str. Latin-1 is NFC as it stands: what composes begins at U+0300."""
    if PyUnicode_KIND(text) == PyUnicode_1BYTE_KIND:
        return str.__str__(text)
    if has_long_run(text):
        raise ValueError(f"{path(writer)}: more than {MAX_MARKS} combining marks in a row")
    return normalize("NFC", str.__str__(text))


cdef bytes utf8(Writer* writer, str text):
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{path(writer)}: a lone surrogate at character {error.start} has no UTF-8") from None


cdef int write_text(Writer* writer, object text) except -1:
    """Write a str as it stands."""
    cdef bytes encoded
    if PyUnicode_IS_ASCII(text):
        return write_tagged(writer, b"s", <const char*>PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text))
    encoded = utf8(writer, str.__str__(text))
    return write_tagged(writer, b"s", PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))


# --- The buffer -----------------------------------------------------------------------------------------------------

cdef void open_writer(Writer* writer) noexcept:
    writer.data = writer.inline_data
    writer.size = 0
    writer.capacity = INLINE_BYTES
    writer.depth = 0


cdef void close_writer(Writer* writer) noexcept:
    if writer.data != writer.inline_data:
        PyMem_Free(writer.data)


cdef inline int reserve(Writer* writer, size_t extra) except -1:
    """Make room for a tag, a size and ``extra`` bytes."""
    if writer.size + extra + ROOM_FOR_A_HEAD <= writer.capacity:
        return 0
    return grow(writer, writer.size + extra + ROOM_FOR_A_HEAD)


cdef int grow(Writer* writer, size_t needed) except -1:
    cdef size_t capacity = max(needed, 2 * writer.capacity)
    cdef char* data
    if needed > BYTE_LIMIT:
        raise ValueError(f"{path(writer)}: the encoding is longer than {BYTE_LIMIT} bytes")
    data = <char*>PyMem_Realloc(NULL if writer.data == writer.inline_data else writer.data, capacity)
    if data == NULL:
        raise MemoryError
    if writer.data == writer.inline_data:
        memcpy(data, writer.inline_data, writer.size)
    writer.data = data
    writer.capacity = capacity
    return 0


cdef inline int write_tag(Writer* writer, char tag) except -1:
    reserve(writer, 0)
    put_tag(writer, tag)
    return 0


cdef inline int write_tagged(Writer* writer, char tag, const char* data, Py_ssize_t size) except -1:
    """Write a tag, the size and the bytes."""
    reserve(writer, <size_t>size)
    put_tag(writer, tag)
    put_sized(writer, data, size)
    return 0


cdef inline void put_tag(Writer* writer, char tag) noexcept:
    writer.data[writer.size] = tag
    writer.size += 1


cdef inline void put_sized(Writer* writer, const char* data, Py_ssize_t size) noexcept:
    """Write the size and the bytes; ``reserve`` made room for both."""
    put_size(writer, <size_t>size)
    copy_short(writer.data + writer.size, data, <size_t>size)
    writer.size += <size_t>size


cdef inline void put_size(Writer* writer, size_t size) noexcept:
    """Write an unsigned LEB128 number; ``reserve`` made room for it."""
    cdef uint8_t* cursor = <uint8_t*>writer.data + writer.size
    cdef size_t length = 1
    while size >= 0x80:
        cursor[length - 1] = size & 0x7F | 0x80
        size >>= 7
        length += 1
    cursor[length - 1] = <uint8_t>size
    writer.size += length


cdef inline void put_little_endian(uint8_t* target, uint64_t number) noexcept:
    cdef int index
    for index in range(8):
        target[index] = <uint8_t>(number >> (8 * index))


# --- Paths and messages ---------------------------------------------------------------------------------------------

cdef str key_text(PyObject* name):
    return (<bytes>name).decode() if PyBytes_Check(<object>name) else str.__str__(<object>name)


cdef str path(Writer* writer):
    """Where the encoder stands, as a reader would write it: ``fields['filters'][2]``."""
    cdef list parts = [writer.root.decode()]
    cdef int level
    for level in range(writer.depth):
        if writer.steps[level].name == NULL:
            parts.append(f"[{writer.steps[level].index}]")
        else:
            parts.append(f"[{key_text(writer.steps[level].name)!r}]")
    return "".join(parts)

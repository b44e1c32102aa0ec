"""Memos: values by key, all of a process under one bound in bytes, the one that was used longest ago dropped first.

A hit costs what functools.lru_cache takes for it; a miss also measures what is kept. Bytes are counted as if nothing were shared
between values, so that the bound holds for texts that a stranger wrote; what is really taken is less.

Keys are of built-in types, or compare without running much Python. Values are not changed once they are kept.

Thread-safety: all methods may be called from any thread (the interpreter's lock is held throughout). Two threads that miss the same
key at once both work it out.
"""

import sys
from collections import namedtuple

cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_SIZE

cdef extern from "Python.h":
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    int PyUnicode_KIND(object text)
    int PyUnicode_IS_ASCII(object text)

MemoCounts = namedtuple("MemoCounts", ("name", "entries", "bytes", "hits", "misses"))

#: Bytes of an entry beside its key and its value: the entry, its place in a dictionary. Measured, rounded up.
ENTRY_BYTES = 200
cdef size_t OVERHEAD = ENTRY_BYTES
# Values inside of values are measured to this depth.
cdef int DEPTH = 8


@cython.final
cdef class _Counts:
    """What one name holds."""
    cdef str name
    cdef size_t entries, nbytes, hits, misses


@cython.final
@cython.no_gc
cdef class _Entry:
    """A value in the list of its memory. It leaves the list when nothing holds it any more, however that comes about."""
    cdef object key, value
    cdef size_t nbytes
    cdef _Counts counts
    cdef MemoMemory memory
    cdef PyObject* home  # the dictionary that holds this entry
    cdef PyObject* newer
    cdef PyObject* older

    def __dealloc__(self):
        if self.memory is not None:
            self.memory.unlink(self)
            self.memory._used -= self.nbytes
            self.memory._entries -= 1
            self.counts.nbytes -= self.nbytes
            self.counts.entries -= 1


@cython.final
cdef class MemoMemory:
    """The bound that memos share: ``limit_bytes``, which may be changed at any time and holds from the next value on."""
    cdef size_t _limit, _used, _entries, _evictions
    cdef PyObject* newest
    cdef PyObject* oldest
    cdef dict names

    def __init__(self, limit_bytes):
        self._limit = limit_bytes
        self.names = {}

    @property
    def limit_bytes(self):
        """The most that is kept."""
        return self._limit

    @limit_bytes.setter
    def limit_bytes(self, value):
        self._limit = value
        self.make_room()

    @property
    def used_bytes(self):
        """What is kept now."""
        return self._used

    @property
    def entries(self):
        """How many values are kept now."""
        return self._entries

    @property
    def evictions(self):
        """How many values were dropped for want of room."""
        return self._evictions

    def counts(self):
        """By name, in order: entries, bytes, hits and misses of the memos with that name."""
        cdef _Counts row
        return [
            MemoCounts(row.name, row.entries, row.nbytes, row.hits, row.misses) for _, row in sorted(self.names.items())
        ]

    def clear(self):
        """Forget everything."""
        while self.oldest is not NULL:
            self.drop(<_Entry>self.oldest)

    cdef _Counts named(self, str name):
        cdef _Counts counts = self.names.get(name)
        if counts is None:
            counts = _Counts()
            counts.name = name
            self.names[name] = counts
        return counts

    cdef void link(self, _Entry entry) noexcept:
        entry.newer = NULL
        entry.older = self.newest
        if self.newest is not NULL:
            (<_Entry>self.newest).newer = <PyObject*>entry
        self.newest = <PyObject*>entry
        if self.oldest is NULL:
            self.oldest = <PyObject*>entry

    cdef void unlink(self, _Entry entry) noexcept:
        if entry.newer is not NULL:
            (<_Entry>entry.newer).older = entry.older
        elif self.newest is <PyObject*>entry:
            self.newest = entry.older
        if entry.older is not NULL:
            (<_Entry>entry.older).newer = entry.newer
        elif self.oldest is <PyObject*>entry:
            self.oldest = entry.newer
        entry.newer = entry.older = NULL

    cdef void use(self, _Entry entry) noexcept:
        if self.newest is not <PyObject*>entry:
            self.unlink(entry)
            self.link(entry)

    cdef int drop(self, _Entry entry) except -1:
        # `entry` is held by this call: it lives until its key is out of the dictionary.
        home = <dict>entry.home
        self.unlink(entry)
        home.pop(entry.key, None)
        return 0

    cdef int make_room(self) except -1:
        while self._used > self._limit and self.oldest is not NULL:
            self._evictions += 1
            self.drop(<_Entry>self.oldest)
        return 0


@cython.final
cdef class Memo:
    """Values by key under ``name``, by which they are counted. Memos of one name are counted together."""
    cdef dict _entries
    cdef MemoMemory _memory
    cdef _Counts _counts

    def __init__(self, str name, MemoMemory memory=None):
        self._memory = memory if memory is not None else MEMORY
        self._counts = self._memory.named(name)
        self._entries = {}

    def __class_getitem__(cls, item):
        return cls

    def __len__(self):
        return len(self._entries)

    cdef _Entry find(self, object key):
        cdef PyObject* found = PyDict_GetItemWithError(self._entries, key)
        if found is NULL:
            self._counts.misses += 1
            return None
        entry = <_Entry>found
        self._counts.hits += 1
        self._memory.use(entry)
        return entry

    cpdef object get(self, object key):
        """The value under ``key``, or None."""
        cdef _Entry entry = self.find(key)
        return entry.value if entry is not None else None

    cpdef put(self, object key, object value, size_t nbytes=0):
        """Keep ``value``, which takes ``nbytes`` (0: it is measured). What takes more than an eighth of all is not kept."""
        cdef size_t size = measured(key, DEPTH) + (nbytes if nbytes else measured(value, DEPTH)) + OVERHEAD
        self._entries.pop(key, None)
        if size > self._memory._limit // 8:
            return
        cdef _Entry entry = _Entry()
        entry.key = key
        entry.value = value
        entry.nbytes = size
        entry.counts = self._counts
        entry.home = <PyObject*>self._entries
        entry.memory = self._memory
        self._counts.entries += 1
        self._counts.nbytes += size
        self._memory._entries += 1
        self._memory._used += size
        self._memory.link(entry)
        self._entries[key] = entry
        self._memory.make_room()

    def remove(self, object key):
        """Forget ``key``."""
        self._entries.pop(key, None)


@cython.final
cdef class _Remembered:
    """A function whose results are kept by its arguments, which are given by position."""
    cdef readonly object __wrapped__
    cdef object function
    cdef Memo memo
    cdef dict __dict__

    def __init__(self, function, Memo memo):
        self.function = function
        self.memo = memo
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(self, name, getattr(function, name, None))
        self.__wrapped__ = function

    def __call__(self, *args):
        cdef _Entry entry = self.memo.find(args)
        if entry is not None:
            return entry.value
        value = self.function(*args)
        self.memo.put(args, value)
        return value


def remembered(str name, MemoMemory memory=None):
    """A decorator: results are kept under ``name`` by the function's arguments, which callers give by position."""
    return lambda function: _Remembered(function, Memo(name, memory))


def sizeof(value):
    """About how many bytes ``value`` takes, with all that it holds."""
    return measured(value, DEPTH)


cdef dict _slots = {}


cdef tuple slots_of(type kind):
    cdef tuple known = _slots.get(kind)
    if known is None:
        names = [name for each in kind.__mro__ for name in _tuple(each.__dict__.get("__slots__", ()))]
        known = tuple(name for name in names if name not in ("__weakref__", "__dict__"))
        _slots[kind] = known
    return known


def _tuple(names):
    return (names,) if isinstance(names, str) else tuple(names)


cdef size_t measured(object value, int depth) except? 0:
    """Built-in types by their layout, arrays and messages by what they say, others by what their slots hold."""
    cdef size_t size
    cdef Py_ssize_t length
    if value is None or value is True or value is False:
        return 0
    kind = type(value)
    if kind is str:
        length = PyUnicode_GET_LENGTH(value)
        if length < 2:
            return 0  # the interpreter keeps these for all
        return 56 + <size_t>length if PyUnicode_IS_ASCII(value) else 80 + <size_t>length * PyUnicode_KIND(value)
    if kind is int:
        return 32
    if kind is float:
        return 32
    if kind is bytes:
        return 48 + <size_t>PyBytes_GET_SIZE(value)
    if kind is tuple:
        length = PyTuple_GET_SIZE(value)
        size = 64 + 8 * <size_t>length if length else 0
        if depth:
            for each in <tuple>value:
                size += measured(each, depth - 1)
        return size
    if kind is frozenset or kind is set or kind is list:
        length = len(value)
        if not length and kind is frozenset:
            return 0
        size = sys.getsizeof(value)
        if depth:
            for each in value:
                size += measured(each, depth - 1)
        return size
    if kind is dict:
        size = sys.getsizeof(value)
        if depth:
            for key, each in (<dict>value).items():
                size += measured(key, depth - 1) + measured(each, depth - 1)
        return size
    return measured_object(value, kind, depth)


cdef size_t measured_object(object value, type kind, int depth) except? 0:
    # A type is not the value's own.
    if isinstance(value, type):
        return 0
    cdef size_t size = sys.getsizeof(value)
    if not depth:
        return size
    if hasattr(kind, "ByteSize"):
        # A message of protobuf: its parsed form takes a few times the bytes on the wire.
        return size + 4 * <size_t>value.ByteSize()
    if hasattr(kind, "nbytes"):
        return max(size, 128 + <size_t>value.nbytes)
    if isinstance(value, tuple):
        for each in value:
            size += measured(each, depth - 1)
    for name in slots_of(kind):
        size += measured(getattr(value, name, None), depth - 1)
    held = getattr(value, "__dict__", None)
    if held is not None:
        size += measured(held, depth - 1)
    return size


#: What the memos of a process share. A server sets its limit to ``cache.memo_mb``.
MEMORY = MemoMemory(64 * 1024 * 1024)

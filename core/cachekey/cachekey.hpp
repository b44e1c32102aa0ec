// The entries of a dict while hexar.core.cachekey sorts them by key.
#pragma once

#include <Python.h>

#include <cstdint>
#include <cstring>

namespace hexar {

// One entry of a dict while its keys are sorted. `name` and `value` are owned references.
struct Entry {
    uint64_t prefix;   // the first 8 bytes of the key, big-endian, padded with zeros: most comparisons end here
    const char *key;   // UTF-8, inside `name`
    Py_ssize_t size;
    PyObject *name;    // the str itself if it is ASCII, else bytes with its canonical UTF-8
    PyObject *value;
};

// memcpy for the few bytes that most keys and values have, without a call.
inline void copy_short(char *target, const char *source, size_t size) {
    if (size > 16) {
        std::memcpy(target, source, size);
    } else if (size >= 8) {
        uint64_t first, last;  // which may overlap
        std::memcpy(&first, source, 8);
        std::memcpy(&last, source + size - 8, 8);
        std::memcpy(target, &first, 8);
        std::memcpy(target + size - 8, &last, 8);
    } else {
        for (size_t i = 0; i < size; ++i) target[i] = source[i];
    }
}

inline uint64_t key_prefix(const char *key, Py_ssize_t size) {
    const Py_ssize_t known = size < 8 ? size : 8;
    uint64_t prefix = 0;
    for (Py_ssize_t i = 0; i < known; ++i) prefix = prefix << 8 | static_cast<unsigned char>(key[i]);
    return known ? prefix << (8 * (8 - known)) : 0;
}

inline int compare(const Entry &a, const Entry &b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix ? -1 : 1;
    const int order = std::memcmp(a.key, b.key, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

inline bool operator<(const Entry &a, const Entry &b) { return compare(a, b) < 0; }

}  // namespace hexar

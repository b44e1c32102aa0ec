// Reading memory ahead of its use.
#pragma once

#include <cstddef>

namespace hexar {

// Ask for `bytes` from `start`: they are on their way into the cache while something else is done. Reads nothing.
inline void prefetch(const void *start, size_t bytes) {
#if defined(__GNUC__)
    constexpr size_t LINE = 64;
    for (size_t at = 0; at < bytes; at += LINE) __builtin_prefetch(static_cast<const char *>(start) + at);
#else
    (void)start, (void)bytes;
#endif
}

}  // namespace hexar

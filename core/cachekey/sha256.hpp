// SHA-256 (FIPS 180-4) of one buffer, with the x86 SHA extensions where the processor has them.
//
// Why not hashlib: the message of a cache key is 4 to 8 blocks, and finding, building and asking a hash object costs three
// times the hashing. The two paths give the same bytes; tests/core/cachekey/test_cachekey.py compares both with hashlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HEXAR_SHA_NI 1
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace hexar {
namespace sha256 {

alignas(16) static const uint32_t ROUND_CONSTANTS[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate(uint32_t word, int bits) { return (word >> bits) | (word << (32 - bits)); }

static inline uint32_t load_big_endian(const uint8_t *bytes) {
    return uint32_t(bytes[0]) << 24 | uint32_t(bytes[1]) << 16 | uint32_t(bytes[2]) << 8 | uint32_t(bytes[3]);
}

// FIPS 180-4, section 6.2.2, word for word.
static void compress_portable(uint32_t state[8], const uint8_t *data, size_t blocks) {
    uint32_t schedule[64];
    for (; blocks; --blocks, data += 64) {
        for (int t = 0; t < 16; ++t) schedule[t] = load_big_endian(data + 4 * t);
        for (int t = 16; t < 64; ++t) {
            const uint32_t x = schedule[t - 15], y = schedule[t - 2];
            const uint32_t sigma0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >> 3);
            const uint32_t sigma1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >> 10);
            schedule[t] = schedule[t - 16] + sigma0 + schedule[t - 7] + sigma1;
        }
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 64; ++t) {
            const uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
            const uint32_t choice = (e & f) ^ (~e & g);
            const uint32_t first = h + sum1 + choice + ROUND_CONSTANTS[t] + schedule[t];
            const uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
            const uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
            h = g; g = f; f = e; e = d + first;
            d = c; c = b; b = a; a = first + sum0 + majority;
        }
        state[0] += a; state[1] += b; state[2] += c; state[3] += d;
        state[4] += e; state[5] += f; state[6] += g; state[7] += h;
    }
}

#if HEXAR_SHA_NI
// The instruction keeps the state as (a, b, e, f) and (c, d, g, h); each sha256rnds2 does two rounds.
__attribute__((target("sha,sse4.1,ssse3")))
static void compress_sha_ni(uint32_t state[8], const uint8_t *data, size_t blocks) {
    const __m128i byte_order = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(state)), 0xB1);       // c d a b
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(state + 4)), 0x1B);  // e f g h
    __m128i abef = _mm_alignr_epi8(low, high, 8);
    __m128i cdgh = _mm_blend_epi16(high, low, 0xF0);
    for (; blocks; --blocks, data += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i words[4];
        for (int i = 0; i < 4; ++i) {
            const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i *>(data + 16 * i));
            words[i] = _mm_shuffle_epi8(raw, byte_order);
        }
#pragma GCC unroll 16
        for (int group = 0; group < 16; ++group) {  // four rounds a group
            __m128i &now = words[group & 3];
            const __m128i constants =
                _mm_load_si128(reinterpret_cast<const __m128i *>(ROUND_CONSTANTS + 4 * group));
            __m128i sum = _mm_add_epi32(now, constants);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
            if (group < 12) {  // the four words of the group 4 ahead replace these
                const __m128i &second = words[(group + 1) & 3], &third = words[(group + 2) & 3], &last = words[(group + 3) & 3];
                const __m128i seven_back = _mm_alignr_epi8(last, third, 4);
                now = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(now, second), seven_back), last);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1B);   // a b e f, lowest first
    high = _mm_shuffle_epi32(cdgh, 0xB1);  // g h c d
    _mm_storeu_si128(reinterpret_cast<__m128i *>(state), _mm_blend_epi16(low, high, 0xF0));
    _mm_storeu_si128(reinterpret_cast<__m128i *>(state + 4), _mm_alignr_epi8(high, low, 8));
}

static bool processor_has_sha_ni() {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_SSSE3) || !(ecx & bit_SSE4_1)) return false;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & (1u << 29));
}
#else
static bool processor_has_sha_ni() { return false; }
static void compress_sha_ni(uint32_t *state, const uint8_t *data, size_t blocks) { compress_portable(state, data, blocks); }
#endif

static const bool HAS_SHA_NI = processor_has_sha_ni();

// Write the 32 bytes of SHA-256(data[0:size]) to out. `portable` asks for the path without special instructions.
static inline void digest(const uint8_t *data, size_t size, uint8_t out[32], bool portable) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const auto compress = HAS_SHA_NI && !portable ? compress_sha_ni : compress_portable;
    const size_t whole = size / 64, rest = size % 64;
    compress(state, data, whole);

    uint8_t tail[128] = {0};  // the rest, one bit, zeros, and the message's length in bits: one block or two
    if (rest) std::memcpy(tail, data + whole * 64, rest);
    tail[rest] = 0x80;
    const size_t blocks = rest < 56 ? 1 : 2;
    const uint64_t bits = uint64_t(size) * 8;
    for (int i = 0; i < 8; ++i) tail[blocks * 64 - 1 - i] = uint8_t(bits >> (8 * i));
    compress(state, tail, blocks);

    for (int i = 0; i < 8; ++i)
        for (int byte = 0; byte < 4; ++byte) out[4 * i + byte] = uint8_t(state[i] >> (24 - 8 * byte));
}

}  // namespace sha256
}  // namespace hexar

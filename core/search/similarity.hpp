// Dot products of rows of floats, and the best similarity of words by their tokens (hexar.core.search.similarity).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "hits.hpp"
#include "prefetch.hpp"

namespace hexar {
namespace similarity {

// Sixteen sums side by side, in registers of so many floats; the order of the additions, and so the result, is the same for any.
#if defined(__GNUC__)
typedef float Four __attribute__((vector_size(16)));
typedef float Eight __attribute__((vector_size(32)));

// Each number of `a` raised to that of `b`.
inline void raise(Four &a, const Four &b) { a = b > a ? b : a; }

template <class Register>
inline __attribute__((always_inline)) float dot_in(const float *a, const float *b, size_t n) {
    constexpr size_t width = sizeof(Register) / sizeof(float), count = 16 / width;
    Register sums[count] = {};
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (size_t at = 0; at < count; ++at) {
            Register left, right;
            std::memcpy(&left, a + i + at * width, sizeof(Register));
            std::memcpy(&right, b + i + at * width, sizeof(Register));
            sums[at] += left * right;
        }
    }
    float rest = 0.0f;
    for (; i < n; ++i) rest += a[i] * b[i];
    for (size_t half = count / 2; half; half /= 2) {
        for (size_t at = 0; at < half; ++at) sums[at] += sums[at + half];
    }
    float lanes[width];
    std::memcpy(lanes, sums, sizeof(Register));
    for (size_t half = width / 2; half > 2; half /= 2) {
        for (size_t at = 0; at < half; ++at) lanes[at] += lanes[at + half];
    }
    return ((lanes[0] + lanes[2]) + (lanes[1] + lanes[3])) + rest;
}

inline float dot_portable(const float *a, const float *b, size_t n) { return dot_in<Four>(a, b, n); }

#if defined(__x86_64__)
__attribute__((target("avx2"))) inline float dot_wide(const float *a, const float *b, size_t n) { return dot_in<Eight>(a, b, n); }

static float (*const dot)(const float *, const float *, size_t) = __builtin_cpu_supports("avx2") ? dot_wide : dot_portable;
#else
static float (*const dot)(const float *, const float *, size_t) = dot_portable;
#endif
#else
inline float dot_portable(const float *a, const float *b, size_t n) {
    float lanes[16] = {};
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (size_t j = 0; j < 16; ++j) lanes[j] += a[i + j] * b[i + j];
    }
    float rest = 0.0f;
    for (; i < n; ++i) rest += a[i] * b[i];
    for (size_t step = 8; step; step /= 2) {
        for (size_t j = 0; j < step; ++j) lanes[j] += lanes[j + step];
    }
    return lanes[0] + rest;
}

static float (*const dot)(const float *, const float *, size_t) = dot_portable;

struct Four {
    float lanes[4];
};

inline void operator+=(Four &a, const Four &b) {
    for (size_t i = 0; i < 4; ++i) a.lanes[i] += b.lanes[i];
}

inline void operator/=(Four &a, float divisor) {
    for (float &lane : a.lanes) lane /= divisor;
}

inline void raise(Four &a, const Four &b) {
    for (size_t i = 0; i < 4; ++i) a.lanes[i] = std::max(a.lanes[i], b.lanes[i]);
}
#endif

inline void add(float *total, const float *row, size_t columns) {
    for (size_t j = 0; j < columns; ++j) total[j] += row[j];
}

inline void divide(float *row, float divisor, size_t columns) {
    for (size_t j = 0; j < columns; ++j) row[j] /= divisor;
}

// The `count` rows with the largest product, best first, ties by key.
inline std::vector<hits::Hit> nearest(const float *matrix, const int64_t *keys, size_t rows, size_t columns, const float *query,
                                      size_t count) {
    std::vector<hits::Hit> found(rows);
    for (size_t i = 0; i < rows; ++i) found[i] = hits::Hit{keys[i], hits::sortable(dot(matrix + i * columns, query, columns))};
    hits::keep_best(found, count);
    return found;
}

// Cosines between the words of a query and of documents. A word is the sum of its tokens' rows in a table; each distinct token
// of all documents is multiplied once. The steps are `query`, `see` for each document, `multiply`, and `document` for each that
// was seen.
class Words {
  public:
    Words(const float *table, size_t rows, size_t columns) : table_(table), columns_(columns), place_(rows, 0) {}

    size_t rows() const { return place_.size(); }

    void query(const uint16_t *tokens, const uint32_t *starts, const float *norms, size_t words, size_t size) {
        vectors_.assign(words * columns_, 0.0f);
        words_ = words;
        lanes_ = (words + LANES - 1) / LANES * LANES;
        for (size_t word = 0; word < words; ++word) {
            size_t end = word + 1 < words ? size_t(starts[word + 1]) : size;
            float *vector = vectors_.data() + word * columns_;
            for (size_t at = size_t(starts[word]); at < end; ++at) add(vector, row(tokens[at]), columns_);
            divide(vector, norms[word], columns_);
        }
        for (uint32_t token : seen_) place_[token] = 0;
        seen_.clear();
    }

    // Note the tokens of a document. It and the rows of the table lie all over the memory: what will be read is asked for.
    void see(const uint16_t *tokens, const uint32_t *starts, const float *norms, size_t words, size_t size) {
        prefetch(starts, words * sizeof(uint32_t));
        prefetch(norms, words * sizeof(float));
        for (size_t at = 0; at < size; ++at) {
            if (place_[tokens[at]]) continue;
            seen_.push_back(tokens[at]);
            prefetch(row(tokens[at]), columns_ * sizeof(float));
            place_[tokens[at]] = uint32_t(seen_.size());
        }
    }

    // The products of all tokens that were seen with the words of the query.
    void multiply() {
        products_.assign(seen_.size() * lanes_, 0.0f);
        for (size_t at = 0; at < seen_.size(); ++at) {
            float *products = products_.data() + at * lanes_;
            for (size_t i = 0; i < words_; ++i) products[i] = dot(vectors_.data() + i * columns_, row(seen_[at]), columns_);
        }
    }

    // The best cosine of each query word to any word of the document, in `best` (zero or more).
    void document(const uint16_t *tokens, const uint32_t *starts, const float *norms, size_t words, size_t size,
                  float *best) const {
        for (size_t first = 0; first < words_; first += LANES) {
            Four most[2] = {Four{}, Four{}};
            for (size_t word = 0; word < words; ++word) {
                const size_t end = word + 1 < words ? size_t(starts[word + 1]) : size;
                Four sums[2] = {Four{}, Four{}};
                for (size_t at = size_t(starts[word]); at < end; ++at) {
                    Four products[2];
                    std::memcpy(products, products_.data() + size_t(place_[tokens[at]] - 1) * lanes_ + first, sizeof(products));
                    sums[0] += products[0];
                    sums[1] += products[1];
                }
                for (size_t half = 0; half < 2; ++half) {
                    sums[half] /= norms[word];
                    raise(most[half], sums[half]);
                }
            }
            std::memcpy(best + first, most, std::min(LANES, words_ - first) * sizeof(float));
        }
    }

  private:
    // So many query words are summed side by side.
    static constexpr size_t LANES = 8;

    const float *row(uint32_t token) const { return table_ + size_t(token) * columns_; }

    const float *table_;
    size_t columns_, words_ = 0, lanes_ = 0;  // lanes_: words_ in whole groups of LANES
    std::vector<uint32_t> place_;              // token: 1 + its row of products_, 0 where it was not seen
    std::vector<uint32_t> seen_;
    std::vector<float> vectors_, products_;
};

}  // namespace similarity
}  // namespace hexar

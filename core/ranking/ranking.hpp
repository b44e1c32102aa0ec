// The scan of hexar.core.ranking: the score of every row, and the k best rows, in one pass over the features.
//
// A score is defined by its order of additions, so that every path and processor gives the same bits: four lanes, lane j % 4
// adds column j in ascending order, and the score is (lane 0 + lane 1) + (lane 2 + lane 3). No fused multiply-add.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HEXAR_AVX2 1
#include <immintrin.h>
#endif

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif

namespace hexar {
namespace ranking {

constexpr int64_t LANES = 4;

struct Candidate {
    double score;
    int64_t index;
};

// The documented order: the higher score first, among equal scores the lower index.
inline bool operator<(const Candidate &a, const Candidate &b) {
    return a.score > b.score || (a.score == b.score && a.index < b.index);
}

// What is ranked. `weights` and `neutral` are padded with zeros to a multiple of four columns.
struct Table {
    const double *features;  // rows × columns, C order; NaN is missing
    const double *weights;
    const double *neutral;   // the value of a missing feature
    const uint8_t *mask;     // rows, or null: a row with 0 is left out
    int64_t rows;
    int64_t columns;
};

// The k best so far. Candidates that beat the k-th best of the last selection are collected; when there is no room for
// more, std::nth_element keeps the k best. That is linear in the number of candidates for every k and every order of rows.
class Best {
  public:
    Best(Candidate *room, int64_t capacity, int64_t k) : room_(room), capacity_(capacity), k_(k) {}

    double threshold() const { return threshold_; }

    // Rows come in ascending order, so an equal score never displaces an earlier row: the comparison is strict.
    void offer(double score, int64_t index) {
        if (!(score > threshold_)) return;
        room_[count_++] = Candidate{score, index};
        if (count_ == capacity_) select();
    }

    int64_t finish() {
        if (count_ > k_) select();
        std::sort(room_, room_ + count_);
        return count_;
    }

  private:
    void select() {
        std::nth_element(room_, room_ + k_ - 1, room_ + count_);
        count_ = k_;
        threshold_ = room_[k_ - 1].score;
    }

    Candidate *room_;
    int64_t capacity_, k_, count_ = 0;
    double threshold_ = -std::numeric_limits<double>::infinity();
};

inline double row_score(const Table &table, int64_t row) {
    const int64_t columns = table.columns, whole = columns - columns % LANES;
    const double *values = table.features + row * columns, *neutral = table.neutral, *weights = table.weights;
    double lanes[LANES] = {0.0, 0.0, 0.0, 0.0};
    for (int64_t column = 0; column < whole; column += LANES)
        for (int64_t lane = 0; lane < LANES; ++lane) {
            const double value = values[column + lane];
            lanes[lane] += (value == value ? value : neutral[column + lane]) * weights[column + lane];
        }
    for (int64_t column = whole; column < columns; ++column) {
        const double value = values[column];
        lanes[column - whole] += (value == value ? value : neutral[column]) * weights[column];
    }
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

// Rows [first, last). A score that is not finite makes the result NaN, else it is zero.
inline double scan_portable(const Table &table, int64_t first, int64_t last, Best &best) {
    double check = 0.0;
    for (int64_t row = first; row < last; ++row) {
        if (table.mask && !table.mask[row]) continue;
        const double score = row_score(table, row);
        check += score * 0.0;
        best.offer(score, row);
    }
    return check;
}

#if HEXAR_AVX2
#define HEXAR_TARGET __attribute__((target("avx2")))

HEXAR_TARGET inline __m256d weighted(__m256d values, __m256d neutral, __m256d weights) {
    const __m256d missing = _mm256_cmp_pd(values, values, _CMP_UNORD_Q);
    return _mm256_mul_pd(_mm256_blendv_pd(values, neutral, missing), weights);
}

// The four lanes of one row. COLUMNS is the number of columns where it is known at compile time, else 0.
template <int64_t COLUMNS>
HEXAR_TARGET inline __m256d row_lanes(const Table &table, const double *values, __m256i rest_mask) {
    const int64_t columns = COLUMNS ? COLUMNS : table.columns;
    __m256d lanes = _mm256_setzero_pd();
    int64_t column = 0;
    for (; column + LANES <= columns; column += LANES) {
        const __m256d weights = _mm256_loadu_pd(table.weights + column), neutral = _mm256_loadu_pd(table.neutral + column);
        lanes = _mm256_add_pd(lanes, weighted(_mm256_loadu_pd(values + column), neutral, weights));
    }
    if (column < columns) {
        const __m256d weights = _mm256_loadu_pd(table.weights + column), neutral = _mm256_loadu_pd(table.neutral + column);
        lanes = _mm256_add_pd(lanes, weighted(_mm256_maskload_pd(values + column, rest_mask), neutral, weights));
    }
    return lanes;
}

// Four rows at a time; equal to scan_portable bit for bit.
template <int64_t COLUMNS>
HEXAR_TARGET double scan_avx2(const Table &table, int64_t &row, Best &best) {
    const int64_t columns = COLUMNS ? COLUMNS : table.columns;
    const __m256i lane_numbers = _mm256_set_epi64x(3, 2, 1, 0);
    const __m256i rest_mask = _mm256_cmpgt_epi64(_mm256_set1_epi64x(columns % LANES), lane_numbers);
    __m256d check = _mm256_setzero_pd();
    __m256d threshold = _mm256_set1_pd(best.threshold());
    for (; row + LANES <= table.rows; row += LANES) {
        uint32_t wanted = 0x01010101;
        if (table.mask) {
            std::memcpy(&wanted, table.mask + row, 4);
            if (!wanted) continue;
        }
        const double *values = table.features + row * columns;
        const __m256d row0 = row_lanes<COLUMNS>(table, values, rest_mask);
        const __m256d row1 = row_lanes<COLUMNS>(table, values + columns, rest_mask);
        const __m256d row2 = row_lanes<COLUMNS>(table, values + 2 * columns, rest_mask);
        const __m256d row3 = row_lanes<COLUMNS>(table, values + 3 * columns, rest_mask);
        const __m256d pairs01 = _mm256_hadd_pd(row0, row1);  // lanes 0+1 of both rows, then lanes 2+3 of both
        const __m256d pairs23 = _mm256_hadd_pd(row2, row3);
        const __m256d low = _mm256_permute2f128_pd(pairs01, pairs23, 0x20);
        const __m256d high = _mm256_permute2f128_pd(pairs01, pairs23, 0x31);
        const __m256d scores = _mm256_add_pd(low, high);
        check = _mm256_add_pd(check, _mm256_mul_pd(scores, _mm256_setzero_pd()));
        if (_mm256_movemask_pd(_mm256_cmp_pd(scores, threshold, _CMP_GT_OQ))) {
            double found[LANES];
            _mm256_storeu_pd(found, scores);
            for (int64_t lane = 0; lane < LANES; ++lane)
                if (wanted >> (8 * lane) & 0xFF) best.offer(found[lane], row + lane);
            threshold = _mm256_set1_pd(best.threshold());
        }
    }
    double checks[LANES];
    _mm256_storeu_pd(checks, check);
    return (checks[0] + checks[1]) + (checks[2] + checks[3]);
}

static const bool HAS_AVX2 = __builtin_cpu_supports("avx2");
#else
static const bool HAS_AVX2 = false;
#endif

// Rank the table into `room`, of `capacity` > k candidates; the best k are first and in order. Returns how many there are.
// `*finite` tells whether every score was finite; a score of a row outside the mask may clear it too.
static int64_t scan(const Table &table, Candidate *room, int64_t capacity, int64_t k, bool portable, bool *finite) {
    Best best(room, capacity, k);
    int64_t row = 0;
    double check = 0.0;
#if HEXAR_AVX2
    if (HAS_AVX2 && !portable)
        check = table.columns == 8 ? scan_avx2<8>(table, row, best) : scan_avx2<0>(table, row, best);
#else
    (void)portable;
#endif
    check += scan_portable(table, row, table.rows, best);
    *finite = check == 0.0;
    return best.finish();
}

// The first row inside the mask whose score is not finite, or -1.
static int64_t first_not_finite(const Table &table) {
    for (int64_t row = 0; row < table.rows; ++row) {
        if (table.mask && !table.mask[row]) continue;
        if (row_score(table, row) * 0.0 != 0.0) return row;
    }
    return -1;
}

}  // namespace ranking
}  // namespace hexar

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

// What a search found: keys with scores (hexar.core.search.hits).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace hexar {
namespace hits {

struct Hit {
    int64_t key;
    double score;
};

// Best first; among equals the lower key. Scores are numbers.
inline bool better(const Hit &a, const Hit &b) { return a.score > b.score || (a.score == b.score && a.key < b.key); }

// A score by which can be sorted: what is not a number is behind all that are.
inline double sortable(double score) { return score == score ? score : -std::numeric_limits<double>::infinity(); }

// Of more than `limit` hits drop most that are not among the best. No two are compared, as no processor can foretell the
// outcome: they are counted by which of equal steps between the lowest and the highest score they stand on.
inline void drop_low(std::vector<Hit> &hits, size_t limit) {
    constexpr size_t STEPS = 256;
    double low = hits[0].score, high = low;
    for (const Hit &hit : hits) {
        low = std::min(low, hit.score);
        high = std::max(high, hit.score);
    }
    const double scale = (STEPS - 1) / (high - low);
    if (!(scale > 0.0 && scale <= std::numeric_limits<double>::max())) return;  // all are equal, or not all are finite
    const auto step = [=](const Hit &hit) { return size_t((hit.score - low) * scale); };
    uint32_t counts[STEPS] = {};
    for (const Hit &hit : hits) ++counts[step(hit)];
    size_t lowest = STEPS, kept = 0;
    while (kept < limit) kept += counts[--lowest];
    kept = 0;
    for (const Hit hit : hits) {
        hits[kept] = hit;
        kept += step(hit) >= lowest;
    }
    hits.resize(kept);
}

// Keep the best `limit`, best first.
inline void keep_best(std::vector<Hit> &hits, size_t limit) {
    if (hits.size() > limit) drop_low(hits, limit);
    if (hits.size() > limit) {
        std::nth_element(hits.begin(), hits.begin() + limit, hits.end(), better);
        hits.resize(limit);
    }
    std::sort(hits.begin(), hits.end(), better);
}

}  // namespace hits
}  // namespace hexar

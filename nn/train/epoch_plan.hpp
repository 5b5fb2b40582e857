// Which samples an epoch visits, in which order, and which of the visits are augmented.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace telaio::nn {

/// Where augmentation is applied.
struct AugmentWhere {
  enum class Kind : uint8_t {
    all,      ///< each visit is augmented
    classes,  ///< those of samples of the named classes
    /// Samples are visited as they are, and from the second epoch on there are augmented copies besides: where the last
    /// epoch's loss was highest. A copy is of sample i with a probability that is, to equal parts, the share of i in
    /// the sum of all losses, and the share of i's class in the sum of the classes' mean losses (evenly within it).
    hard,
  };
  Kind kind = Kind::all;
  std::vector<int64_t> classes = {};
  double copies = 0.5;  ///< hard: how many, in relation to the number of samples
};

/// From "all", "hard", "hard,copies=1", "classes=4,9" (by name or number). Error that names what is unknown.
AugmentWhere parse_augment_where(std::string_view text, std::span<const std::string> class_names);
std::string to_string(const AugmentWhere& where);

struct EpochPlan {
  std::vector<int64_t> rows;     ///< of the samples
  std::vector<int64_t> ids;      ///< what each visit draws by
  std::vector<float> strength;   ///< of the augmentation: 1 or 0
  std::vector<uint8_t> counted;  ///< whether the visit counts in the epoch's loss and accuracy: copies do not
};

/// For epoch 0, 1, …: a function of the arguments alone. `labels` and `losses` (of the samples in the last epoch; empty
/// in the first) are needed for `classes` and `hard` only.
EpochPlan plan_epoch(int64_t samples, bool shuffle, uint64_t seed, int64_t epoch, const AugmentWhere& where,
                     std::span<const int64_t> labels, std::span<const float> losses);

}  // namespace telaio::nn

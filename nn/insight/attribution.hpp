// Which pixels of an image made a classifier say what it said: four methods, from the cheapest to the most literal.
#pragma once

#include <string>
#include <vector>

#include <telaio/autograd/array.hpp>
#include <telaio/nn/insight/image_model.hpp>

namespace telaio::nn {

struct IntegratedGradientsOptions {
  int64_t steps = 64;
  Array baseline = {};  ///< f32 [H,W,C], what counts as nothing; undefined: black
};
struct IntegratedGradients {
  std::vector<Array> maps;
  /// Completeness: the sum of each map (before it is rounded to f32), and logit(image) − logit(baseline), which it
  /// comes the nearer to the more steps there are.
  std::vector<double> sums, differences;
};

struct OcclusionOptions {
  int64_t patch = 0;   ///< its side in pixels; 0: a seventh of the image's shorter side
  int64_t stride = 0;  ///< 1 … patch; 0: a quarter of the patch, at least 1
  float value = 0;     ///< 0…1, what the patch is filled with
};
struct Occlusion {
  /// The patch that costs the class most.
  struct Patch {
    int64_t row = 0, column = 0, side = 0;
    double probability = 0;  ///< of the class, under it
  };
  std::vector<Array> maps;
  std::vector<Patch> strongest;
};

/// Explains a classifier's answers to images. Each method gives one map f32 [H,W] an image, for the class that is asked
/// about there, and the same bits on any number of threads.
///
/// What is explained is the class's logit: what the softmax or sigmoid was applied to, which moves where the
/// probability has long been 1. A single sigmoid output counts as two classes, of which the first has the negative
/// logit.
class Attribution {
 public:
  /// Images f32 [N,H,W,C] with values in 0…1 (images_of), and a class each; none: those that are predicted. Computes
  /// the answers. Error when the model does not classify; when the images are none or do not fit it, or the classes are
  /// not as many or out of range; or when a logit is not finite.
  Attribution(const ImageModel& model, const Array& images, std::vector<int64_t> classes = {});

  int64_t size() const { return static_cast<int64_t>(classes_.size()); }
  const std::vector<int64_t>& classes() const { return classes_; }
  int64_t predicted(int64_t image) const;
  double logit(int64_t image, int64_t c) const;
  double probability(int64_t image, int64_t c) const;

  /// ∂logit/∂x · x, summed over the channels (Shrikumar et al. 2016). Signed.
  std::vector<Array> gradient_times_input() const;

  /// (x − baseline) times the mean of ∂logit/∂x on the straight line between the two, by the midpoint rule; summed over
  /// the channels (Sundararajan, Taly and Yan 2017). Signed. Error for less than one step or another baseline's shape.
  IntegratedGradients integrated_gradients(const IntegratedGradientsOptions& options = {}) const;

  /// Grad-CAM (Selvaraju et al. 2017): relu(Σₖ meanₕᵥ(∂logit/∂Aₕᵥₖ) · Aₖ) for the output A [h,w,K] of a layer, enlarged
  /// bilinearly until it covers the image from edge to edge. (So does the paper; behind convolutions without padding,
  /// which see less of the edges, it comes to lie slightly too far outside.) Not negative. `layer` is the path of one
  /// that gives maps, the last convolution where it is empty: error when there is none, or it gives none.
  std::vector<Array> grad_cam(const std::string& layer = "") const;

  /// A square patch covers a part of the image (Zeiler and Fergus 2014) and moves over all of it, in steps of `stride`
  /// and once more at the edge. How far the log odds of the class, log(p/(1−p)), fall under it, as a mean over the
  /// patches that cover a pixel. Signed. Log odds and not p, since a confident net's p stays at 1 under most patches,
  /// and not the bare logit, since a fall of all logits changes nothing. Error for a patch or stride out of range.
  Occlusion occlusion(const OcclusionOptions& options = {}) const;

 private:
  /// Images in a batch: fewer where they are large, so that what layers keep for the gradient stays moderate.
  int64_t batch_size() const;
  /// Of a row of the outputs' logits.
  double signed_logit(const double* logits, int64_t c) const;
  double log_odds(const double* logits, int64_t c) const;

  ImageModel model_;
  Array images_;
  std::vector<int64_t> classes_;
  std::vector<double> logits_;  // [N, outputs]
  int64_t outputs_;
};

}  // namespace telaio::nn

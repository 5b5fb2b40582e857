// The part of a report that shows what a model takes images for.
#pragma once

#include <boost/json.hpp>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/model.hpp>
#include <telaio/nn/train/evaluate.hpp>

namespace telaio::cli {

/// Adds to the report, of images and what the model made of them:
///   "evaluation"  as `telaio evaluate --json` prints it
///   "cells"       [{"truth", "predicted", "images": [{"image", "sample", "probability"}]}] for each pair of classes
///   that
///                 occurs: up to 60 images, those with the highest loss first, with the probability of `predicted`;
///                 fewer where all of them together would have more than 4 MB
///   "mistakes"    [{"image", "sample", "truth", "predicted", "loss", "top": [{"class", "probability"}, …]}]: the 24
///                 wrong answers with the highest loss, and the three likeliest classes of each
///   "images"      the sheet (report_images.hpp) that "image" counts in
/// "sample" is the place among the samples, from 0. Probabilities and losses are rounded to four decimals.
void add_results(boost::json::object& report, const nn::Model& model, const nn::Samples& samples,
                 const nn::Evaluation& evaluation);

}  // namespace telaio::cli

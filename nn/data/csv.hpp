// Samples in a table: one line each.
#pragma once

#include <string>
#include <string_view>

#include <telaio/nn/data/dataset.hpp>

namespace telaio::nn {

/// Reads a file of comma-separated values, plain or gzip, as a training part.
///
/// A first line without any number outside the label's column is a header. The label is in the column whose header is
/// `label` or `class` (in any case), else in the first. Labels are whole numbers 0 … 65535, which are the classes, or
/// words, which become classes in alphabetical order. Everything else is a finite number. Fields may stand in double
/// quotes; empty lines are passed over.
///
/// Where all numbers are whole and in 0…255 and there are s×s of them, s ≥ 8 (the smallest digits in use), the samples
/// are images u8 [N,s,s,1]; else they are f32 [N,D].
///
/// Errors "PATH: line L, column C: …" (both from 1): another number of fields than before, a field that is no number,
/// NaN or infinity, an empty file.
Dataset load_csv(const std::string& path);
/// The same from memory; `name` is for messages.
Samples parse_csv(std::string_view text, const std::string& name);

}  // namespace telaio::nn

// Layers, models, training, data sets and files.
#pragma once

#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/describe.hpp>
#include <telaio/nn/insight/attribution.hpp>
#include <telaio/nn/insight/image_model.hpp>
#include <telaio/nn/insight/invariance.hpp>
#include <telaio/nn/insight/maximize.hpp>
#include <telaio/nn/insight/picture.hpp>
#include <telaio/nn/insight/responses.hpp>
#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/nn/model.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/nn/summary.hpp>
#include <telaio/nn/train/callbacks.hpp>
#include <telaio/nn/train/checkpoint.hpp>
#include <telaio/nn/train/diagnosis.hpp>
#include <telaio/nn/train/tensorboard.hpp>
#include <telaio/nn/train/training.hpp>

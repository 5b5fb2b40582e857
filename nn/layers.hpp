// Every layer.
#pragma once

#include <telaio/nn/layers/combine.hpp>
#include <telaio/nn/layers/conv.hpp>
#include <telaio/nn/layers/dense.hpp>
#include <telaio/nn/layers/dropout.hpp>
#include <telaio/nn/layers/normalization.hpp>
#include <telaio/nn/layers/pool.hpp>
#include <telaio/nn/layers/reshape.hpp>

// Every op.
#pragma once

#include <telaio/ops/binary.hpp>
#include <telaio/ops/conv2d.hpp>
#include <telaio/ops/create.hpp>
#include <telaio/ops/indexing.hpp>
#include <telaio/ops/joining.hpp>
#include <telaio/ops/losses.hpp>
#include <telaio/ops/matmul.hpp>
#include <telaio/ops/normalization.hpp>
#include <telaio/ops/pool2d.hpp>
#include <telaio/ops/random.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

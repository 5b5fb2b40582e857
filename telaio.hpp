// Telaio: models as graphs of tensor ops. This header includes all of it.
#pragma once

#include <telaio/autograd/compile.hpp>
#include <telaio/autograd/context.hpp>
#include <telaio/autograd/draw.hpp>
#include <telaio/autograd/grad.hpp>
#include <telaio/autograd/gradcheck.hpp>
#include <telaio/autograd/op.hpp>
#include <telaio/autograd/tensor.hpp>
#include <telaio/autograd/variable.hpp>
#include <telaio/ops/ops.hpp>

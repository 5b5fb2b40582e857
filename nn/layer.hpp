// Layer: a description of a piece of a network, and what a description gets to work with.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <telaio/autograd/tensor.hpp>
#include <telaio/autograd/variable.hpp>
#include <telaio/nn/activation_function.hpp>
#include <telaio/nn/fields.hpp>
#include <telaio/nn/initializer.hpp>

namespace telaio::nn {

class Layer;
struct Walk;

/// What a layer sees of the model while it adds its part to a graph. The first walk through a network makes its
/// parameters, later ones find them again by their names.
class LayerContext {
 public:
  LayerContext(Walk& walk, std::string path) : walk_(walk), path_(std::move(path)) {}

  /// Whether dropout drops and batch norm takes the batch's statistics.
  bool training() const;
  /// The type of the parameters: f32 or f64.
  DType dtype() const;
  /// Where the layer stands: "block1.conv1"; empty for the network itself.
  const std::string& path() const { return path_; }

  /// A trained parameter of this layer, named `path.name`. Error when it is there already in another shape, or as a
  /// state.
  Tensor parameter(std::string_view name, const Shape& shape, const Initializer& initializer, Fans fans = {});
  /// A value that is kept with the parameters but not trained by gradients, such as a running mean.
  Tensor state(std::string_view name, const Shape& shape, double initial);
  /// Its value after this step of training. Ignored when not training.
  void update(std::string_view name, const Tensor& value);
  /// A random key of its own for each call and each step. Only while training.
  Tensor random_key(const SourceLocation& where = TELAIO_HERE);
  /// The activation; remembered, so that a loss can start from before a final softmax or sigmoid.
  Tensor activate(const Tensor& x, const ActivationFunction& activation, const SourceLocation& where);

  /// Applies a layer inside this one. Its parameters, and what messages and drawings say of it, are under `name`.
  Tensor operator()(const Layer& layer, const Tensor& x, std::string_view name);

 private:
  Walk& walk_;
  std::string path_;
};

/// What makes a struct a layer: its JSON type, a name ("" for an automatic one), a function that extends a graph, and
/// (`void fields(Fields&)`, for JSON) its fields. A member `where` is the line that the user wrote it in.
template <class T>
concept DescribesLayer = requires(const T& layer, const Tensor& x, LayerContext& context) {
  { T::type } -> std::convertible_to<std::string_view>;
  { layer.name } -> std::convertible_to<std::string>;
  { layer.call(x, context) } -> std::convertible_to<Tensor>;
};

/// Any layer: an immutable value, cheap to copy. It has no parameters; a Model has.
class Layer {
 public:
  /// Undefined.
  Layer() = default;
  template <class T>
  requires(DescribesLayer<T> && !std::same_as<T, Layer>) Layer(T description)
      : self_(std::make_shared<const Holder<T>>(std::move(description))) {}

  bool defined() const { return self_ != nullptr; }
  /// "conv2d".
  std::string_view type() const { return self_->type(); }
  /// As given, or "".
  const std::string& name() const { return self_->name(); }
  Tensor call(const Tensor& x, LayerContext& context) const { return self_->call(x, context); }
  /// The description, or null when it is of another type.
  template <class T>
  const T* as() const {
    const auto* holder = dynamic_cast<const Holder<T>*>(self_.get());
    return holder ? &holder->description : nullptr;
  }

  /// Whether it can be written to JSON.
  bool has_fields() const { return self_->has_fields(); }
  void write_fields(Fields& fields) const { self_->fields(fields); }
  /// The same type of layer with the fields that `fields` gives, and otherwise its defaults.
  Layer read_fields(Fields& fields) const { return self_->with(fields); }
  Layer fresh() const { return self_->fresh(); }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual std::string_view type() const = 0;
    virtual const std::string& name() const = 0;
    virtual Tensor call(const Tensor& x, LayerContext& context) const = 0;
    virtual bool has_fields() const = 0;
    virtual void fields(Fields& fields) const = 0;
    virtual Layer with(Fields& fields) const = 0;
    virtual Layer fresh() const = 0;
  };
  template <class T>
  struct Holder final : Interface {
    explicit Holder(T given) : description(std::move(given)) {}
    std::string_view type() const override { return T::type; }
    const std::string& name() const override { return description.name; }
    Tensor call(const Tensor& x, LayerContext& context) const override { return description.call(x, context); }
    static constexpr bool described = requires(T & layer, Fields& f) { layer.fields(f); };
    bool has_fields() const override { return described; }
    // A description's `fields` serves reading and writing, so it is not const; writing changes a copy.
    void fields(Fields& f) const override {
      if constexpr (described) {
        T copy = description;
        copy.fields(f);
      }
    }
    Layer with(Fields& f) const override {
      T read{};
      if constexpr (requires { read.where = SourceLocation(); }) read.where = SourceLocation();  // nobody's line
      if constexpr (described) read.fields(f);
      return Layer(std::move(read));
    }
    Layer fresh() const override { return Layer(T{}); }
    T description;
  };

  std::shared_ptr<const Interface> self_;
};

/// The types of layers that JSON may name.
class LayerTypes {
 public:
  /// All of layers.hpp.
  static LayerTypes standard();
  /// Adds one; a type of the same name is replaced.
  template <class T>
  LayerTypes& add() {
    add(Layer(T{}));
    return *this;
  }
  const std::vector<Layer>& list() const& { return types_; }
  /// By value, so that `for (… : LayerTypes::standard().list())` has something to go over.
  std::vector<Layer> list() && { return std::move(types_); }
  const Layer* find(std::string_view type) const;

 private:
  void add(Layer layer);
  std::vector<Layer> types_;
};

}  // namespace telaio::nn

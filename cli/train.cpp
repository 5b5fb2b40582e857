// `telaio train`: from a data set to a model file.
#include <filesystem>
#include <iostream>

#include <fmt/format.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/describe.hpp>
#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/json.hpp>
#include <telaio/nn/summary.hpp>
#include <telaio/nn/train/callbacks.hpp>
#include <telaio/nn/train/check_finite.hpp>
#include <telaio/nn/train/checkpoint.hpp>
#include <telaio/nn/train/diagnosis.hpp>
#include <telaio/nn/train/tensorboard.hpp>
#include <telaio/nn/train/training.hpp>

#include "command.hpp"
#include "commands.hpp"
#include "results.hpp"
#include "stop_signals.hpp"
#include "train_choices.hpp"
#include "train_options.hpp"
#include "train_report.hpp"

namespace telaio::cli {

namespace {

constexpr const char* interruption = "interrupted";

class Train {
 public:
  explicit Train(const po::variables_map& given)
      : given_(given), threads_(threads_of(given)), choices_(choose_training(given)), report_(given) {}

  int run() {
    const std::string& out = text("out");
    nn::check_writable(out);
    if (given_.count("history")) nn::check_writable(text("history"));
    if (given_.count("tensorboard")) tensorboard_ = std::make_shared<nn::TensorBoard>(text("tensorboard"));
    load_data();
    report_.check(data_);
    choose_by_classes();
    std::optional<nn::ModelFile> saved;
    if (flag("resume") && nn::path_exists(out)) saved = nn::load_model(out);
    nn::Model model = build_model();
    if (saved && !take_up(*saved, model)) return finished(*saved);

    nn::Trainer trainer(model, {.optimizer = choices_.optimizer, .seed = options_.seed});
    add_callbacks(model);
    std::optional<nn::Training> training;
    try {
      training.emplace(trainer, data_.train, options_);
    } catch (const Error& error) {
      if (!saved) throw;
      throw Error(fmt::format("{}: {}", out, error.what()));
    }

    std::optional<StopSignals> signals(std::in_place);
    say("data      {}: {} training{} images of {}, {} classes\n", data_.source, nn::with_commas(data_.train.size()),
        data_.test.empty() ? "" : fmt::format(" and {} test", nn::with_commas(data_.test.size())),
        shape_text(data_.train.sample_shape()), data_.train.classes());
    say("model     {}: {} parameters, {} multiply-adds an image, {} at the end\n", model.name(),
        nn::with_commas(model.parameter_count()), nn::with_commas(model.multiply_adds()), name_of(model.ending()));
    say("training  {} {} in batches of {}, {}, learning rate {} ({}), seed {}, {} {}\n", options_.epochs,
        options_.epochs == 1 ? "epoch" : "epochs", options_.batch_size, text("optimizer"), given_["lr"].as<double>(),
        nn::to_string(options_.schedule), options_.seed, thread_count(), thread_count() == 1 ? "thread" : "threads");
    if (saved) say("resumed   from {}\n", out);
    if (tensorboard_) say("curves    tensorboard --logdir {}\n", text("tensorboard"));

    show(*training);
    try {
      nn::FitResult result = training->run();
      // Also where it came too late to stop an epoch.
      if (StopSignals::requested()) result.stopped = interruption;
      else if (report_.live()) report_.begin_measuring(about(*training));
      signals.reset();  // what comes now does not look at them: they end it
      return report(model, result);
    } catch (const Error& error) {
      report_.write_failure(about(*training), error);
      throw Error(error.what() + kept_in_spite(error.what(), *training));
    }
  }

 private:
  const std::string& text(const char* name) const { return given_[name].as<std::string>(); }
  bool flag(const char* name) const { return given_[name].as<bool>(); }
  bool talks() const { return !flag("quiet") && !flag("json"); }
  template <class... T>
  void say(fmt::format_string<T...> format, T&&... values) const {
    if (!talks()) return;
    fmt::print(format, std::forward<T>(values)...);
    std::fflush(stdout);
  }

  void load_data() {
    data_ = nn::load_dataset(text("data"));
    if (given_.count("limit"))
      data_.train = nn::take(data_.train, 0, std::min(given_["limit"].as<int64_t>(), data_.train.size()));
    data_.train = thinned(data_.train, text("thin"));
  }

  void choose_by_classes() {
    const auto& classes = data_.train.class_names;
    options_.class_weight =
        named("--class-weight", [&] { return nn::parse_class_weights(text("class-weight"), classes); });
    options_.augment_where =
        named("--augment-where", [&] { return nn::parse_augment_where(text("augment-where"), classes); });
  }

  nn::Model build_model() const {
    const int64_t classes = data_.train.classes();
    NetworkChoice choice = choose_network(text("model"), classes, ending_of(given_), given_["dropout"].as<double>());
    const Shape sample = data_.train.sample_shape();
    if (!choice.input.empty() && !(choice.input == sample))
      throw Error(fmt::format("{}: the network is for samples of shape {}, those of {} have {}", text("model"),
                              to_string(choice.input), data_.source, to_string(sample)));
    nn::ModelOptions options{.name = choice.name, .seed = options_.seed};
    // A network that scales bytes itself gets bytes.
    if (begins_with_rescaling(choice.network) && data_.train.inputs.dtype() == u8) options.input = u8;
    nn::Model model = build(choice, sample, options);
    if (!(model.output_shape() == Shape{classes}))
      throw Error(fmt::format("{}: the network's output has shape {}, {} has {} classes: expected [{}]", text("model"),
                              to_string(model.output_shape()), data_.source, classes, classes));
    const std::optional<nn::Ending> wanted = ending_of(given_);
    if (model.ending() == nn::Ending::linear)
      return nn::Model(with_ending(choice.network, wanted.value_or(nn::Ending::softmax)), sample, options);
    if (wanted && *wanted != model.ending())
      throw Error(
          fmt::format("--output is {}, but {} ends with {}", name_of(*wanted), text("model"), name_of(model.ending())));
    return model;
  }

  /// Whether there is something to go on with.
  bool take_up(nn::ModelFile& saved, const nn::Model& model) {
    const std::string& out = text("out");
    if (nn::to_json(saved.model.network()) != nn::to_json(model.network()) ||
        !(saved.model.sample_shape() == model.sample_shape()))
      throw Error(fmt::format("{}: --resume: the file holds another network than --model {} with these options", out,
                              text("model")));
    if (saved.class_names != data_.train.class_names)
      throw Error(fmt::format("{}: --resume: the classes of the file are {}, those of {} are {}", out,
                              fmt::join(saved.class_names, " "), data_.source,
                              fmt::join(data_.train.class_names, " ")));
    for (const auto& [name, now] : notes()) {
      const auto then = saved.notes.find(name);
      if (then != saved.notes.end() && then->second != now)
        throw Error(fmt::format("{}: --resume: the file was trained with {} {}, not {}", out, name, then->second, now));
    }
    options_.resume = std::move(saved.training);
    // The mean and deviation that were found then, not found anew.
    if (options_.standardization.pixels && saved.standardization.pixels)
      options_.standardization = saved.standardization;
    return options_.resume.has_value();
  }

  int finished(const nn::ModelFile& saved) {
    say("The training in {} has finished; there is nothing to go on with.\n", text("out"));
    const auto history = saved.notes.find("history");
    if (flag("json")) fmt::print("{}", history != saved.notes.end() ? history->second : "{\"epochs\": []}\n");
    const ReportSubject subject = subject_of(saved, text("out"), data_.source);
    try {
      report_.begin_measuring(subject);
      if (report_.write(subject, data_, {})) say_where_report_is();
    } catch (const Error& error) {
      report_.write_failure(subject, error);
      throw;
    }
    return ok;
  }

  /// What --resume needs to find the same, besides what the training itself compares.
  std::map<std::string, std::string> notes() const {
    return {{"data", fmt::format("{} ({} images, thin {})", data_.source, data_.train.size(), text("thin"))},
            {"early stopping", given_.count("early-stopping")
                                   ? fmt::format("after {} epochs", given_["early-stopping"].as<int64_t>())
                                   : "none"}};
  }

  void add_callbacks(const nn::Model& model) {
    if (given_.count("early-stopping"))
      options_.callbacks.push_back(std::make_shared<nn::EarlyStopping>(
          nn::EarlyStopping::Options{.monitor = options_.validation_split > 0 ? "val_loss" : "loss",
                                     .patience = given_["early-stopping"].as<int64_t>()}));
    if (talks()) options_.callbacks.push_back(std::make_shared<nn::ProgressBar>());
    // Before the file: who goes on from that need not write the epoch again.
    if (tensorboard_) options_.callbacks.push_back(tensorboard_);
    options_.callbacks.push_back(std::make_shared<nn::ModelCheckpoint>(
        nn::ModelCheckpoint::Options{text("out"), data_.train.class_names, notes(), true}));
    // Behind the file: what is said of it is true by then.
    options_.callbacks.push_back(std::make_shared<nn::LambdaCallback>(
        nn::LambdaCallback::Functions{.epoch_end =
                                          [this, model](nn::Training& training) {
                                            epoch_kept_ = training.epoch();
                                            write_history(model, training.history(), std::nullopt, training.best());
                                            show(training);
                                          },
                                      .batch_end =
                                          [](nn::Training& training) {
                                            if (StopSignals::requested()) training.stop(interruption);
                                          }}));
  }

  json::value history_json(const nn::Model& model, const nn::History& history,
                           const std::optional<nn::Evaluation>& test, const nn::Best& best) const {
    json::object root = nn::parse_json(nn::to_json(history), "history").as_object();
    if (test) root["test"] = {{"loss", number(test->loss)}, {"accuracy", number(test->accuracy().value_or(0))}};
    root["model"] = model.name();
    root["data"] = data_.source;
    root["output"] = std::string(name_of(model.ending()));
    root["parameters"] = model.parameter_count();
    root["multiply_adds"] = model.multiply_adds();
    root["best_epoch"] = best.epoch;
    root["seed"] = options_.seed;
    root["threads"] = thread_count();
    return root;
  }

  void write_history(const nn::Model& model, const nn::History& history, const std::optional<nn::Evaluation>& test,
                     const nn::Best& best) const {
    if (!given_.count("history")) return;
    const std::string& path = text("history");
    nn::write_file(path,
                   path.ends_with(".csv") ? nn::to_csv(history) : nn::pretty(history_json(model, history, test, best)));
  }

  ReportSubject about(const nn::Training& training) const {
    const nn::Model& model = training.trainer().model();
    return report_.about(model, data_, training.standardization(),
                         history_json(model, training.history(), std::nullopt, training.best()));
  }
  /// Shows how far the training is, where that is wanted.
  void show(const nn::Training& training) {
    if (report_.live()) report_.write_unfinished(about(training), "training", "");
  }
  void say_where_report_is() const { say("The report is in {}.\n", text("report")); }

  /// After a failure the last good model is kept; says where.
  std::string kept_in_spite(const std::string& error, const nn::Training& training) const {
    const std::string& out = text("out");
    if (finished_) return fmt::format("\n  {} holds the trained model", out);
    if (epoch_kept_ > 0) return fmt::format("\n  {} holds the best model up to epoch {}", out, epoch_kept_);
    if (error.starts_with(out + ": cannot be written")) return "";
    // Even of another training: it is better than one that failed in its first epoch.
    if (nn::path_exists(out)) return fmt::format("\n  {} is as it was", out);
    // An update can overflow by itself: what is found a step later is no good model.
    for (const Variable& variable : training.trainer().model().variables())
      if (!nn::not_finite(variable.read().value()).empty()) return "";
    nn::save_model(out, {training.trainer().model(), data_.train.class_names, training.standardization()});
    return fmt::format("\n  {} holds the parameters from before that step", out);
  }

  /// The file of a training that has ended: nothing to go on with, and the curves in it. They are without times, so
  /// that the same training gives the same bytes.
  void write_finished(const nn::Model& model, const nn::FitResult& result, json::value history,
                      const std::vector<std::string>& diagnosis) const {
    json::object& root = history.as_object();
    root.erase("threads");
    for (json::value& epoch : root["epochs"].as_array())
      for (const char* name : {"seconds", "images_per_second"}) epoch.as_object().erase(name);
    nn::ModelFile file{model, data_.train.class_names, result.standardization, std::nullopt, notes()};
    file.notes["history"] = nn::pretty(history);
    file.notes["diagnosis"] = fmt::format("{}", fmt::join(diagnosis, "\n"));
    file.notes["settings"] = nn::pretty(training_settings(given_));
    file.notes["command"] = repeating_command(given_);
    nn::save_model(text("out"), file);
  }

  int report(const nn::Model& model, const nn::FitResult& result) {
    const bool stopped_inside = result.stopped == interruption;
    if (result.best.epoch > 0) model.set_values(result.best.values);
    std::optional<nn::Evaluation> test;
    if (!data_.test.empty() && !stopped_inside)
      test = nn::evaluate(model, data_.test, {.standardization = result.standardization});
    write_history(model, result.history, test, result.best);
    const json::value history = history_json(model, result.history, test, result.best);
    const std::vector<std::string> diagnosis =
        nn::diagnose(result, test ? test->confusion : std::nullopt, data_.train.class_names);
    if (!stopped_inside) {
      write_finished(model, result, history, diagnosis);
      finished_ = true;
    }
    if (flag("json")) fmt::print("{}", nn::pretty(history));
    if (stopped_inside) {
      report_.write_unfinished(report_.about(model, data_, result.standardization, history), "stopped",
                               "telaio train --resume goes on from there.");
      say("stopped; {} holds the best model so far, and --resume goes on from here\n", text("out"));
      return interrupted;
    }
    if (!result.stopped.empty()) say("stopped   {}\n", result.stopped);
    if (test)
      say("test      loss {:.4f}  accuracy {:.2f}%  (parameters of epoch {})\n", test->loss,
          100 * test->accuracy().value_or(0), result.best.epoch);
    const std::optional<nn::ConfusionMatrix> confusion = test ? test->confusion : result.validation;
    if (confusion) say("\n{}", nn::class_table(*confusion, data_.train.class_names));
    say("\n");
    for (const std::string& line : diagnosis) say("{}\n", line);
    ReportSubject subject = report_.about(model, data_, result.standardization, history);
    subject.diagnosis = diagnosis;
    if (report_.write(subject, data_, std::move(test))) say_where_report_is();
    say("The model is in {}: telaio evaluate --model {} --data {}\n", text("out"), text("out"), data_.source);
    return ok;
  }

  const po::variables_map& given_;
  Threads threads_;
  nn::Dataset data_;
  TrainChoices choices_;
  nn::FitOptions& options_ = choices_.options;
  TrainReport report_;
  std::shared_ptr<nn::TensorBoard> tensorboard_;
  int64_t epoch_kept_ = 0;  // the last one after which the file was written
  bool finished_ = false;   // the file is that of a training that has ended
};

}  // namespace

int train(const std::vector<std::string>& arguments) {
  const auto given = parse(arguments, train_options(), {}, train_help, train_examples);
  return given ? Train(*given).run() : ok;
}

}  // namespace telaio::cli

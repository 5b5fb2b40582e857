// `telaio report` and `telaio train --report`: the numbers in the page are those of the other commands, its images
// those of the data; the page needs nothing else; a page that follows a training says how it stands.
#ifdef TELAIO_PROGRAM

#include <sys/stat.h>

#include <cmath>
#include <regex>

#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/png.hpp>
#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/nn/train/evaluate.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

std::string from_base64(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0, have = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(digits.find(c));
    if ((have += 6) < 8) continue;
    have -= 8;
    out += static_cast<char>(bits >> have & 255);
  }
  return out;
}

class ReportCommand : public Program {
 protected:
  /// The JSON that stands in a page.
  json::object data_of(std::string_view name) const {
    const std::string page = read(name), begin = "<script type=\"application/json\" id=\"report\">";
    const size_t at = page.find(begin), end = page.find("</script>", at);
    json::error_code error;
    const json::value value = json::parse(page.substr(at + begin.size(), end - at - begin.size()), error);
    EXPECT_FALSE(error) << name;
    return value.is_object() ? value.as_object() : json::object();
  }
  /// Waits until the page of a training that runs is so.
  bool shows(std::string_view name, const std::function<bool(const json::object&)>& so) const {
    for (int tries = 0; tries < 1000; ++tries) {
      if (exists(name) && so(data_of(name))) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }
  /// The pixels of an image of the page.
  static std::vector<uint8_t> cut_out(const nn::Image& sheet, const json::value& about, int64_t place) {
    const int64_t width = about.at("width").as_int64(), height = about.at("height").as_int64();
    const int64_t columns = about.at("columns").as_int64(), c = sheet.channels;
    std::vector<uint8_t> pixels;
    for (int64_t y = place / columns * height; y < (place / columns + 1) * height; ++y) {
      const auto line = sheet.pixels.begin() + (y * sheet.width + place % columns * width) * c;
      pixels.insert(pixels.end(), line, line + width * c);
    }
    return pixels;
  }
};

TEST_F(ReportCommand, ItsNumbersAreThoseOfTheOtherCommands) {
  good("train --data digits:600,300 --model linear --epochs 2 --quiet");
  EXPECT_EQ(good("report --model model.telaio --data digits:600,300"),
            "report.html shows linear on 300 test images of digits:600,300\n");
  const json::object report = data_of("report.html");
  EXPECT_EQ(report.at("evaluation"), good_json("evaluate --model model.telaio --data digits:600,300 --json"));
  EXPECT_EQ(report.at("invariance").at("curves"),
            good_json("invariance --model model.telaio --data digits:600,300 --per-class --json")
                .at("models")
                .at(0)
                .at("curves"));
  EXPECT_EQ(report.at("model").at("layers"), good_json("summary --model model.telaio --json").at("layers"));
  EXPECT_EQ(report.at("model").at("parameters").as_int64(), 7'850);
  EXPECT_EQ(json::serialize(report.at("comparison")),
            R"([{"name":"cnn","parameters":61482,"multiply_adds":1361664},)"
            R"({"name":"dense","parameters":669706,"multiply_adds":668672}])");
  EXPECT_EQ(json::serialize(report.at("data")), R"({"source":"digits:600,300","part":"test","samples":300})");
  EXPECT_EQ(report.at("state").as_string(), "finished");
  EXPECT_TRUE(report.at("filters").at("layers").as_array().empty());
  EXPECT_EQ(report.at("filters").at("message").as_string(),
            "The model has no convolutional layers, and so no filters.");
  EXPECT_EQ(report.at("filters").at("classes").at("filters").as_array().size(), 10U);

  json::value printed = good_json("report --model model.telaio --data digits:600,300 --part train --out t.html --json");
  EXPECT_EQ(printed.as_object().at("file").as_string(), "t.html");
  printed.as_object().erase("file");
  EXPECT_EQ(printed, good_json("evaluate --model model.telaio --data digits:600,300 --part train --json"));
  EXPECT_EQ(data_of("t.html").at("data").at("part").as_string(), "train");
}

TEST_F(ReportCommand, ACellHasItsImages) {
  good("train --data digits:600,1500 --model linear --epochs 1 --quiet");
  good("report --model model.telaio --data digits:600,1500");
  const json::object report = data_of("report.html");
  const nn::Samples samples = nn::make_digits({.train = 600, .test = 1500}).test;
  const std::vector<int64_t> labels = nn::label_values(samples);
  const std::vector<uint8_t> pixels = samples.inputs.to_vector<uint8_t>();
  const std::vector<double> outputs =
      nn::predict(nn::load_model(path("model.telaio")).model, samples.inputs).to_vector<double>();
  const json::value& about = report.at("images");
  const nn::Image sheet = nn::decode_png(from_base64(about.at("png").as_string()), "sheet");
  const auto check = [&](const json::value& one) {
    const int64_t sample = one.at("sample").as_int64();
    const std::vector<uint8_t> expected{pixels.begin() + 784 * sample, pixels.begin() + 784 * (sample + 1)};
    EXPECT_TRUE(cut_out(sheet, about, one.at("image").as_int64()) == expected) << "sample " << sample;
    return sample;
  };

  int64_t wrong = 0, most = 0;
  size_t cells = 0;
  const json::array& matrix = report.at("evaluation").at("confusion").as_array();
  std::map<std::pair<int64_t, int64_t>, const json::array*> images;
  for (const json::value& cell : report.at("cells").as_array())
    images[{cell.at("truth").as_int64(), cell.at("predicted").as_int64()}] = &cell.at("images").as_array();
  for (int64_t t = 0; t < 10; ++t)
    for (int64_t p = 0; p < 10; ++p) {
      const int64_t count = matrix[t].at(p).as_int64();
      wrong += t == p ? 0 : count;
      most = std::max(most, count);
      if (count == 0) continue;
      ++cells;
      ASSERT_TRUE((images.contains({t, p}))) << t << " for " << p;
      const json::array& shown = *images.at({t, p});
      EXPECT_EQ(shown.size(), std::min<size_t>(count, 60)) << t << " for " << p;
      double before = 0;
      for (const json::value& one : shown) {
        const int64_t sample = check(one);
        EXPECT_EQ(labels[sample], t);
        EXPECT_NEAR(one.at("probability").to_number<double>(), outputs[10 * sample + p], 6e-5);
        EXPECT_GE(outputs[10 * sample + t], before) << "the highest loss comes first";
        before = outputs[10 * sample + t];
      }
    }
  EXPECT_EQ(images.size(), cells);
  EXPECT_GT(most, 60) << "no cell has more images than are shown";

  const json::array& mistakes = report.at("mistakes").as_array();
  ASSERT_GT(wrong, 24);
  EXPECT_EQ(mistakes.size(), 24U);
  std::vector<double> losses;
  for (size_t i = 0; i < labels.size(); ++i)
    if (std::max_element(&outputs[10 * i], &outputs[10 * i] + 10) - &outputs[10 * i] != labels[i])
      losses.push_back(-std::log(outputs[10 * i + labels[i]]));
  std::sort(losses.rbegin(), losses.rend());
  for (size_t i = 0; i < mistakes.size(); ++i) {
    const json::value& one = mistakes[i];
    const int64_t sample = check(one);
    EXPECT_NEAR(one.at("loss").to_number<double>(), losses[i], 1e-3);
    EXPECT_EQ(one.at("truth").as_int64(), labels[sample]);
    std::vector<double> sorted(&outputs[10 * sample], &outputs[10 * sample] + 10);
    std::sort(sorted.rbegin(), sorted.rend());
    EXPECT_EQ(one.at("top").at(0).at("class"), one.at("predicted"));
    for (size_t k = 0; k < 3; ++k)
      EXPECT_NEAR(one.at("top").at(k).at("probability").to_number<double>(), sorted[k], 6e-5);
  }
}

TEST_F(ReportCommand, ATrainingWritesIt) {
  const std::string options = "--data digits:600,100 --model linear --epochs 2 --validation-split 0.2 --seed 7";
  const std::string text = good("train " + options + " --report run.html --history run.json --threads 1");
  EXPECT_THAT(text, HasSubstr("\nThe report is in run.html.\n"));
  const json::object report = data_of("run.html");
  EXPECT_EQ(report.at("state").as_string(), "finished");
  EXPECT_EQ(report.at("history"), json::parse(read("run.json")));
  EXPECT_EQ(report.at("evaluation").at("accuracy"), report.at("history").at("test").at("accuracy"));
  ASSERT_FALSE(report.at("diagnosis").as_array().empty());
  for (const json::value& line : report.at("diagnosis").as_array())
    EXPECT_THAT(text, HasSubstr("\n" + std::string(line.as_string()) + "\n"));
  const std::string command(report.at("command").as_string());
  EXPECT_EQ(command, "telaio train " + options);
  EXPECT_EQ(report.at("settings").at("seed").as_string(), "7");
  EXPECT_EQ(report.at("settings").at("lr").as_string(), "0.002");
  EXPECT_FALSE(report.at("settings").as_object().contains("threads"));
  const auto trained = tensors("model.telaio");
  good(command.substr(std::string("telaio ").size()) + " --out again.telaio --quiet");
  EXPECT_TRUE(tensors("again.telaio") == trained);
  EXPECT_EQ(read("again.telaio"), read("model.telaio")) << "where the file is does not stand in it";

  // The file alone gives the same page, but for the times.
  good("report --model model.telaio --data digits:600,100 --out later.html");
  const json::object later = data_of("later.html");
  for (const char* same : {"evaluation", "cells", "mistakes", "images", "invariance", "graph", "diagnosis", "settings",
                           "command", "comparison", "model", "data"})
    EXPECT_EQ(later.at(same), report.at(same)) << same;
  for (const char* name : {"loss", "accuracy", "val_loss", "val_accuracy"})
    EXPECT_EQ(later.at("history").at("epochs").at(1).at(name), report.at("history").at("epochs").at(1).at(name));
  // As does a training that has nothing left to do.
  good("train " + options + " --resume --report resumed.html");
  EXPECT_EQ(read("resumed.html"), read("later.html"));
}

TEST_F(ReportCommand, NeedsNothingElse) {
  // A path that would end the script element that it stands in.
  const std::string where = "x</script>";
  const nn::Samples digits = nn::make_digits({.train = 40, .test = 0}).train;
  const std::vector<uint8_t> pixels = digits.inputs.to_vector<uint8_t>();
  const std::vector<int64_t> labels = nn::label_values(digits);
  for (size_t i = 0; i < labels.size(); ++i)
    folder_.put(fmt::format("{}/a&<{}/{}.png", where, labels[i], i),
                nn::encode_png({28, 28, 1, {pixels.begin() + 784 * i, pixels.begin() + 784 * (i + 1)}}));
  good(fmt::format("train --data '{}' --model linear --epochs 1 --quiet --report r.html", where));
  EXPECT_EQ(data_of("r.html").at("data").at("source").as_string(), where);
  EXPECT_EQ(data_of("r.html").at("command").as_string(), "telaio train --data 'x</script>' --model linear --epochs 1");
  const std::string page = read("r.html");
  EXPECT_THAT(page, StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(page, HasSubstr("<title>linear on script&gt;"));
  const auto count = [&](std::string_view part) {
    size_t found = 0;
    for (size_t at = page.find(part); at != std::string::npos; at = page.find(part, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("</script>"), 3U) << "data, Chart.js, the page's own";
  EXPECT_EQ(count("{{"), 0U);
  EXPECT_THAT(page, HasSubstr("Chart.js v3"));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  const std::regex outside(
      R"re((src|href)\s*=\s*\\?["']?\s*(https?:|file:|//)|url\(\s*["']?\s*(https?:|file:|//)|@import)re");
  EXPECT_FALSE(std::regex_search(page, outside));
}

TEST_F(ReportCommand, FollowsATraining) {
  const std::string options = "train --data digits:300,50 --model linear --report live.html";
  const pid_t child = start(options + " --live --epochs 100000");
  EXPECT_TRUE(shows("live.html", [](const json::object& report) {
    return report.at("state") == "training" && report.at("history").at("epochs").as_array().size() >= 2;
  }));
  const json::object running = data_of("live.html");
  for (const char* later : {"evaluation", "cells", "mistakes", "invariance", "graph"})
    EXPECT_FALSE(running.contains(later)) << later;
  for (const char* now : {"model", "comparison", "settings", "command"}) EXPECT_TRUE(running.contains(now)) << now;
  EXPECT_EQ(running.at("model").at("layers").as_array().size(), 3U);
  kill(child, SIGINT);
  ASSERT_EQ(finish(child), 130) << err_;
  EXPECT_EQ(data_of("live.html").at("state").as_string(), "stopped");
  EXPECT_EQ(names(), (std::vector<std::string>{"live.html", "model.telaio"}));

  EXPECT_EQ(
      run("train --data digits:300,50 --report live.html --live --out f.telaio --optimizer sgd --lr 1e8 --schedule "
          "constant --epochs 3"),
      2);
  const json::object failed = data_of("live.html");
  EXPECT_EQ(failed.at("state").as_string(), "failed");
  EXPECT_THAT(std::string(failed.at("message").as_string()), HasSubstr("not finite"));
  EXPECT_THAT(err_, HasSubstr(std::string(failed.at("message").as_string()).substr(0, 30)));

  good(options + " --live --out g.telaio --epochs 2 --quiet");
  EXPECT_EQ(data_of("live.html").at("state").as_string(), "finished");
  EXPECT_TRUE(data_of("live.html").contains("evaluation"));
}

/// What follows the last epoch, held up by a pipe that takes the history: written once then, and once at the end.
class MeasuringCommand : public ReportCommand {
 protected:
  static constexpr const char* base = "train --data digits:300,50 --model linear --epochs 1 --report live.html --live";
  void SetUp() override { ASSERT_EQ(mkfifo(path("curves").c_str(), 0600), 0); }
  bool in_state(std::string_view state) const {
    return shows("live.html", [&](const json::object& report) { return report.at("state").as_string() == state; });
  }
  pid_t start_and_wait() {
    const pid_t child = start(std::string(base) + " --history curves");
    EXPECT_THAT(read("curves"), HasSubstr("\"epochs\""));
    EXPECT_TRUE(in_state("measuring"));
    return child;
  }
};

TEST_F(MeasuringCommand, CtrlCEndsIt) {
  for (const int signal : {SIGINT, SIGTERM}) {
    std::filesystem::remove(path("model.telaio"));
    const pid_t child = start_and_wait();
    kill(child, signal);
    EXPECT_EQ(finish(child), -signal) << err_;
    EXPECT_THAT(err_, IsEmpty());
    EXPECT_EQ(data_of("live.html").at("state").as_string(), "unmeasured");
    EXPECT_FALSE(data_of("live.html").contains("evaluation"));
    good(std::string(base) + " --resume");
    EXPECT_EQ(data_of("live.html").at("state").as_string(), "finished");
    EXPECT_TRUE(data_of("live.html").contains("evaluation"));
  }
}

TEST_F(MeasuringCommand, AFailureReachesThePage) {
  const pid_t child = start_and_wait();
  std::filesystem::remove(path("model.telaio"));
  std::filesystem::create_directory(path("model.telaio"));
  EXPECT_THAT(read("curves"), HasSubstr("\"test\""));
  EXPECT_EQ(finish(child), 2);
  EXPECT_THAT(err_, StartsWith("telaio train: model.telaio: cannot be written: Is a directory"));
  const json::object report = data_of("live.html");
  EXPECT_EQ(report.at("state").as_string(), "failed");
  EXPECT_EQ(report.at("message").as_string(), "model.telaio: cannot be written: Is a directory");
}

TEST_F(ReportCommand, OfOtherModels) {
  // Not trained by the program: no curves, no settings. Colours, and larger than they are shown.
  const nn::Model model(nn::Sequential({nn::GlobalAveragePool2D{}, nn::Dense{2}, nn::Softmax{}}), {130, 70, 3});
  nn::save_model(path("own.telaio"), {.model = model, .class_names = {"cat", "dog"}});
  for (int i = 0; i < 4; ++i) {
    nn::Image image{130, 70, 3, std::vector<uint8_t>(130 * 70 * 3, 10)};
    for (size_t p = 0; p < image.pixels.size(); p += 3) image.pixels[p] = static_cast<uint8_t>(50 * i);
    folder_.put(fmt::format("pets/{}/{}.png", i % 2 ? "dog" : "cat", i), nn::encode_png(image));
  }
  good("report --model own.telaio --data pets");
  const json::object report = data_of("report.html");
  EXPECT_TRUE(report.at("history").is_null());
  EXPECT_TRUE(report.at("settings").is_null());
  EXPECT_TRUE(report.at("diagnosis").as_array().empty());
  EXPECT_EQ(report.at("data").at("part").as_string(), "train") << "there is no test part";
  const json::value& about = report.at("images");
  EXPECT_EQ(about.at("height").as_int64(), 43) << "130 / 3";
  EXPECT_EQ(about.at("width").as_int64(), 23);
  EXPECT_EQ(about.at("count").as_int64(), 4);
  const nn::Image sheet = nn::decode_png(from_base64(about.at("png").as_string()), "sheet");
  EXPECT_EQ(sheet.channels, 3);
  EXPECT_THAT(cut_out(sheet, about, 0), testing::Contains(10));

  // A single yes or no; a model that takes bytes.
  const nn::Model bytes(
      nn::Sequential({nn::Rescaling{1 / 255.0}, nn::GlobalAveragePool2D{}, nn::Dense{1}, nn::Activation{"sigmoid"}}),
      {130, 70, 3}, {.input = u8});
  nn::save_model(path("bytes.telaio"), {.model = bytes, .class_names = {"cat", "dog"}});
  good("report --model bytes.telaio --data pets --out bytes.html");
  const json::object other = data_of("bytes.html");
  EXPECT_EQ(
      other.at("invariance").at("curves"),
      good_json("invariance --model bytes.telaio --data pets --per-class --json").at("models").at(0).at("curves"));
  EXPECT_EQ(other.at("evaluation"), good_json("evaluate --model bytes.telaio --data pets --json"));
}

TEST_F(ReportCommand, HasTheFiltersOfTheCommandForThem) {
  good("train --data digits:600,100 --model cnn --epochs 1 --report report.html --quiet");
  const json::object report = data_of("report.html");
  const json::value filters = good_json("filters --model model.telaio --json");
  const json::array& layers = report.at("filters").at("layers").as_array();
  ASSERT_EQ(layers.size(), 2U);
  for (size_t l = 0; l < 2; ++l) {
    const json::value &layer = layers[l], &known = filters.at("layers").at(l);
    EXPECT_EQ(layer.at("name"), known.at("layer"));
    const std::string name(known.at("layer").as_string());
    const int64_t sees = known.at("sees").at(0).as_int64();
    EXPECT_EQ(layer.at("images").at("height").as_int64(), sees);
    EXPECT_EQ(layer.at("images").at("count").as_int64(), 32);
    EXPECT_EQ(layer.at("total").as_int64(), 32);
    for (size_t f = 0; f < 32; ++f) {
      EXPECT_EQ(layer.at("filters").at(f).at("name").as_string(), fmt::format("{} filter {}", name, f));
      EXPECT_EQ(layer.at("filters").at(f).at("value"), known.at("filters").at(f).at("value"));
      EXPECT_EQ(layer.at("filters").at(f).at("dead"), known.at("filters").at(f).at("dead"));
    }
    const nn::Image sheet = nn::decode_png(from_base64(layer.at("images").at("png").as_string()), "sheet");
    EXPECT_NE(cut_out(sheet, layer.at("images"), 3), cut_out(sheet, layer.at("images"), 4));
  }
  const json::value& classes = report.at("filters").at("classes");
  EXPECT_EQ(classes.at("images").at("height").as_int64(), 28);
  for (size_t c = 0; c < 10; ++c) {
    EXPECT_EQ(classes.at("filters").at(c).at("name"), filters.at("classes").at(c).at("class"));
    EXPECT_EQ(classes.at("filters").at(c).at("value"), filters.at("classes").at(c).at("value"));
  }
}

TEST_F(ReportCommand, RefusesWrongInput) {
  good("train --data digits:100,50 --model linear --epochs 1 --quiet");
  nn::save_model(path("row.telaio"), {.model = nn::Model(nn::Sequential({nn::Dense{10}, nn::Softmax{}}), {784})});
  nn::save_model(path("line.telaio"),
                 {.model = nn::Model(nn::Sequential({nn::Flatten{}, nn::Dense{10}}), {28, 28, 1})});
  folder_.put("table.csv", "0,1,2\n1,2,3\n0,4,5\n1,6,7\n");
  std::filesystem::create_directory(path("pages"));
  std::filesystem::create_directory_symlink("pages", path("linked"));
  std::filesystem::create_symlink("pages/new.html", path("link.html"));  // of which there is none yet
  const std::string images = "a report shows images: expected height, width and 1 or 3 channels";
  const std::pair<std::string, std::string> cases[] = {
      {"report", "the option '--model' is required but missing (see telaio report --help)"},
      {"report --model no.telaio", "no.telaio: cannot be read: No such file or directory"},
      {"report --model model.telaio --out page.htm", "page.htm: expected a name that ends in .html"},
      {"report --model model.telaio --out no/page.html", "no/page.html: cannot be written: No such file or directory"},
      {"report --model model.telaio --part all", "--part is 'all', expected test or train"},
      {"report --model row.telaio", "row.telaio: samples of shape [784], " + images},
      {"train --data table.csv --model linear --report r.html", "table.csv: samples of shape [2], " + images},
      {"train --report r.txt", "r.txt: expected a name that ends in .html"},
      {"train --report no/r.html", "no/r.html: cannot be written: No such file or directory"},
      {"train --live", "--live keeps a page up to date, but there is no --report FILE.html"},
      {"train --report r.html --history r.html", "--report and --history are one file: r.html"},
      {"train --report r.html --out r.html", "--report and --out are one file: r.html"},
      {"train --report ./r.html --history r.html", "--report and --history are one file: ./r.html"},
      {"train --report r.html --history pages/../r.html", "--report and --history are one file: r.html"},
      {"train --report linked/r.html --out pages/r.html", "--report and --out are one file: linked/r.html"},
      {"train --report link.html --history pages/new.html", "--report and --history are one file: link.html"},
  };
  for (const auto& [arguments, expected] : cases)
    EXPECT_EQ(refused(arguments), fmt::format("telaio {}: {}", arguments.substr(0, arguments.find(' ')), expected));
  EXPECT_THAT(refused("report --model line.telaio"), HasSubstr("line.telaio: the model is no classifier"));
}

TEST_F(ReportCommand, ListsTheNodesWhereGraphvizIsNot) {
  good("train --data digits:100,50 --model linear --epochs 1 --quiet");
  const char* there = std::getenv("PATH");
  const std::string before = there ? there : "";
  setenv("PATH", "/nowhere", 1);
  good("report --model model.telaio --data digits:100,50");
  setenv("PATH", before.c_str(), 1);
  EXPECT_THAT(std::string(data_of("report.html").at("graph").at("text").as_string()), HasSubstr(" = matmul("));
  if (std::system("dot -V >/dev/null 2>&1") != 0) return;
  good("report --model model.telaio --data digits:100,50");
  EXPECT_THAT(std::string(data_of("report.html").at("graph").at("svg").as_string()), StartsWith("<svg "));
}

}  // namespace
}  // namespace telaio::cli

#endif

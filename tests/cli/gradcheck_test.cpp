// `telaio gradcheck`, and what all commands share.
#ifdef TELAIO_PROGRAM

#include <telaio/ops/samples/samples.hpp>

#include "program.hpp"

namespace telaio {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(Program, TeachesItsUse) {
  EXPECT_EQ(run("--help"), 0);
  for (const char* command : {"train", "evaluate", "predict", "summary", "graph", "data", "gradcheck"}) {
    EXPECT_THAT(out_, HasSubstr(fmt::format("\n  {} ", command)));
  }
  const std::string overview = out_;
  for (const char* command : {"train", "evaluate", "predict", "summary", "graph", "data", "gradcheck"}) {
    SCOPED_TRACE(command);
    EXPECT_EQ(run(fmt::format("{} --help", command)), 0);
    for (const char* part : {"Usage: telaio ", "Options:", "--json", "Examples:", "Exit code: 0"})
      EXPECT_THAT(out_, HasSubstr(part));
    EXPECT_THAT(err_, IsEmpty());
  }
  EXPECT_EQ(run("gradcheck --help"), 0);
  for (const char* option : {"--op", "--seed", "--json", "Examples:", "Exit code"})
    EXPECT_THAT(out_, HasSubstr(option));
  EXPECT_EQ(run(""), 2);
  EXPECT_THAT(err_, HasSubstr("Usage"));
}

TEST_F(Program, RefusesWhatItDoesNotKnowInOneLine) {
  expect_refused("gradchek", "'gradchek'; is it one of gradcheck?");
  expect_refused("--verbose", "option '--verbose'");
  expect_refused("gradcheck --oops", "--oops");
  expect_refused("gradcheck conv2d", "telaio gradcheck: ");
  expect_refused("gradcheck --seed x", "seed");
  expect_refused("gradcheck --seed -1", "--seed is -1, expected at least 0");
  expect_refused("gradcheck --op", "op");
  expect_refused("gradcheck --op conv2", "there is no op 'conv2'; is it one of conv2d, conv2d_transpose");
  expect_refused("gradcheck --op sigmiod", "sigmoid");
  expect_refused("train --epoch 3", "there is no option '--epoch'; is it one of --epochs");
}

TEST_F(Program, GradcheckPrintsALineAnOp) {
  EXPECT_EQ(run("gradcheck --op tanh --op less --seed 5"), 0);
  EXPECT_THAT(out_, HasSubstr("tanh"));
  EXPECT_THAT(out_, HasSubstr("less"));
  EXPECT_THAT(out_, HasSubstr("2 ops with seed 5: all passed"));
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 4);
  EXPECT_THAT(err_, IsEmpty()) << "the progress bar is for terminals";
}

TEST_F(Program, GradcheckOfEveryOpAsJson) {
  EXPECT_EQ(run("gradcheck --json -"), 0) << err_;
  const boost::json::object root = boost::json::parse(out_).as_object();  // nothing but JSON
  EXPECT_TRUE(root.at("passed").as_bool());
  const boost::json::array& ops = root.at("ops").as_array();
  ASSERT_EQ(ops.size(), samples::op_table().size());
  for (size_t i = 0; i < ops.size(); ++i) {
    const boost::json::object& op = ops[i].as_object();
    EXPECT_EQ(op.at("name").as_string(), samples::op_table()[i].name);
    EXPECT_TRUE(op.at("passed").as_bool());
    EXPECT_GE(op.at("samples").as_int64(), 3);
    EXPECT_LE(op.at("forward_error").as_double(), 1e-12);
    EXPECT_EQ(op.at("gradient_error").is_null(), op.at("second_error").is_null());
    if (!op.at("gradient_error").is_null()) {
      EXPECT_LE(op.at("gradient_error").as_double(), 1e-6);
      EXPECT_LE(op.at("second_error").as_double(), 1e-6);
    }
  }
}

TEST_F(Program, GradcheckWritesAFile) {
  const auto file = folder_ / "results.json";
  EXPECT_EQ(run(fmt::format("gradcheck --op equal --json '{}'", file.string())), 0);
  EXPECT_THAT(out_, HasSubstr("equal"));
  const auto op = boost::json::parse(content(file)).as_object().at("ops").as_array().at(0).as_object();
  EXPECT_EQ(op.at("name").as_string(), "equal");
  EXPECT_TRUE(op.at("gradient_error").is_null());
  EXPECT_EQ(files(), std::set<std::string>{"results.json"});
  EXPECT_EQ(run(fmt::format("gradcheck --op equal --json '{}/no/such/folder.json'", folder_.string())), 2);
  EXPECT_THAT(err_, HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace telaio

#endif

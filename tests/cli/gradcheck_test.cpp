// `telaio gradcheck`.
#ifdef TELAIO_PROGRAM

#include <telaio/ops/samples/samples.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

using GradcheckCommand = Program;

TEST_F(GradcheckCommand, RefusesWhatItDoesNotKnow) {
  const std::pair<const char*, const char*> cases[] = {
      {"--oops", "--oops"},
      {"conv2d", "stands there without an option"},
      {"--seed x", "seed"},
      {"--seed -1", "--seed is -1, expected a whole number of at least 0"},
      {"--op", "op"},
      {"--op conv2", "there is no op 'conv2'; is it one of conv2d, conv2d_transpose"},
      {"--op sigmiod", "sigmoid"},
  };
  for (const auto& [arguments, expected] : cases)
    EXPECT_THAT(refused(fmt::format("gradcheck {}", arguments)), HasSubstr(expected));
}

TEST_F(GradcheckCommand, PrintsALineAnOp) {
  EXPECT_EQ(run("gradcheck --op tanh --op less --seed 5"), 0);
  EXPECT_THAT(out_, HasSubstr("tanh"));
  EXPECT_THAT(out_, HasSubstr("less"));
  EXPECT_THAT(out_, HasSubstr("2 ops with seed 5: all passed"));
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 4);
  EXPECT_THAT(err_, IsEmpty()) << "the progress bar is for terminals";
}

TEST_F(GradcheckCommand, EveryOpAsJson) {
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

TEST_F(GradcheckCommand, WritesAFile) {
  EXPECT_THAT(good("gradcheck --op equal --json results.json"), HasSubstr("equal"));
  const auto op = boost::json::parse(read("results.json")).as_object().at("ops").as_array().at(0).as_object();
  EXPECT_EQ(op.at("name").as_string(), "equal");
  EXPECT_TRUE(op.at("gradient_error").is_null());
  EXPECT_EQ(names(), std::vector<std::string>{"results.json"});
  EXPECT_EQ(run("gradcheck --op equal --json no/such/folder.json"), 2);
  EXPECT_THAT(err_, HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace telaio::cli

#endif

// `telaio compare`: the counts, which are exact; the form of what it prints and draws; what it refuses.
#ifdef TELAIO_PROGRAM

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

namespace json = boost::json;
using CompareCommand = Program;

int64_t whole(const json::value& row, const char* net, const char* what) { return row.at(net).at(what).as_int64(); }

TEST_F(CompareCommand, CountsAreThoseOfTheKnownNets) {
  const json::value root = good_json("compare --sizes 28 --widths 32 --batch 2 --seconds 0.001 --json");
  ASSERT_EQ(root.at("rows").as_array().size(), 1u);
  const json::value& row = root.at("rows").at(0);
  EXPECT_EQ(whole(row, "cnn", "parameters"), 61'482);
  EXPECT_EQ(whole(row, "cnn", "multiply_adds"), 1'361'664);
  EXPECT_EQ(whole(row, "dense", "parameters"), 669'706);
  EXPECT_EQ(whole(row, "dense", "multiply_adds"), 668'672);
  // They are the program's built-in ones.
  for (const char* net : {"cnn", "dense"}) {
    const json::value known = good_json(fmt::format("summary --model {} --json", net));
    EXPECT_EQ(known.at("parameters"), row.at(net).at("parameters"));
    EXPECT_EQ(known.at("multiply_adds"), row.at(net).at("multiply_adds"));
    int64_t as_dense = 0;
    for (const json::value& layer : known.at("layers").as_array())
      if (const auto* one = layer.as_object().if_contains("dense_equivalent")) as_dense += one->as_int64();
    EXPECT_EQ(whole(row, net, "parameters_as_dense"), as_dense);
  }
  // Dense layers are dense.
  EXPECT_EQ(row.at("dense").at("parameters_as_dense"), row.at("dense").at("parameters"));
}

TEST_F(CompareCommand, CountsByHand) {
  const json::value root = good_json("compare --sizes 8,9,10 --widths 4 --batch 1 --seconds 0.001 --json");
  const json::array& rows = root.at("rows").as_array();
  ASSERT_EQ(rows.size(), 3u);
  // 8: conv 8→6, pool 3, conv 1; no second pool. 9: conv 7, pool 3, conv 1. 10: conv 8, pool 4, conv 2, pool 1.
  const int64_t first[] = {36, 49, 64}, second[] = {1, 1, 4};
  for (size_t i = 0; i < 3; ++i) {
    const int64_t size = 8 + static_cast<int64_t>(i);
    EXPECT_EQ(rows[i].at("size").as_int64(), size);
    EXPECT_EQ(whole(rows[i], "cnn", "parameters"), (9 * 4 + 4) + (9 * 4 * 4 + 4) + (4 * 8 + 8) + (8 * 10 + 10));
    EXPECT_EQ(whole(rows[i], "cnn", "multiply_adds"), first[i] * 9 * 4 + second[i] * 9 * 16 + 4 * 8 + 8 * 10);
    EXPECT_EQ(whole(rows[i], "dense", "multiply_adds"), size * size * 64 + 64 * 64 + 64 * 10);
    EXPECT_EQ(whole(rows[i], "dense", "parameters"), size * size * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10);
  }
}

TEST_F(CompareCommand, JsonHasEverything) {
  for (const bool inference : {false, true}) {
    const json::value root = good_json(
        fmt::format("compare --sizes 12,8,12 --widths 3,2 --batch 4 --seconds 0.002 --threads 1 --plot p.svg --json{}",
                    inference ? " --inference" : ""));
    EXPECT_EQ(root.at("mode").as_string(), inference ? "inference" : "training");
    EXPECT_EQ(root.at("batch").as_int64(), 4);
    EXPECT_EQ(root.at("seconds").as_double(), 0.002);
    EXPECT_EQ(root.at("threads").as_int64(), 1);
    EXPECT_EQ(root.at("plot").as_string(), "p.svg");
    // Sorted, each once.
    std::vector<std::pair<int64_t, int64_t>> found;
    for (const json::value& row : root.at("rows").as_array()) {
      found.emplace_back(row.at("width").as_int64(), row.at("size").as_int64());
      for (const char* net : {"cnn", "dense"}) EXPECT_GT(row.at(net).at("images_per_second").as_double(), 0);
    }
    EXPECT_EQ(found, (std::vector<std::pair<int64_t, int64_t>>{{2, 8}, {2, 12}, {3, 8}, {3, 12}}));
  }
}

TEST_F(CompareCommand, PrintsATable) {
  const std::string text = good("compare --sizes 28 --widths 32 --batch 2 --seconds 0.001");
  for (const char* part : {"28x28", "61,482", "1,361,664", "669,706", "668,672", "images/s, training",
                           "the dense net has 10.9 times the parameters of the cnn and 0.49 times its arithmetic"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(good("compare --sizes 8 --widths 1 --batch 1 --seconds 0.001 --inference"),
              HasSubstr("images/s, inference"));
}

TEST_F(CompareCommand, DrawsAPlot) {
  EXPECT_THAT(good("compare --sizes 8,12 --widths 1,2,3,4,5 --batch 1 --seconds 0.001 --plot growth.svg"),
              EndsWith("The plot is in growth.svg.\n"));
  EXPECT_EQ(names(), std::vector<std::string>{"growth.svg"});
  boost::property_tree::ptree tree;
  ASSERT_NO_THROW(boost::property_tree::read_xml(path("growth.svg"), tree));
  const auto& svg = tree.get_child("svg");
  EXPECT_EQ(svg.get<std::string>("<xmlattr>.xmlns"), "http://www.w3.org/2000/svg");
  std::vector<std::string> texts;
  for (const auto& [name, child] : svg)
    if (name == "text") texts.push_back(child.data());
  for (const char* text : {"parameters", "multiply-adds an image", "images/s, training", "cnn, width 1",
                           "dense, width 5", "pixels on a side of the image"})
    EXPECT_THAT(texts, testing::Contains(text));
  // A single size is a picture, too; nothing in it is outside or no number.
  good("compare --sizes 28 --widths 2 --batch 1 --seconds 0.001 --plot one.svg");
  ASSERT_NO_THROW(boost::property_tree::read_xml(path("one.svg"), tree));
  for (const char* wrong : {"nan", "inf", "'-"}) EXPECT_THAT(read("one.svg"), Not(HasSubstr(wrong)));
}

TEST_F(CompareCommand, RefusesWrongInput) {
  const std::pair<const char*, const char*> cases[] = {
      {"--sizes 7", "--sizes is '7', expected whole numbers from 8 to 256 with commas between them"},
      {"--sizes 8,x", "--sizes is '8,x', expected whole numbers from 8 to 256 with commas between them"},
      {"--sizes 8,", "--sizes is '8,', expected whole numbers from 8 to 256 with commas between them"},
      {"--sizes 1000", "--sizes is '1000', expected whole numbers from 8 to 256 with commas between them"},
      {"--widths 0", "--widths is '0', expected whole numbers from 1 to 1024 with commas between them"},
      {"--widths 1.5", "--widths is '1.5', expected whole numbers from 1 to 1024 with commas between them"},
      {"--sizes 28 --widths 1024",
       "on 28x28 images at width 1024 the dense net would have 281,477,130 parameters, expected up to 50,000,000"},
      {"--batch 0", "--batch is 0, expected 1 … 65536"},
      {"--seconds 0", "--seconds is 0, expected more than 0 and up to 3600"},
      {"--seconds nan", "--seconds is nan, expected more than 0 and up to 3600"},
      {"--threads 0", "--threads is 0, expected 1 … 1024 (see telaio compare --help)"},
      {"--plot x.png", "x.png: expected a name that ends in .svg"},
      {"--plot no/x.svg", "no/x.svg: cannot be written: No such file or directory"},
      {"28",
       "something stands there without an option; options are written as --name value (see telaio compare --help)"},
  };
  for (const auto& [options, expected] : cases)
    EXPECT_EQ(refused(fmt::format("compare {}", options)), fmt::format("telaio compare: {}", expected));
}

}  // namespace
}  // namespace telaio::cli

#endif

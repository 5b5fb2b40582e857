// What all commands have in common: help, unknown names, a full disk behind standard output.
#ifdef TELAIO_PROGRAM

#include "program.hpp"

namespace telaio::cli {
namespace {

using Help = Program;

constexpr const char* commands[] = {"train",   "evaluate", "predict", "summary", "compare", "invariance",
                                    "filters", "explain",  "report",  "graph",   "data",    "gradcheck"};

TEST_F(Help, ListsTheCommands) {
  for (const char* way : {"--help", "-h", "help"}) {
    good(way);
    for (const char* command : commands) EXPECT_THAT(out_, HasSubstr(fmt::format("\n  {} ", command)));
  }
  EXPECT_EQ(run(""), 2);
  EXPECT_THAT(err_, HasSubstr("Usage: telaio COMMAND"));
  EXPECT_THAT(out_, IsEmpty());
}

TEST_F(Help, EachCommandTeachesItsUse) {
  for (const char* command : commands) {
    const std::string text = good(fmt::format("{} --help", command));
    SCOPED_TRACE(command);
    EXPECT_THAT(text, HasSubstr(fmt::format("Usage: telaio {}", command)));
    for (const char* part : {"Options:", "--help", "--json", "Examples:", "Exit code: 0"})
      EXPECT_THAT(text, HasSubstr(part));
    EXPECT_EQ(good(fmt::format("{} -h", command)), text);
  }
  for (const char* option : {"--data",
                             "--model",
                             "--output",
                             "--epochs",
                             "--batch-size",
                             "--optimizer",
                             "--lr",
                             "--schedule",
                             "--validation-split",
                             "--early-stopping",
                             "--class-weight",
                             "--augment",
                             "--augment-where",
                             "--standardize",
                             "--dropout",
                             "--thin",
                             "--limit",
                             "--seed",
                             "--out",
                             "--history",
                             "--report",
                             "--live",
                             "--resume",
                             "--json",
                             "--quiet",
                             "--threads"})
    EXPECT_THAT(good("train --help"), HasSubstr(option));
}

TEST_F(Help, RefusesUnknownNames) {
  EXPECT_EQ(refused("trian"), "telaio: there is no command 'trian'; is it train? (see telaio --help)");
  EXPECT_EQ(refused("xyzxyzxyz"), "telaio: there is no command 'xyzxyzxyz' (see telaio --help)");
  EXPECT_EQ(refused("--verbose"), "telaio: there is no option '--verbose' (see telaio --help)");
  for (const char* command : commands) {
    EXPECT_EQ(refused(fmt::format("{} --hlep", command)),
              fmt::format("telaio {0}: there is no option '--hlep'; is it --help? (see telaio {0} --help)", command));
    // No abbreviations.
    EXPECT_THAT(refused(fmt::format("{} --hel", command)), HasSubstr("no option '--hel'"));
  }
  EXPECT_EQ(refused("train now"),
            "telaio train: something stands there without an option; options are written as --name value (see telaio "
            "train --help)");
}

TEST_F(Help, AFullDiskIsNoSuccess) {
  stdout_ = "/dev/full";
  for (const char* arguments : {"--help", "train --help", "summary", "summary --json", "gradcheck --op equal",
                                "train --data digits:50,10 --model linear --epochs 1 --json"}) {
    EXPECT_EQ(run(arguments), 2) << arguments;
    EXPECT_THAT(err_, StartsWith("telaio: standard output cannot be written")) << arguments;
  }
}

}  // namespace
}  // namespace telaio::cli

#endif

// The subcommands. Each takes the arguments behind its name and returns the program's exit code (command.hpp). Wrong
// arguments and bad input are thrown.
#pragma once

#include <string>
#include <vector>

namespace telaio::cli {

int train(const std::vector<std::string>& arguments);
int evaluate(const std::vector<std::string>& arguments);
int predict(const std::vector<std::string>& arguments);
int summary(const std::vector<std::string>& arguments);
int compare(const std::vector<std::string>& arguments);
int invariance(const std::vector<std::string>& arguments);
int explain(const std::vector<std::string>& arguments);
int filters(const std::vector<std::string>& arguments);
int report(const std::vector<std::string>& arguments);
int graph(const std::vector<std::string>& arguments);
int data(const std::vector<std::string>& arguments);
int gradcheck(const std::vector<std::string>& arguments);

}  // namespace telaio::cli

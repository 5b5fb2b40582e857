// `telaio gradcheck`: the op table's checks, for users' eyes or for scripts.
#pragma once

#include <string>
#include <vector>

namespace telaio::cli {

/// Runs the subcommand with the arguments behind its name. Returns the program's exit code: 0, 1 when an op fails a
/// check, 2 for wrong arguments.
int gradcheck(const std::vector<std::string>& arguments);

}  // namespace telaio::cli

// The texts of hilo help; hilo(1) says the same at length.
#pragma once

#include <string_view>

namespace hilo::command {

// The text of a command, or of all if `which` is empty. Throws a failure for an unknown command.
std::string_view help_for(std::string_view which);

}  // namespace hilo::command

#include "cli/cli.hpp"

int main(int argc, char** argv) {
  return crema::cli::run(argc, argv);
}

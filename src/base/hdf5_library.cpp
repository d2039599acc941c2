#include "base/hdf5_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/error.hpp"

namespace crema {

namespace {

Error missing(const char* what) {
  const char* why = ::dlerror();
  return Error(ErrorCode::kData, fmt::format("the HDF5 library {} cannot be used: {}", what,
                                             why == nullptr ? "it is not there" : why))
      .advise("install it (Debian: libhdf5-103-1), or do without HDF5 files");
}

void* load() {
  void* library = ::dlopen(CREMA_HDF5_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw missing(CREMA_HDF5_LIBRARY);
  // The library's exit handler prints a complaint after a damaged file; nothing here needs it, for
  // every handle closes itself. It must be told before anything else.
  if (void* no_handler = ::dlsym(library, "H5dont_atexit"))
    reinterpret_cast<decltype(::H5dont_atexit)*>(no_handler)();
  return library;
}

}  // namespace

void* hdf5_symbol(const char* name) {
  static void* const library = load();
  // A program that is linked with the library too (tests) has the library's data in its own memory.
  void* found = ::dlsym(RTLD_DEFAULT, name);
  if (found == nullptr) found = ::dlsym(library, name);
  if (found == nullptr) throw missing(CREMA_HDF5_LIBRARY);
  return found;
}

}  // namespace crema

#include <telaio/autograd/runtime/threads.hpp>

#ifdef TELAIO_THREADS_LIBRARY
#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <string_view>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>
#endif

namespace telaio {

#ifdef TELAIO_THREADS_LIBRARY
// oneTBB comes with a library that is loaded when there is work for a second thread.
Threads& threads() {
  static Threads& loaded = []() -> Threads& {
    void* const library = dlopen(TELAIO_THREADS_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    void* const function = library ? dlsym(library, "telaio_threads") : nullptr;
    if (!function) {
      const char* const why = dlerror();
      throw Error(fmt::format("threads cannot be started: {}", why ? why : TELAIO_THREADS_LIBRARY));
    }
    return *reinterpret_cast<Threads* (*)()>(function)();
  }();
  return loaded;
}
// To ask dlopen for what is not there makes it look for the file.
bool tbb_is_loaded() {
  struct Search {
    unsigned long long without;  // as many libraries had ever been loaded when none was oneTBB
    unsigned long long all = 0;
    bool found = false;
  };
  static std::atomic<bool> found = false;
  static std::atomic<unsigned long long> without = 0;
  if (found) return true;
  Search search{without};
  const auto look = [](dl_phdr_info* library, size_t, void* to) -> int {
    Search& s = *static_cast<Search*>(to);
    s.all = library->dlpi_adds;
    if (s.all == s.without) return 1;
    const std::string_view path = library->dlpi_name;
    s.found = path.substr(path.rfind('/') + 1).starts_with("libtbb.so");
    return s.found;
  };
  dl_iterate_phdr(look, &search);
  if (search.found) found = true;
  else without = search.all;
  return search.found;
}
#else
Threads& threads() { return *telaio_threads(); }
bool tbb_is_loaded() { return true; }
#endif

}  // namespace telaio

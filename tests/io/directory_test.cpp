// hilo::directory and list_directory.
#include "hilo/directory.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/file.hpp"
#include "hilo/limit.hpp"
#include "hilo/net/unix.hpp"

#include "tests/doctest.hpp"
#include "tests/io/directory.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::file_kind;
using hilo::list_directory;
using hilo::status;
using hilo::test::everywhere;
using hilo::test::on_each_driver;

void make_entry(const std::string& path) {
  REQUIRE(hilo::file::open(path,
                           {.access = hilo::file_access::write, .start = hilo::file_start::fresh}));
}

}  // namespace

TEST_CASE("directory: lists each entry once, with its kind and number") {
  everywhere([] {
    const hilo::test::directory made;
    const std::string folder = made.path() + "/";
    make_entry(folder + "file");
    REQUIRE(::mkdir((folder + "below").c_str(), 0700) == 0);
    REQUIRE(::symlink("file", (folder + "link").c_str()) == 0);
    REQUIRE(::mkfifo((folder + "pipe").c_str(), 0600) == 0);
    const hilo::net::unix_listener listener(
        hilo::net::unix_address::path(folder + "socket").value());

    const auto all = list_directory(folder).value();
    REQUIRE(all.size() == 5);
    const std::pair<const char*, file_kind> wanted[] = {{"below", file_kind::directory},
                                                        {"file", file_kind::regular},
                                                        {"link", file_kind::link},
                                                        {"pipe", file_kind::pipe},
                                                        {"socket", file_kind::socket}};
    for (std::size_t i = 0; i < all.size(); ++i) {
      CHECK(all[i].name == wanted[i].first);
      CHECK((all[i].kind == wanted[i].second || all[i].kind == file_kind::unknown));
    }
    struct stat about {};
    REQUIRE(::stat((folder + "file").c_str(), &about) == 0);
    CHECK(all[1].inode == about.st_ino);
  });
}

TEST_CASE("directory: reads more entries than fit into one call, and begins again") {
  everywhere([] {
    const hilo::test::directory made;
    const std::string folder = made.path() + "/";
    std::set<std::string> names;
    for (int i = 0; i < 600; ++i) {
      names.insert("a name that is long enough to need several reads " + std::to_string(i));
    }
    for (const std::string& name : names) make_entry(folder + name);
    hilo::directory opened = hilo::directory::open(folder).value();
    for (int round = 0; round < 2; ++round) {
      std::set<std::string> found;
      hilo::result<hilo::directory_entry> one = opened.next();
      for (; one; one = opened.next()) CHECK(found.insert(one->name).second);
      CHECK(one.status() == status::closed);
      CHECK(opened.next().status() == status::closed);
      CHECK(found == names);
      CHECK(opened.rewind());
    }
    // A directory that was moved goes on where it was.
    CHECK(opened.next());
    hilo::directory moved = std::move(opened);
    std::size_t rest = 0;
    while (moved.next()) ++rest;
    CHECK(rest == names.size() - 1);
    opened = std::move(moved);
    CHECK(opened.rewind());
    CHECK(opened.next());
  });
}

TEST_CASE("directory: what cannot be read says why") {
  everywhere([] {
    const hilo::test::directory made;
    const std::string folder = made.path() + "/";
    make_entry(folder + "file");
    CHECK(list_directory(folder + "nothing").error().value() == ENOENT);
    CHECK(list_directory(folder + "file").error().value() == ENOTDIR);
    CHECK(hilo::directory::open(std::string("a\0b", 3)).error().value() == EINVAL);
    CHECK(list_directory(folder + "file/below").status() == status::failed);
    CHECK(hilo::directory().next().error().value() == EBADF);
    CHECK(hilo::directory().rewind().error().value() == EBADF);
    REQUIRE(::mkdir((folder + "below").c_str(), 0700) == 0);
    CHECK(list_directory(folder + "below").value().empty());
    hilo::directory gone = hilo::directory::open(folder + "below").value();
    REQUIRE(::rmdir((folder + "below").c_str()) == 0);
    CHECK_FALSE(gone.next());
  });
}

TEST_CASE("directory: a limit that has been reached ends the next read") {
  on_each_driver([] {
    hilo::directory opened = hilo::directory::open("/").value();
    CHECK(opened.next(0ns).status() == status::timed_out);
    std::stop_source stop;
    stop.request_stop();
    CHECK(hilo::with_stop(stop.get_token(), [&] { return opened.next(); }).status() ==
          status::cancelled);
    CHECK(opened.next());
  });
}

#include "hilo/net/line_reader.hpp"

#include <cerrno>
#include <cstring>

#include "runtime/io/net/option.hpp"

namespace hilo::net {

line_reader::line_reader(stream& from, std::size_t longest) : from_(from), buffer_(longest, '\0') {}

result<std::string_view> line_reader::next(io::until when) noexcept {
  std::size_t looked = begin_;
  while (true) {
    const char* const found =
        static_cast<const char*>(std::memchr(buffer_.data() + looked, '\n', end_ - looked));
    if (found != nullptr) {
      const char* const first = buffer_.data() + begin_;
      std::string_view line(first, static_cast<std::size_t>(found - first));
      begin_ += line.size() + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      return line;
    }
    if (end_ - begin_ == buffer_.size()) return failed<std::string_view>(EMSGSIZE);
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    looked = end_;
    const result<std::size_t> got = from_.read(buffer_.data() + end_, buffer_.size() - end_, when);
    if (!got) return because<std::string_view>(got);
    if (*got == 0) return {status::closed, 0};
    end_ += *got;
  }
}

}  // namespace hilo::net

// A core file. Its segments hold the memory that the process had changed. The rest, such as text
// and constants, is in the files that were mapped, and is read from there.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/hilo/failure.hpp"
#include "tools/hilo/registers.hpp"
#include "tools/hilo/target.hpp"

namespace hilo::command {
namespace {

// A file in memory; empty if it cannot be read.
class mapped_file {
 public:
  mapped_file() = default;
  explicit mapped_file(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    struct stat about {};
    if (::fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0) {
      const auto size = static_cast<std::size_t>(about.st_size);
      void* const at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
      if (at != MAP_FAILED) bytes_ = {static_cast<const std::byte*>(at), size};
    }
    const int error = errno;
    ::close(file);
    errno = error;
  }
  ~mapped_file() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  mapped_file(mapped_file&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  mapped_file& operator=(mapped_file&&) = delete;

  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

class core_memory final : public memory {
 public:
  explicit core_memory(std::span<const std::byte> core) : core_(core) {}

  void add_segment(const GElf_Phdr& one) {
    segments_.push_back(
        {one.p_vaddr, one.p_filesz, one.p_memsz, one.p_offset, (one.p_flags & PF_W) != 0});
    sorted_ = false;
  }
  void add_file(address begin, address end, std::uint64_t offset, const std::string& path) {
    mappings_[begin] = {end, offset, path};
  }

  using memory::read;
  void read(std::span<piece> pieces) override {
    if (!sorted_) {
      std::sort(segments_.begin(), segments_.end(),
                [](const segment& a, const segment& b) { return a.begin < b.begin; });
      sorted_ = true;
    }
    for (piece& one : pieces)
      one.there = read_one(one.from, static_cast<char*>(one.into), one.bytes);
  }

 private:
  struct segment {
    address begin;
    std::uint64_t in_core, in_memory, offset;
    bool writable;
  };
  struct mapping {
    address end = 0;
    std::uint64_t offset = 0;
    std::string path;
  };

  bool read_one(address from, char* into, std::size_t bytes) {
    while (bytes != 0) {
      auto next = std::upper_bound(segments_.begin(), segments_.end(), from,
                                   [](address at, const segment& one) { return at < one.begin; });
      std::size_t got = 0;
      if (next != segments_.begin()) {
        const segment& one = *--next;
        got = read_segment(one, from, into, bytes);
        // What the process wrote there is not in the file.
        if (got == 0 && one.writable && from - one.begin < one.in_memory) return false;
      }
      if (got == 0) got = read_file(from, into, bytes);
      if (got == 0) return false;
      from += got;
      into += got;
      bytes -= got;
    }
    return true;
  }

  std::size_t read_segment(const segment& one, address from, char* into, std::size_t bytes) const {
    const std::uint64_t at = from - one.begin;
    if (at >= one.in_core) return 0;
    const std::size_t got = std::min<std::uint64_t>(bytes, one.in_core - at);
    std::memcpy(into, core_.data() + one.offset + at, got);
    return got;
  }

  std::size_t read_file(address from, char* into, std::size_t bytes) {
    auto next = mappings_.upper_bound(from);
    if (next == mappings_.begin()) return 0;
    const auto& [begin, one] = *--next;
    if (from >= one.end) return 0;
    auto [found, is_new] = files_.try_emplace(one.path, one.path);
    const auto file = found->second.bytes();
    const std::uint64_t at = from - begin + one.offset;
    if (at >= file.size()) return 0;
    const std::size_t got = std::min({bytes, static_cast<std::size_t>(one.end - from),
                                      static_cast<std::size_t>(file.size() - at)});
    std::memcpy(into, file.data() + at, got);
    return got;
  }

  const std::span<const std::byte> core_;
  std::vector<segment> segments_;
  std::map<address, mapping> mappings_;
  std::unordered_map<std::string, mapped_file> files_;
  bool sorted_ = true;
};

const Dwfl_Callbacks core_callbacks = {.find_elf = dwfl_build_id_find_elf,
                                       .find_debuginfo = dwfl_standard_find_debuginfo,
                                       .section_address = nullptr,
                                       .debuginfo_path = nullptr};

class core final : public target {
 public:
  explicit core(const std::string& path) : file_(path), memory_(file_.bytes()) {
    name_ = "core " + path;
    if (file_.bytes().empty()) {
      throw failure(exit_code::unreadable, "cannot read " + path + ": " +
                                               (errno != 0 ? std::strerror(errno) : "it is empty"));
    }
    elf_version(EV_CURRENT);
    elf_.reset(elf_memory(reinterpret_cast<char*>(const_cast<std::byte*>(file_.bytes().data())),
                          file_.bytes().size()));
    check_header(path);
    read_segments(path);
    modules_.reset(dwfl_begin(&core_callbacks));
    const int found = modules_ == nullptr
                          ? -1
                          : dwfl_core_file_report(modules(), elf_.get(),
                                                  program_.empty() ? nullptr : program_.c_str());
    if (found < 0 || dwfl_report_end(modules(), nullptr, nullptr) != 0) {
      throw failure(exit_code::unreadable,
                    "cannot list the modules of " + name_ + ": " + dwfl_errmsg(-1));
    }
  }

  ~core() override { modules_.reset(); }  // before the file that they may use

  memory& bytes() noexcept override { return memory_; }
  std::vector<kernel_thread> threads() override { return threads_; }
  std::optional<registers> registers_of(int thread) override {
    const auto found = registers_.find(thread);
    return found == registers_.end() ? std::nullopt : std::optional(found->second);
  }
  bool still() override { return true; }
  bool gone() override { return false; }
  std::optional<std::int64_t> now() override { return std::nullopt; }
  void pause() override {}
  void resume() noexcept override {}

 private:
  struct ending {
    void operator()(Elf* one) const noexcept { elf_end(one); }
  };

  void check_header(const std::string& path) {
    GElf_Ehdr header;
    if (elf_ == nullptr || gelf_getehdr(elf_.get(), &header) == nullptr ||
        header.e_type != ET_CORE) {
      throw failure(exit_code::unreadable, path + " is not a core file");
    }
    if (header.e_machine != elf_machine() || header.e_ident[EI_CLASS] != ELFCLASS64) {
      throw failure(exit_code::unreadable,
                    path + " is from another CPU; use the hilo command of that machine");
    }
  }

  void read_segments(const std::string& path) {
    const auto refuse = [&](const std::string& what) {
      throw failure(exit_code::unreadable, path + " is truncated: " + what +
                                               "; see ulimit -c, and whether the disk was full");
    };
    std::size_t count = 0;
    if (elf_getphdrnum(elf_.get(), &count) != 0 || count == 0) refuse("it has no segments");
    std::uint64_t wanted = 0;
    std::vector<GElf_Phdr> notes;
    for (std::size_t i = 0; i < count; ++i) {
      GElf_Phdr one;
      if (gelf_getphdr(elf_.get(), static_cast<int>(i), &one) == nullptr) {
        refuse("the table of its segments is not whole");
      }
      wanted = std::max(wanted, one.p_offset + one.p_filesz);
      if (one.p_type == PT_LOAD) memory_.add_segment(one);
      if (one.p_type == PT_NOTE) notes.push_back(one);
    }
    if (wanted > file_.bytes().size()) {
      refuse("it has " + std::to_string(file_.bytes().size()) + " of " + std::to_string(wanted) +
             " bytes");
    }
    for (const GElf_Phdr& one : notes) read_notes(one);
  }

  void read_notes(const GElf_Phdr& segment) {
    Elf_Data* const data = elf_getdata_rawchunk(
        elf_.get(), static_cast<std::int64_t>(segment.p_offset), segment.p_filesz, ELF_T_NHDR);
    if (data == nullptr) return;
    GElf_Nhdr header;
    std::size_t name_at = 0;
    std::size_t at = 0;
    std::size_t next = 0;
    while ((next = gelf_getnote(data, next, &header, &name_at, &at)) > 0) {
      const std::span<const std::byte> content(static_cast<const std::byte*>(data->d_buf) + at,
                                               header.n_descsz);
      if (header.n_type == NT_PRSTATUS) read_thread(content);
      if (header.n_type == NT_FILE) read_mappings(content);
      if (header.n_type == NT_PRPSINFO) read_process(content);
    }
  }

  void read_thread(std::span<const std::byte> content) {
    elf_prstatus status{};
    if (content.size() < sizeof status) return;
    std::memcpy(&status, content.data(), sizeof status);
    threads_.push_back({.number = status.pr_pid, .name = {}, .state = '?'});
    const auto general =
        registers_of_thread(content.subspan(offsetof(elf_prstatus, pr_reg), sizeof status.pr_reg));
    if (general) registers_.emplace(status.pr_pid, *general);
  }

  void read_process(std::span<const std::byte> content) {
    elf_prpsinfo process{};
    if (content.size() < sizeof process) return;
    std::memcpy(&process, content.data(), sizeof process);
    process_name_.assign(process.pr_fname, ::strnlen(process.pr_fname, sizeof process.pr_fname));
  }

  // The layout of NT_FILE is in the kernel's fs/binfmt_elf.c: count, page size, then begin, end and
  // page offset of each mapping, then the paths.
  void read_mappings(std::span<const std::byte> content) {
    const auto word = [&](std::size_t index) {
      std::uint64_t value = 0;
      if ((index + 1) * sizeof value <= content.size()) {
        std::memcpy(&value, content.data() + index * sizeof value, sizeof value);
      }
      return value;
    };
    const std::uint64_t count = word(0);
    const std::uint64_t page = word(1);
    if (count > content.size() / 24) return;
    const char* path = reinterpret_cast<const char*>(content.data()) + (2 + 3 * count) * 8;
    const char* const end = reinterpret_cast<const char*>(content.data()) + content.size();
    for (std::uint64_t i = 0; i < count && path < end; ++i) {
      const std::string name(path, ::strnlen(path, static_cast<std::size_t>(end - path)));
      memory_.add_file(word(2 + 3 * i), word(3 + 3 * i), word(4 + 3 * i) * page, name);
      // The kernel cuts the name of a process after 15 characters.
      const std::string file = name.substr(name.rfind('/') + 1);
      if (program_.empty() && file.starts_with(process_name_)) program_ = name;
      path += name.size() + 1;
    }
  }

  mapped_file file_;
  core_memory memory_;
  std::unique_ptr<Elf, ending> elf_;
  std::string process_name_;
  std::vector<kernel_thread> threads_;
  std::unordered_map<int, registers> registers_;
};

}  // namespace

std::unique_ptr<target> open_core(const std::string& path) {
  return std::make_unique<core>(path);
}

}  // namespace hilo::command

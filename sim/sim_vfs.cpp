#include "sim/sim_vfs.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace callward::sim {
namespace {

constexpr std::size_t kSectorBytes = 512;

// A volatile write, or with `resize` a change of the file's size.
struct Pending {
  std::uint64_t offset = 0;
  Bytes content;
  bool resize = false;
};

void apply(Bytes& to, std::uint64_t offset, ByteView content) {
  if (to.size() < offset + content.size()) to.resize(offset + content.size());
  std::copy(content.begin(), content.end(), to.begin() + static_cast<std::ptrdiff_t>(offset));
}

struct Inode {
  Bytes seen;     // what reads show
  Bytes durable;  // what is safe
  std::vector<Pending> pending;
  bool folder = false;
};

// A name given (inode) or taken away (null).
struct NameChange {
  std::string path;
  std::shared_ptr<Inode> inode;
};

}  // namespace

struct SimVfs::Disk {
  explicit Disk(std::uint64_t seed) : entropy(seed) {}

  SeededEntropy entropy;
  std::map<std::string, std::shared_ptr<Inode>> names, durable_names;
  std::map<std::string, std::vector<NameChange>> name_changes;  // volatile, by folder
  std::vector<Write> ever;
  std::uint64_t call = 0, fault_at = 0, boot = 0;
  Fault fault = Fault::kNone;
  bool is_down = false;

  std::uint64_t random(std::uint64_t below) {
    return below == 0 ? 0 : load_le<std::uint64_t>(entropy.array<8>().data()) % below;
  }

  // Whether the call that begins now meets its fault; an error when the machine is off.
  Result<bool> begin() {
    if (is_down) return fail(Errc::kIo, "the machine is off");
    const bool hit = fault != Fault::kNone && call++ == fault_at;
    if (hit && (fault == Fault::kKill || fault == Fault::kPowerLoss)) is_down = true;
    return hit;
  }
  // The error of a call that met its fault.
  [[nodiscard]] Status refusal() const {
    if (fault == Fault::kNoSpace) return fail(Errc::kFull, "simulated: no space left");
    return fail(Errc::kIo,
                is_down ? "simulated: the machine went off" : "simulated: input or output error");
  }
  void set_name(const std::string& path, std::shared_ptr<Inode> inode) {
    name_changes[parent_of(path)].push_back({path, inode});
    if (inode)
      names[path] = std::move(inode);
    else
      names.erase(path);
  }
  static void keep_name(std::map<std::string, std::shared_ptr<Inode>>& kept,
                        const NameChange& change) {
    if (change.inode)
      kept[change.path] = change.inode;
    else
      kept.erase(change.path);
  }
  void keep(Inode& inode, const Pending& one, bool some) {
    if (one.resize) {
      if (!some || random(2) == 0) inode.durable.resize(one.offset);
      return;
    }
    for (std::size_t at = 0; at < one.content.size();) {
      const auto sector_end =
          (one.offset + at) / kSectorBytes * kSectorBytes + kSectorBytes - one.offset;
      const auto end = std::min<std::size_t>(one.content.size(), sector_end);
      if (!some || random(2) == 0)
        apply(inode.durable, one.offset + at, ByteView(one.content).subspan(at, end - at));
      at = end;
    }
  }
  void lose_power(Survival survival) {
    for (auto& [dir, changes] : name_changes) {
      auto count = survival == Survival::kNothing ? 0 : changes.size();
      if (survival == Survival::kSome) count = random(changes.size() + 1);
      for (std::size_t i = 0; i < count; ++i) keep_name(durable_names, changes[i]);
    }
    // A name whose folder did not survive is lost with it.
    for (auto name = durable_names.begin(); name != durable_names.end();) {
      const auto above = parent_of(name->first);
      if (above == "/" || durable_names.contains(above))
        ++name;
      else
        name = durable_names.erase(name);
    }
    names = durable_names;
    std::set<Inode*> done;
    for (auto& [path, inode] : names) {
      if (!done.insert(inode.get()).second) continue;
      if (survival != Survival::kNothing)
        for (const auto& one : inode->pending) keep(*inode, one, survival == Survival::kSome);
      inode->seen = inode->durable;
      inode->pending.clear();
    }
    name_changes.clear();
  }
};

class SimVfs::File final : public VfsFile {
 public:
  File(std::shared_ptr<Disk> disk, std::shared_ptr<Inode> inode, std::string path)
      : disk_(std::move(disk)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        boot_(disk_->boot) {}

  Result<std::size_t> read_at(std::uint64_t offset, MutByteView out) override {
    if (TRY(begin())) TRY(disk_->refusal());
    if (offset >= inode_->seen.size()) return std::size_t{0};
    const auto count = std::min<std::size_t>(out.size(), inode_->seen.size() - offset);
    std::copy_n(inode_->seen.begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
    return count;
  }
  Status write_at(std::uint64_t offset, ByteView in) override {
    const bool hit = TRY(begin());
    disk_->ever.push_back({path_, offset, to_bytes(in)});
    const auto part = hit ? in.first(disk_->random(in.size() + 1)) : in;
    apply(inode_->seen, offset, part);
    inode_->pending.push_back({offset, to_bytes(part), false});
    return hit ? disk_->refusal() : Status();
  }
  Status sync_data() override {
    const bool hit = TRY(begin());
    if (hit && disk_->is_down) return disk_->refusal();
    for (const auto& one : inode_->pending) disk_->keep(*inode_, one, hit);
    inode_->pending.clear();
    return hit ? disk_->refusal() : Status();
  }
  Status preallocate(std::uint64_t size) override {
    return resize(std::max<std::uint64_t>(size, inode_->seen.size()));
  }
  Status truncate(std::uint64_t size) override { return resize(size); }
  Result<std::uint64_t> size() override {
    if (TRY(begin())) TRY(disk_->refusal());
    return inode_->seen.size();
  }

 private:
  Result<bool> begin() {
    if (boot_ != disk_->boot) return fail(Errc::kIo, "a handle of a process that is gone");
    return disk_->begin();
  }
  Status resize(std::uint64_t size) {
    if (TRY(begin())) return disk_->refusal();
    inode_->seen.resize(size);
    inode_->pending.push_back({size, {}, true});
    return {};
  }

  std::shared_ptr<Disk> disk_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
  std::uint64_t boot_;
};

SimVfs::SimVfs(std::uint64_t seed) : disk_(std::make_shared<Disk>(seed)) {}

SimVfs SimVfs::fork(std::uint64_t seed) const {
  SimVfs twin(seed);
  std::map<const Inode*, std::shared_ptr<Inode>> copies;
  const auto copy = [&](const std::shared_ptr<Inode>& inode) {
    if (!inode) return inode;
    auto& made = copies[inode.get()];
    if (!made) made = std::make_shared<Inode>(*inode);
    return made;
  };
  for (const auto& [path, inode] : disk_->names) twin.disk_->names[path] = copy(inode);
  for (const auto& [path, inode] : disk_->durable_names)
    twin.disk_->durable_names[path] = copy(inode);
  for (const auto& [dir, changes] : disk_->name_changes)
    for (const auto& change : changes)
      twin.disk_->name_changes[dir].push_back({change.path, copy(change.inode)});
  twin.disk_->ever = disk_->ever;
  return twin;
}

void SimVfs::plan(std::uint64_t call, Fault fault) {
  disk_->call = 0;
  disk_->fault_at = call;
  disk_->fault = fault == Fault::kNone ? Fault::kIoError : fault;
  if (fault == Fault::kNone) disk_->fault_at = ~0ull;  // counts, and never hits
}
std::uint64_t SimVfs::calls() const { return disk_->call; }
bool SimVfs::down() const { return disk_->is_down; }

void SimVfs::restart(Survival survival) {
  if (disk_->fault == Fault::kPowerLoss) disk_->lose_power(survival);
  disk_->fault = Fault::kNone;
  disk_->is_down = false;
  ++disk_->boot;
}

const std::vector<SimVfs::Write>& SimVfs::ever_written() const { return disk_->ever; }

void SimVfs::flip(const std::string& path, std::uint64_t offset, std::uint8_t mask) {
  auto& inode = *disk_->names.at(path);
  CHECK(offset < inode.seen.size() && inode.pending.empty());
  inode.seen[offset] ^= mask;
  inode.durable = inode.seen;
}

std::map<std::string, Bytes> SimVfs::image(const std::string& dir) const {
  std::map<std::string, Bytes> files;
  for (const auto& [path, inode] : disk_->names)
    if (!inode->folder && path.starts_with(dir + "/")) files[path] = inode->seen;
  return files;
}

void SimVfs::put_back(const std::map<std::string, Bytes>& files) {
  for (const auto& [path, content] : files) {
    auto inode = std::make_shared<Inode>();
    inode->seen = inode->durable = content;
    disk_->names[path] = disk_->durable_names[path] = inode;
    for (auto dir = parent_of(path); dir != "/" && !disk_->durable_names.contains(dir);
         dir = parent_of(dir)) {
      auto folder = std::make_shared<Inode>();
      folder->folder = true;
      disk_->names[dir] = disk_->durable_names[dir] = folder;
    }
  }
}

Result<std::unique_ptr<VfsFile>> SimVfs::open(const std::string& path, OpenMode mode) {
  if (TRY(disk_->begin())) TRY(disk_->refusal());
  const auto found = disk_->names.find(path);
  const bool there = found != disk_->names.end();
  if (there && found->second->folder) return fail(Errc::kIo, path + ": is a folder");
  if (there && mode == OpenMode::kCreateNew)
    return fail(Errc::kExists, path + ": is there already");
  if (there) return std::unique_ptr<VfsFile>(std::make_unique<File>(disk_, found->second, path));
  if (mode == OpenMode::kRead || mode == OpenMode::kReadWrite)
    return fail(Errc::kNotFound, path + ": no such file");
  const auto above = parent_of(path);
  if (above != "/" && !disk_->names.contains(above))
    return fail(Errc::kNotFound, above + ": no such folder");
  auto inode = std::make_shared<Inode>();
  disk_->set_name(path, inode);
  return std::unique_ptr<VfsFile>(std::make_unique<File>(disk_, inode, path));
}

Status SimVfs::rename(const std::string& from, const std::string& to) {
  if (TRY(disk_->begin())) return disk_->refusal();
  const auto found = disk_->names.find(from);
  if (found == disk_->names.end()) return fail(Errc::kNotFound, from + ": no such file");
  // Within one folder both changes are one; we only ever rename within a folder.
  CHECK(parent_of(from) == parent_of(to));
  auto inode = found->second;
  disk_->set_name(to, inode);
  disk_->set_name(from, nullptr);
  return {};
}

Status SimVfs::remove(const std::string& path) {
  if (TRY(disk_->begin())) return disk_->refusal();
  if (!disk_->names.contains(path)) return fail(Errc::kNotFound, path + ": no such file");
  disk_->set_name(path, nullptr);
  return {};
}

Status SimVfs::make_dirs(const std::string& path) {
  if (TRY(disk_->begin())) return disk_->refusal();
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    const auto part = path.substr(0, at);
    if (disk_->names.contains(part)) continue;
    auto folder = std::make_shared<Inode>();
    folder->folder = true;
    disk_->set_name(part, std::move(folder));
  }
  return {};
}

Status SimVfs::sync_dir(const std::string& path) {
  if (TRY(disk_->begin())) return disk_->refusal();
  if (path != "/" && !disk_->names.contains(path))
    return fail(Errc::kNotFound, path + ": no such folder");
  for (const auto& change : disk_->name_changes[path])
    Disk::keep_name(disk_->durable_names, change);
  disk_->name_changes.erase(path);
  return {};
}

Result<std::vector<std::string>> SimVfs::list(const std::string& path) {
  if (TRY(disk_->begin())) TRY(disk_->refusal());
  if (path != "/" && !disk_->names.contains(path))
    return fail(Errc::kNotFound, path + ": no such folder");
  std::vector<std::string> names;
  for (const auto& [name, inode] : disk_->names)
    if (parent_of(name) == path) names.push_back(name.substr(path.size() + 1));
  std::sort(names.begin(), names.end());
  return names;
}

bool SimVfs::exists(const std::string& path) {
  const auto hit = disk_->begin();
  return hit && !*hit && disk_->names.contains(path);
}

Status SimVfs::set_read_only(const std::string& path) {
  if (TRY(disk_->begin())) return disk_->refusal();
  return disk_->names.contains(path) ? Status()
                                     : Status(fail(Errc::kNotFound, path + ": no such file"));
}

}  // namespace callward::sim

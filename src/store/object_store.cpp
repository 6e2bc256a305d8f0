#include "store/object_store.hpp"

#include <map>
#include <tuple>

#include "base/clock.hpp"

namespace callward::store {
namespace {

constexpr std::string_view kDraftSuffix = ".draft";

class FileDraft final : public ObjectStore::Draft {
 public:
  FileDraft(Vfs& vfs, std::string path, std::unique_ptr<VfsFile> file)
      : vfs_(vfs), path_(std::move(path)), file_(std::move(file)) {}
  ~FileDraft() override {
    if (file_ == nullptr) return;
    file_.reset();
    (void)vfs_.remove(path_ + std::string(kDraftSuffix));
  }
  VfsFile& file() override { return *file_; }
  Status publish(bool replace) override {
    const auto draft = path_ + std::string(kDraftSuffix);
    if (!replace && vfs_.exists(path_))
      return fail(Errc::kExists, "there is an object of that name");
    TRY(file_->sync_data());
    TRY(vfs_.set_read_only(draft));
    TRY(vfs_.rename(draft, path_));
    file_.reset();
    return vfs_.sync_dir(parent_of(path_));
  }

 private:
  Vfs& vfs_;
  std::string path_;
  std::unique_ptr<VfsFile> file_;
};

}  // namespace

std::string object_name(const CallId& call, std::int64_t started_at, ObjectKind kind) {
  const auto day = format_utc(started_at);
  return day.substr(0, 4) + "/" + day.substr(5, 2) + "/" + day.substr(8, 2) + "/" + call.hex() +
         (kind == ObjectKind::kRecording ? ".cwo" : ".cwd");
}

Status FileObjectStore::check_name(const std::string& name) const {
  if (name.empty() || name.front() == '/' || name.find("..") != std::string::npos ||
      name.find('\0') != std::string::npos)
    return fail(Errc::kMalformed, "not the name of an object");
  return {};
}

// A day's first object is only as safe as the names of the folders above it.
Status FileObjectStore::make_folder(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  if (durable_folder_ == folder && vfs_.exists(folder)) return {};
  TRY(vfs_.make_dirs(folder));
  for (auto at = folder; at.size() > root_.size(); at = parent_of(at))
    TRY(vfs_.sync_dir(parent_of(at)));
  durable_folder_ = folder;
  return {};
}

Result<std::unique_ptr<ObjectStore::Draft>> FileObjectStore::create(const std::string& name) {
  TRY(check_name(name));
  const auto path = root_ + "/" + name;
  TRY(make_folder(parent_of(path)));
  const auto draft = path + std::string(kDraftSuffix);
  if (vfs_.exists(draft)) TRY(vfs_.remove(draft));  // of a process that died while it wrote
  auto file = TRY(vfs_.open(draft, OpenMode::kCreateNew));
  return std::unique_ptr<Draft>(std::make_unique<FileDraft>(vfs_, path, std::move(file)));
}

Result<std::shared_ptr<VfsFile>> FileObjectStore::open(const std::string& name) {
  TRY(check_name(name));
  return std::shared_ptr<VfsFile>(TRY(vfs_.open(root_ + "/" + name, OpenMode::kRead)));
}

bool FileObjectStore::exists(const std::string& name) {
  return check_name(name) && vfs_.exists(root_ + "/" + name);
}

Status FileObjectStore::make_durable(const std::string& name) {
  TRY(check_name(name));
  const auto folder = parent_of(root_ + "/" + name);
  TRY(make_folder(folder));
  return vfs_.sync_dir(folder);
}

Status FileObjectStore::remove(const std::string& name) {
  TRY(check_name(name));
  if (!vfs_.exists(root_ + "/" + name)) return fail(Errc::kNotFound, "no such object");
  TRY(vfs_.remove(root_ + "/" + name));
  return vfs_.sync_dir(parent_of(root_ + "/" + name));
}

Result<std::vector<std::string>> FileObjectStore::list(const std::string& folder) {
  if (!folder.empty()) TRY(check_name(folder));
  return vfs_.list(folder.empty() ? root_ : root_ + "/" + folder);
}

Result<ObjectSummary> write_object(ObjectStore& store, ObjectKind kind, const ObjectHead& head,
                                   const RecordSource& for_each_record, bool replace) {
  const auto name = object_name(head.call, head.started_at, kind);
  auto draft = TRY(store.create(name));
  auto writer = TRY(ObjectWriter::begin(draft->file(), kind, head));
  TRY(for_each_record([&](ByteView record) { return writer.add(record); }));
  const auto written = TRY(writer.finish());
  // Not owned: the draft keeps the file.
  const std::shared_ptr<VfsFile> again(&draft->file(), [](VfsFile*) {});
  {
    const auto reader = TRY(ObjectReader::open(again));
    TRY(reader.verify());
    if (reader.summary().root != written.root)
      return fail(Errc::kCorrupt, "object: read back, it is another one");
  }
  TRY(draft->publish(replace));
  return written;
}

Result<ObjectReader> open_object(ObjectStore& store, const std::string& name) {
  return ObjectReader::open(TRY(store.open(name)));
}

Result<ObjectSummary> extend_derived(ObjectStore& store, const ObjectHead& head,
                                     const std::vector<Bytes>& fresh) {
  using Key = std::tuple<std::uint8_t, std::uint32_t, std::uint8_t,
                         std::uint32_t>;  // kind, first, stream, last
  std::map<Key, Bytes> records;
  const auto keep = [&](Bytes record) -> Status {
    const auto header = TRY(keys::parse_record(record));
    records[{static_cast<std::uint8_t>(header.kind), header.first, header.stream, header.last}] =
        std::move(record);
    return {};
  };
  const auto name = object_name(head.call, head.started_at, ObjectKind::kDerived);
  if (store.exists(name)) {
    const auto old = TRY(open_object(store, name));
    for (const auto& entry : old.entries()) TRY(keep(TRY(old.record(entry))));
  }
  for (const auto& record : fresh) TRY(keep(record));
  auto bare = head;
  bare.account.clear();
  return write_object(
      store, ObjectKind::kDerived, bare,
      [&](const RecordSink& sink) -> Status {
        for (const auto& [key, record] : records) TRY(sink(record));
        return {};
      },
      true);
}

}  // namespace callward::store

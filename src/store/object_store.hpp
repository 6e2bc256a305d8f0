// Where objects live. One interface; an engine is one class behind it (files now, S3 later), and
// one contract test runs over all. Names are relative, with '/' between parts, and deterministic.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/id.hpp"
#include "base/vfs.hpp"
#include "store/object.hpp"

namespace callward::store {

// "2026/11/24/<call id>.cwo" (recording) or ".cwd" (derived), by the UTC day of the call's start.
std::string object_name(const CallId& call, std::int64_t started_at, ObjectKind kind);

class ObjectStore {
 public:
  // An object being written: nobody sees it before publish(). Dropped without it, it is gone.
  class Draft {
   public:
    virtual ~Draft() = default;
    virtual VfsFile& file() = 0;
    // Durable and read-only afterwards. kExists: there is one of that name and `replace` is not
    // set.
    virtual Status publish(bool replace) = 0;
  };
  virtual ~ObjectStore() = default;
  virtual Result<std::unique_ptr<Draft>> create(const std::string& name) = 0;
  virtual Result<std::shared_ptr<VfsFile>> open(const std::string& name) = 0;  // kNotFound
  virtual bool exists(const std::string& name) = 0;
  // Its name is safe when this returns: one that was published by a process that died meanwhile may
  // not be.
  virtual Status make_durable(const std::string& name) = 0;
  // When retention has ended. kNotFound: there is none; kDenied: the store does not let go of it.
  virtual Status remove(const std::string& name) = 0;
  virtual Result<std::vector<std::string>> list(
      const std::string& folder) = 0;  // names of its entries, sorted
};

// Files of mode 0444 under one folder.
class FileObjectStore final : public ObjectStore {
 public:
  FileObjectStore(Vfs& vfs, std::string root) : vfs_(vfs), root_(std::move(root)) {}
  Result<std::unique_ptr<Draft>> create(const std::string& name) override;
  Result<std::shared_ptr<VfsFile>> open(const std::string& name) override;
  bool exists(const std::string& name) override;
  Status make_durable(const std::string& name) override;
  Status remove(const std::string& name) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;

 private:
  Status check_name(const std::string& name) const;
  Status make_folder(const std::string& folder);
  Vfs& vfs_;
  std::string root_;
  std::mutex mutex_;
  std::string durable_folder_;  // the last one that was made so: a day's
};

// Writes an object, reads it back whole, verifies it, and only then publishes it. `for_each_record`
// passes each record to the function that it is given, and hands on that function's error.
using RecordSink = std::function<Status(ByteView record)>;
using RecordSource = std::function<Status(const RecordSink& sink)>;
Result<ObjectSummary> write_object(ObjectStore& store, ObjectKind kind, const ObjectHead& head,
                                   const RecordSource& for_each_record, bool replace);
Result<ObjectReader> open_object(ObjectStore& store, const std::string& name);

// The derived object with `fresh` records in place of older ones of the same kind, stream and
// segments. Made if there is none yet.
Result<ObjectSummary> extend_derived(ObjectStore& store, const ObjectHead& head,
                                     const std::vector<Bytes>& fresh);

}  // namespace callward::store

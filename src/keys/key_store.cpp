#include "keys/key_store.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/event_log.hpp"

namespace callward::keys {

Status KeyStore::create(Vfs& vfs, Entropy& entropy, const std::vector<MirrorPaths>& mirrors, const Key32& wrap) {
  if (mirrors.empty()) return fail(Errc::kConfig, "a key store needs at least one mirror");
  for (const auto& paths : mirrors)
    if (vfs.exists(paths.store_dir + "/pages")) return fail(Errc::kExists, paths.store_dir + ": holds a key store already");
  for (const auto& paths : mirrors)
    TRY(PageTree::create(vfs, entropy, paths.store_dir, TRY(open_file_anchor(vfs, entropy, paths.anchor_dir, wrap))));
  return {};
}

Result<std::unique_ptr<KeyStore>> KeyStore::open(Vfs& vfs, Entropy& entropy, const std::vector<MirrorPaths>& paths,
                                                 const Key32& wrap) {
  std::unique_ptr<KeyStore> store(new KeyStore(vfs, entropy, wrap));
  std::uint64_t newest = 0;
  for (const auto& path : paths) {
    Mirror mirror{path, nullptr, {}};
    auto anchor = open_file_anchor(vfs, entropy, path.anchor_dir, wrap);
    auto tree = anchor ? PageTree::open(vfs, entropy, path.store_dir, std::move(*anchor))
                       : Result<std::unique_ptr<PageTree>>(tl::unexpected<Error>(anchor.error()));
    if (tree) {
      mirror.tree = std::move(*tree);
      newest = std::max(newest, mirror.tree->superblock().generation);
    } else {
      mirror.why = tree.error().message;
    }
    store->mirrors_.push_back(std::move(mirror));
  }
  for (auto& mirror : store->mirrors_)
    if (mirror.tree && mirror.tree->superblock().generation < newest)
      mirror.why = "holds an older state than the others";
  const auto* good = store->first_good();
  if (good == nullptr)
    return fail(Errc::kCorrupt, "no mirror of the key store opens: " + (store->mirrors_.empty() ? "none configured" : store->mirrors_[0].why));
  store->next_row_ = good->next_row();
  return store;
}

const PageTree* KeyStore::first_good() const {
  for (const auto& mirror : mirrors_)
    if (mirror.good()) return mirror.tree.get();
  return nullptr;
}

Result<std::optional<SecretBytes>> KeyStore::get(std::uint64_t row) {
  if (const auto staged = staged_.find(row); staged != staged_.end()) {
    if (!staged->second) return std::optional<SecretBytes>();
    return std::optional<SecretBytes>(staged->second->clone());
  }
  Error last{Errc::kCorrupt, "no good mirror"};
  for (auto& mirror : mirrors_) {
    if (!mirror.good()) continue;
    auto found = mirror.tree->get(row);
    if (found) return found;
    last = found.error();
    mirror.why = last.message;
    log_event("keystore.mirror_damaged", {{"mirror", mirror.paths.store_dir}, {"why", mirror.why}});
  }
  return tl::unexpected<Error>(last);
}

Status KeyStore::for_each(const std::function<Status(std::uint64_t, ByteView)>& on_row) {
  for (auto& mirror : mirrors_)
    if (mirror.good()) return mirror.tree->for_each(on_row);
  return fail(Errc::kCorrupt, "no good mirror");
}

Status KeyStore::each_good(const char* step, const std::function<Status(PageTree&)>& action) {
  bool any = false;
  Error last{Errc::kIo, "no good mirror"};
  for (auto& mirror : mirrors_) {
    if (!mirror.good()) continue;
    auto done = action(*mirror.tree);
    if (done) {
      any = true;
      continue;
    }
    last = done.error();
    mirror.why = std::string(step) + ": " + last.message;
  }
  if (any) {
    for (const auto& mirror : mirrors_)
      if (!mirror.why.empty() && mirror.tree) mirror.tree->forget_attempt();
    return {};
  }
  // Nobody took it: then nobody is worse than the others, and the caller may try again.
  for (auto& mirror : mirrors_)
    if (mirror.why.rfind(std::string(step) + ": ", 0) == 0 && std::string_view(step) == "write pages") mirror.why.clear();
  return tl::unexpected<Error>(last);
}

Status KeyStore::commit(std::uint64_t log_size) {
  if (staged_.empty()) return {};
  TRY(each_good("write pages", [&](PageTree& tree) { return tree.write_pages(staged_, next_row_, log_size, false); }));
  TRY(each_good("switch superblock", [](PageTree& tree) { return tree.switch_superblock(); }));
  staged_.clear();
  return {};
}

Status KeyStore::write_pages(std::uint64_t log_size) {
  return each_good("write pages", [&](PageTree& tree) { return tree.write_pages(staged_, next_row_, log_size, true); });
}
Status KeyStore::put_epoch() {
  return each_good("put epoch", [](PageTree& tree) { return tree.put_epoch(); });
}
Status KeyStore::switch_superblock() {
  TRY(each_good("switch superblock", [](PageTree& tree) { return tree.switch_superblock(); }));
  staged_.clear();
  return {};
}
Status KeyStore::reread() {
  return each_good("reread", [](PageTree& tree) { return tree.reread(); });
}
Status KeyStore::destroy_old() {
  return each_good("destroy epoch", [](PageTree& tree) { return tree.destroy_old(); });
}
void KeyStore::forget_attempt() {
  for (auto& mirror : mirrors_)
    if (mirror.tree) mirror.tree->forget_attempt();
}

std::uint64_t KeyStore::epoch() const {
  const auto* good = first_good();
  return good == nullptr ? 0 : good->superblock().epoch;
}

std::uint64_t KeyStore::log_size() const {
  const auto* good = first_good();
  return good == nullptr ? 0 : good->superblock().log_size;
}

std::uint32_t KeyStore::unconfirmed() const {
  return static_cast<std::uint32_t>(std::count_if(mirrors_.begin(), mirrors_.end(), [](const Mirror& m) { return !m.good(); }));
}

Status KeyStore::destroy_stale() {
  return each_good("destroy stale epochs", [](PageTree& tree) { return tree.destroy_stale(); });
}

std::vector<MirrorStatus> KeyStore::mirrors() const {
  std::vector<MirrorStatus> all;
  for (const auto& mirror : mirrors_) {
    MirrorStatus status{.store_dir = mirror.paths.store_dir, .good = mirror.good(), .why = mirror.why};
    if (mirror.tree) {
      status.epoch = mirror.tree->superblock().epoch;
      status.assurance = mirror.tree->anchor().assurance();
    }
    all.push_back(std::move(status));
  }
  return all;
}

Status KeyStore::repair_mirror(std::size_t index) {
  CHECK(index < mirrors_.size());
  auto& mirror = mirrors_[index];
  if (mirror.good()) return {};
  RowChanges rows;
  std::uint64_t generation = 0;
  for (auto& other : mirrors_) {
    if (!other.good()) continue;
    generation = other.tree->superblock().generation;
    TRY(other.tree->for_each([&](std::uint64_t row, ByteView content) -> Status {
      rows[row] = SecretBytes(content);
      return {};
    }));
    break;
  }
  if (generation == 0) return fail(Errc::kCorrupt, "no good mirror to repair from");
  // What it held is destroyed first: its old state must not live on beside the new one.
  auto anchor = TRY(open_file_anchor(vfs_, entropy_, mirror.paths.anchor_dir, wrap_));
  for (const auto epoch : TRY(anchor->epochs())) TRY(anchor->destroy(epoch));
  mirror.tree.reset();
  if (vfs_.exists(mirror.paths.store_dir + "/pages")) TRY(vfs_.remove(mirror.paths.store_dir + "/pages"));
  auto tree = TRY(PageTree::create(vfs_, entropy_, mirror.paths.store_dir, std::move(anchor), generation - 1));
  TRY(tree->write_pages(rows, next_row_, log_size(), false));
  TRY(tree->switch_superblock());
  mirror.tree = std::move(tree);
  mirror.why.clear();
  return {};
}

Result<std::vector<std::string>> KeyStore::check() {
  std::vector<std::string> findings;
  for (auto& mirror : mirrors_) {
    if (!mirror.why.empty()) findings.push_back(mirror.paths.store_dir + ": " + mirror.why);
    if (!mirror.tree) continue;
    for (auto& finding : TRY(mirror.tree->check())) findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace callward::keys

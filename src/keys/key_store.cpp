#include "keys/key_store.hpp"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/check.hpp"
#include "base/event_log.hpp"

namespace callward::keys {
namespace {

constexpr const char* kStepNames[] = {"write pages", "put epoch", "switch superblock", "reread",
                                      "destroy epoch"};
constexpr const char* kRetiredFile = "/retired";
constexpr std::size_t kRetiredBytesMax = 64u << 10;

auto age(const PageTree& tree) {
  const auto& block = tree.superblock();
  return std::tuple(block.log_size, block.epoch, block.generation);
}

// "EPOCH gone|lives FOLDER"
struct RetiredLine {
  std::uint64_t epoch = 0;
  bool destroyed = false;
  std::string_view store_dir;
};
bool parse_retired(std::string_view line, RetiredLine& out) {
  constexpr std::string_view kGone = " gone ", kLives = " lives ";
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), out.epoch);
  if (error != std::errc()) return false;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  out.destroyed = line.starts_with(kGone);
  if (!out.destroyed && !line.starts_with(kLives)) return false;
  out.store_dir = line.substr(out.destroyed ? kGone.size() : kLives.size());
  return !out.store_dir.empty();
}

}  // namespace

Status KeyStore::create(Vfs& vfs, Entropy& entropy, const std::vector<MirrorPaths>& mirrors,
                        const Key32& wrap) {
  if (mirrors.empty()) return fail(Errc::kConfig, "a key store needs at least one mirror");
  for (const auto& paths : mirrors)
    if (vfs.exists(paths.store_dir + "/pages"))
      return fail(Errc::kExists, paths.store_dir + ": holds a key store already");
  for (const auto& paths : mirrors)
    TRY(PageTree::create(vfs, entropy, paths.store_dir,
                         TRY(open_file_anchor(vfs, entropy, paths.anchor_dir, wrap))));
  return {};
}

Result<std::unique_ptr<PageTree>> KeyStore::open_tree(const MirrorPaths& paths) {
  auto anchor =
      TRY(open_file_anchor(vfs_, entropy_, paths.anchor_dir, wrap_, AnchorMode::kExisting));
  return PageTree::open(vfs_, entropy_, paths.store_dir, std::move(anchor));
}

Result<std::unique_ptr<KeyStore>> KeyStore::open(Vfs& vfs, Entropy& entropy,
                                                 const std::vector<MirrorPaths>& paths,
                                                 const Key32& wrap) {
  std::unique_ptr<KeyStore> store(new KeyStore(vfs, entropy, wrap));
  std::string why = "none configured";
  for (const auto& path : paths) {
    Mirror mirror{path, nullptr, {}};
    if (!path.retired) {
      auto tree = store->open_tree(path);
      if (tree)
        mirror.tree = std::move(*tree);
      else
        why = mirror.why = tree.error().message;
    }
    store->mirrors_.push_back(std::move(mirror));
  }
  TRY(store->read_retired());
  store->leave_out_others();
  const auto* good = store->first_good();
  if (good == nullptr) return fail(Errc::kCorrupt, "no mirror of the key store opens: " + why);
  store->next_row_ = good->next_row();
  return store;
}

const KeyStore::Mirror* KeyStore::newest() const {
  const Mirror* newest = nullptr;
  for (const auto& mirror : mirrors_)
    if (mirror.good() && (newest == nullptr || age(*mirror.tree) > age(*newest->tree)))
      newest = &mirror;
  return newest;
}

// What the newest mirror says of those that are retired: one that was away then does not know it
// of itself, and is older than who was there (retire() commits).
Status KeyStore::read_retired() {
  const auto* from = newest();
  if (from == nullptr || !vfs_.exists(from->paths.store_dir + kRetiredFile)) return {};
  const auto raw = TRY(vfs_.read_file(from->paths.store_dir + kRetiredFile, kRetiredBytesMax));
  std::string_view rest = as_text(raw);
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    RetiredLine said;
    if (!parse_retired(line, said))
      return fail(Errc::kCorrupt, from->paths.store_dir + kRetiredFile + ": not a line of ours");
    for (auto& mirror : mirrors_) {
      if (mirror.paths.store_dir != said.store_dir || &mirror == from) continue;
      mirror.paths.retired = true;
      mirror.retired_epoch = said.epoch;
      mirror.destroyed = said.destroyed;
      mirror.tree.reset();
      mirror.why.clear();
    }
  }
  return {};
}

// Into every good mirror; one that does not take it is left out, so that the newest always knows.
Status KeyStore::write_retired() {
  std::string text;
  for (const auto& mirror : mirrors_)
    if (mirror.paths.retired)
      text += std::to_string(mirror.retired_epoch) + (mirror.destroyed ? " gone " : " lives ") +
              mirror.paths.store_dir + "\n";
  std::vector<std::pair<Mirror*, Error>> failed;
  bool any = false;
  for (auto& mirror : mirrors_) {
    if (!mirror.good()) continue;
    if (auto done = vfs_.write_file_atomic(mirror.paths.store_dir + kRetiredFile, as_bytes(text)))
      any = true;
    else
      failed.emplace_back(&mirror, done.error());
  }
  if (!any)
    return failed.empty() ? fail(Errc::kIo, "no good mirror")
                          : Status(tl::unexpected<Error>(failed.front().second));
  for (auto& [mirror, error] : failed) leave_out(*mirror, "retire: " + error.message);
  heal_ = true;  // a commit, so that who does not know it is older
  return commit(log_size());
}

void KeyStore::leave_out_others() {
  const auto* first = this->newest();
  if (first == nullptr) return;
  const auto* newest = first->tree.get();
  for (auto& mirror : mirrors_) {
    if (!mirror.good() || mirror.tree.get() == newest) continue;
    if (age(*mirror.tree) < age(*newest))
      leave_out(mirror, "holds an older state than the others");
    else if (mirror.tree->history() != newest->history())
      leave_out(mirror, "holds a state of another history than the others");
  }
}

PageTree* KeyStore::first_good() const {
  for (const auto& mirror : mirrors_)
    if (mirror.good()) return mirror.tree.get();
  return nullptr;
}

// Reading -----------------------------------------------------------------------------------------

void KeyStore::note_damage(const Mirror& mirror, const Error& error) {
  log_event("keystore.page_damaged", {{"mirror", mirror.paths.store_dir}, {"why", error.message}});
}

Result<std::optional<SecretBytes>> KeyStore::get(std::uint64_t row) {
  if (const auto staged = staged_.find(row); staged != staged_.end()) {
    if (!staged->second) return std::optional<SecretBytes>();
    return std::optional<SecretBytes>(staged->second->clone());
  }
  Error last{Errc::kCorrupt, "no good mirror"};
  bool damaged = false;
  for (auto& mirror : mirrors_) {
    if (!mirror.good()) continue;
    auto found = mirror.tree->get(row);
    if (found) {
      heal_ = heal_ || damaged;
      return found;
    }
    last = found.error();
    damaged = true;
    note_damage(mirror, last);
  }
  return tl::unexpected<Error>(last);
}

// A mirror goes on where another met a damaged page; an error only when none gets any further.
Status KeyStore::for_each(const std::function<Status(std::uint64_t, ByteView)>& on_row,
                          std::uint64_t from, std::uint64_t end) {
  Error last{Errc::kState, "no good mirror"};
  std::uint64_t next = from;
  for (bool progress = true; progress;) {
    progress = false;
    for (auto& mirror : mirrors_) {
      if (!mirror.good()) continue;
      const auto begun = next;
      bool refused = false;
      auto done = mirror.tree->for_each(
          [&](std::uint64_t row, ByteView content) -> Status {
            auto taken = on_row(row, content);
            refused = !taken;
            if (taken) next = row + 1;
            return taken;
          },
          next, end);
      if (done) heal_ = heal_ || last.code != Errc::kState;
      if (done || refused) return done;
      last = done.error();
      note_damage(mirror, last);
      progress = progress || next > begun;
    }
  }
  return tl::unexpected<Error>(last);
}

LeafRowsSource KeyStore::leaves_of_others(const PageTree* than) {
  return [this, than](std::uint64_t leaf) -> Result<Rows> {
    for (auto& mirror : mirrors_) {
      if (!mirror.good() || mirror.tree.get() == than) continue;
      if (auto rows = mirror.tree->leaf_rows(leaf)) return rows;
    }
    return fail(Errc::kCorrupt,
                "leaf page " + std::to_string(leaf) + " does not open in any mirror");
  };
}

// Steps -------------------------------------------------------------------------------------------

void KeyStore::leave_out(Mirror& mirror, std::string why) {
  mirror.tree->forget_attempt();
  mirror.why = std::move(why);
  log_event("keystore.mirror_left_out", {{"mirror", mirror.paths.store_dir}, {"why", mirror.why}});
}

// What the disk holds is unknown: it is read again, and made certain before anything else is
// written.
void KeyStore::reopen(Mirror& mirror) {
  auto tree = open_tree(mirror.paths);
  if (tree)
    mirror.tree = std::move(*tree);
  else
    leave_out(mirror, "cannot be opened again: " + tree.error().message);
}

Status KeyStore::take(Step step, const std::function<Status(PageTree&)>& action) {
  std::vector<std::pair<Mirror*, Error>> failed;
  bool any = false;
  for (auto& mirror : mirrors_) {
    if (!mirror.good()) continue;
    auto done = action(*mirror.tree);
    if (done)
      any = true;
    else
      failed.emplace_back(&mirror, done.error());
  }
  const std::string name = kStepNames[static_cast<std::size_t>(step)];
  if (any) {
    // Who cannot destroy yet has switched all the same: it goes on, and counts as unconfirmed.
    if (step != Step::kDestroy)
      for (auto& [mirror, error] : failed) leave_out(*mirror, name + ": " + error.message);
    return {};
  }
  forget_attempt();
  if (step == Step::kSwitch) {
    for (auto& [mirror, error] : failed) reopen(*mirror);
    leave_out_others();
  }
  if (failed.empty()) return fail(Errc::kIo, "no good mirror");
  return fail(failed[0].second.code, name + ": " + failed[0].second.message);
}

Status KeyStore::commit(std::uint64_t log_size) {
  if (staged_.empty() && !heal_) return {};
  TRY(write_staged(log_size, false));
  TRY(take(Step::kSwitch, [](PageTree& tree) { return tree.switch_superblock(); }));
  staged_.clear();
  heal_ = false;
  return {};
}

Status KeyStore::write_staged(std::uint64_t log_size, bool new_epoch) {
  const Commit commit{next_row_, log_size, new_epoch, entropy_.array<sizeof(History)>()};
  return take(Step::kWritePages, [&](PageTree& tree) {
    return tree.write_pages(staged_, commit, leaves_of_others(&tree));
  });
}
Status KeyStore::write_pages(std::uint64_t log_size) { return write_staged(log_size, true); }
Status KeyStore::put_epoch() {
  return take(Step::kPutEpoch, [](PageTree& tree) { return tree.put_epoch(); });
}
Status KeyStore::switch_superblock() {
  TRY(take(Step::kSwitch, [](PageTree& tree) { return tree.switch_superblock(); }));
  staged_.clear();
  heal_ = false;
  return {};
}
Status KeyStore::reread() {
  return take(Step::kReread, [](PageTree& tree) { return tree.reread(); });
}
Status KeyStore::destroy_old() {
  TRY(take(Step::kDestroy, [](PageTree& tree) { return tree.destroy_old(); }));
  for (auto& mirror : mirrors_)
    if (!mirror.good() && !mirror.paths.retired)
      mirror.destroyed = mirror.destroyed || destroy_left_out(mirror);
  return {};
}
void KeyStore::forget_attempt() {
  for (auto& mirror : mirrors_)
    if (mirror.tree) mirror.tree->forget_attempt();
}

// It has missed an erasure, so what it holds must not open again; it will be filled anew.
bool KeyStore::destroy_left_out(Mirror& mirror) {
  auto anchor =
      open_file_anchor(vfs_, entropy_, mirror.paths.anchor_dir, wrap_, AnchorMode::kExisting);
  auto gone = anchor ? (*anchor)->destroy_all() : Status(tl::unexpected<Error>(anchor.error()));
  if (!gone) {
    log_event("keystore.mirror_unconfirmed",
              {{"mirror", mirror.paths.store_dir}, {"why", gone.error().message}});
    return false;
  }
  mirror.tree.reset();
  return true;
}

// State -------------------------------------------------------------------------------------------

std::uint64_t KeyStore::epoch() const {
  const auto* good = first_good();
  return good == nullptr ? 0 : good->superblock().epoch;
}

std::uint64_t KeyStore::log_size() const {
  const auto* good = first_good();
  return good == nullptr ? 0 : good->superblock().log_size;
}

std::uint32_t KeyStore::unconfirmed() const {
  return static_cast<std::uint32_t>(std::count_if(
      mirrors_.begin(), mirrors_.end(),
      [](const Mirror& mirror) { return !mirror.paths.retired && !mirror.confirmed(); }));
}

Status KeyStore::destroy_stale() {
  return take(Step::kDestroy, [](PageTree& tree) { return tree.destroy_stale(); });
}

std::vector<MirrorStatus> KeyStore::mirrors() const {
  std::vector<MirrorStatus> all;
  for (const auto& mirror : mirrors_) {
    MirrorStatus status{.store_dir = mirror.paths.store_dir,
                        .good = mirror.good(),
                        .retired = mirror.paths.retired,
                        .confirmed = mirror.confirmed(),
                        .why = mirror.why};
    if (mirror.paths.retired) status.epoch = mirror.retired_epoch;
    if (mirror.tree) {
      status.epoch = mirror.tree->superblock().epoch;
      status.living = mirror.tree->anchor().epochs().value_or(std::vector<std::uint64_t>());
      status.assurance = mirror.tree->anchor().assurance();
    }
    all.push_back(std::move(status));
  }
  return all;
}

KeyStore::Roles KeyStore::roles() const {
  Roles roles;
  for (std::size_t i = 0; i < mirrors_.size(); ++i) {
    const auto& mirror = mirrors_[i];
    if (mirror.paths.retired) continue;
    (mirror.good() ? roles.good : roles.left_out).insert(i);
    if (!mirror.tree && !mirror.destroyed) roles.unread[i] = mirror.why;
  }
  return roles;
}

// Mirrors that come and go ------------------------------------------------------------------------

// From here on the epoch's key comes to live there, whether or not the filling comes to its end: it
// counts as unconfirmed until it is full, and the survivors say so of a retired one.
Status KeyStore::note_filling(Mirror& mirror) {
  const bool said = !mirror.destroyed && mirror.retired_epoch == epoch();
  mirror.destroyed = false;
  mirror.retired_epoch = epoch();
  return mirror.paths.retired && !said ? write_retired() : Status{};
}

Status KeyStore::repair_mirror(std::size_t index, MirrorFill how) {
  CHECK(index < mirrors_.size());
  auto& mirror = mirrors_[index];
  if (mirror.good()) return {};
  auto* source = first_good();
  if (source == nullptr) return fail(Errc::kCorrupt, "no good mirror to repair from");
  // A disk that is away must not look like an empty one: what stands on it would still open.
  const auto mode = how == MirrorFill::kReturning ? AnchorMode::kExisting : AnchorMode::kCreate;
  auto anchor = TRY(open_file_anchor(vfs_, entropy_, mirror.paths.anchor_dir, wrap_, mode));
  TRY(note_filling(mirror));
  const auto state = source->superblock();
  RowChanges rows;
  TRY(for_each([&](std::uint64_t row, ByteView content) -> Status {
    rows[row] = SecretBytes(content);
    return {};
  }));
  // What it held is destroyed first: its old state must not live on beside the new one.
  TRY(anchor->destroy_all());
  mirror.tree.reset();
  if (mirror.why.empty()) mirror.why = "is being filled";
  if (vfs_.exists(mirror.paths.store_dir + "/pages"))
    TRY(vfs_.remove(mirror.paths.store_dir + "/pages"));
  mirror.tree =
      TRY(PageTree::create(vfs_, entropy_, mirror.paths.store_dir, std::move(anchor), state, rows,
                           {.next_row = source->next_row(), .history = source->history()}));
  mirror.why.clear();
  heal_ = true;  // a commit, so that its superblock says how far in the log it is
  return std::exchange(mirror.paths.retired, false) ? write_retired() : Status{};
}

Result<std::optional<std::uint64_t>> KeyStore::retire(std::size_t index) {
  CHECK(index < mirrors_.size());
  auto& mirror = mirrors_[index];
  if (!mirror.paths.retired) {
    if (mirror.good() && std::count_if(mirrors_.begin(), mirrors_.end(),
                                       [](const Mirror& m) { return m.good(); }) == 1)
      return fail(Errc::kState, "the last good mirror cannot be retired");
    if (mirror.tree) mirror.retired_epoch = mirror.tree->superblock().epoch;
    mirror.destroyed = mirror.destroyed || destroy_left_out(mirror);
    mirror.paths.retired = true;
    mirror.tree.reset();
    if (auto written = write_retired(); !written) {
      mirror.paths.retired = false;
      mirror.why = "was to be retired: " + written.error().message;
      return tl::unexpected<Error>(written.error());
    }
  }
  if (mirror.destroyed) return std::optional<std::uint64_t>();
  return std::optional(mirror.retired_epoch);
}

Result<std::vector<std::string>> KeyStore::check() {
  std::vector<std::string> findings;
  for (auto& mirror : mirrors_) {
    if (mirror.paths.retired) continue;
    if (!mirror.why.empty()) findings.push_back(mirror.paths.store_dir + ": " + mirror.why);
    if (!mirror.tree) continue;
    for (auto& finding : TRY(mirror.tree->check())) findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace callward::keys

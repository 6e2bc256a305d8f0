#include "keys/page_tree.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace callward::keys {
namespace {

constexpr std::string_view kMagic = "CWSB";
constexpr std::uint8_t kVersion = 1;
constexpr std::uint64_t kFirstPageOffset = 2 * kSuperblockBytes;
constexpr std::uint64_t kPagesFileBytesMax = 1ull << 46;

std::string byte_range(std::uint64_t offset, std::uint64_t bytes) {
  return "bytes " + std::to_string(offset) + "-" + std::to_string(offset + bytes - 1);
}

ChildRef clone(const ChildRef& ref) { return {ref.offset, ref.bytes, ref.key.clone()}; }
Children clone(const Children& children) {
  Children twin;
  for (const auto& [slot, ref] : children) twin.emplace(slot, clone(ref));
  return twin;
}

}  // namespace

Bytes encode_superblock(const Superblock& block) {
  Bytes raw(kSuperblockBytes, 0);
  std::memcpy(raw.data(), kMagic.data(), 4);
  raw[4] = kVersion;
  store_le(raw.data() + 8, block.generation);
  store_le(raw.data() + 16, block.epoch);
  store_le(raw.data() + 24, block.root_offset);
  store_le(raw.data() + 32, block.root_bytes);
  store_le(raw.data() + 40, block.log_size);
  store_le(raw.data() + 48, crc32c(ByteView(raw).first(48)));
  return raw;
}

Result<Superblock> decode_superblock(ByteView raw) {
  if (raw.size() < 52 || as_text(raw.first(4)) != kMagic)
    return fail(Errc::kMalformed, "superblock has a wrong magic");
  if (load_le<std::uint32_t>(raw.data() + 48) != crc32c(raw.first(48)))
    return fail(Errc::kCorrupt, "superblock's checksum does not match");
  if (raw[4] != kVersion) return fail(Errc::kUnsupported, "key store of an unknown version");
  Superblock block;
  block.generation = load_le<std::uint64_t>(raw.data() + 8);
  block.epoch = load_le<std::uint64_t>(raw.data() + 16);
  block.root_offset = load_le<std::uint64_t>(raw.data() + 24);
  block.root_bytes = load_le<std::uint32_t>(raw.data() + 32);
  block.log_size = load_le<std::uint64_t>(raw.data() + 40);
  return block;
}

PageTree::PageTree(Vfs& vfs, Entropy& entropy, std::string dir, std::unique_ptr<Anchor> anchor)
    : vfs_(vfs), entropy_(entropy), dir_(std::move(dir)), anchor_(std::move(anchor)) {}

Status PageTree::open_file(OpenMode mode) {
  file_ = TRY(vfs_.open(dir_ + "/pages", mode));
  return {};
}

Result<std::unique_ptr<PageTree>> PageTree::create(Vfs& vfs, Entropy& entropy,
                                                   const std::string& dir,
                                                   std::unique_ptr<Anchor> anchor,
                                                   const Superblock& begin, const RowChanges& rows,
                                                   Commit commit) {
  CHECK(begin.generation > 0 && begin.epoch > 0);
  TRY(make_durable_dirs(vfs, dir));
  std::unique_ptr<PageTree> tree(new PageTree(vfs, entropy, dir, std::move(anchor)));
  TRY(tree->open_file(OpenMode::kCreateNew));
  TRY(tree->file_->truncate(kFirstPageOffset));
  tree->block_.generation = begin.generation - 1;
  tree->block_.epoch = begin.epoch - 1;
  tree->settled_ = true;
  commit.log_size = begin.log_size;
  commit.new_epoch = true;
  TRY(tree->write_pages(rows, commit));
  // The name before the superblock: what opens after a kill must open after a loss of power, too.
  TRY(vfs.sync_dir(dir));
  TRY(tree->put_epoch());
  TRY(tree->switch_superblock());
  TRY(tree->reread());
  tree->old_epoch_.reset();
  return tree;
}

Result<std::unique_ptr<PageTree>> PageTree::open(Vfs& vfs, Entropy& entropy, const std::string& dir,
                                                 std::unique_ptr<Anchor> anchor) {
  std::unique_ptr<PageTree> tree(new PageTree(vfs, entropy, dir, std::move(anchor)));
  TRY(tree->open_file(OpenMode::kReadWrite));
  std::vector<Superblock> blocks;
  std::string why = "no superblock";
  for (std::uint64_t slot = 0; slot < 2; ++slot) {
    Bytes raw(kSuperblockBytes);
    if (TRY(tree->file_->read_at(slot * kSuperblockBytes, raw)) < kSuperblockBytes) continue;
    auto block = decode_superblock(raw);
    if (block)
      blocks.push_back(*block);
    else if (block.error().code == Errc::kUnsupported)
      return tl::unexpected<Error>(block.error());
  }
  std::sort(blocks.begin(), blocks.end(),
            [](const auto& a, const auto& b) { return a.generation > b.generation; });
  for (const auto& block : blocks) {
    const auto key = tree->anchor_->get(block.epoch);
    auto loaded = key ? tree->load(block, *key) : Status(tl::unexpected<Error>(key.error()));
    if (loaded) {
      if (const auto stale = TRY(tree->stale_epochs()); !stale.empty())
        tree->old_epoch_ = stale.front();
      return tree;
    }
    // A disk that does not answer once makes no older state true.
    const auto code = loaded.error().code;
    if (code != Errc::kNotFound && code != Errc::kCorrupt && code != Errc::kMalformed)
      return tl::unexpected<Error>(loaded.error());
    why = "generation " + std::to_string(block.generation) + ", epoch " +
          std::to_string(block.epoch) + ": " + loaded.error().message;
    if (tree->passed_over_.empty()) tree->passed_over_ = why;
    if (!key && key.error().code == Errc::kNotFound) tree->given_up_ = block.generation;
  }
  return fail(Errc::kCorrupt, dir + ": cannot be opened (" + why + ")");
}

Status PageTree::load(const Superblock& block, const Key32& epoch_key) {
  if (block.root_bytes < kPageOverheadBytes || block.root_bytes > kPagePayloadBytesMax)
    return fail(Errc::kCorrupt, "superblock's root has an impossible size");
  Bytes page(block.root_bytes);
  if (TRY(file_->read_at(block.root_offset, page)) != page.size())
    return fail(Errc::kCorrupt, "root page is cut off");
  const auto key = root_page_key(TRY(page_salt(page)), epoch_key);
  auto payload = TRY(open_page(page_id(kRootLevel, 0), key, page));
  root_ = TRY(decode_root(payload.expose()));
  block_ = block;
  cache_.clear();
  return find_free_space();
}

// What lies between the pages that the tree leads to.
Status PageTree::find_free_space() {
  std::vector<Extent> used{{block_.root_offset, block_.root_bytes}};
  for (const auto& [top, top_ref] : root_.children) {
    used.push_back({top_ref.offset, top_ref.bytes});
    const auto* middle = TRY(inner(2, top));
    for (const auto& [slot, ref] : *middle) {
      used.push_back({ref.offset, ref.bytes});
      const auto* low = TRY(inner(1, static_cast<std::uint64_t>(top) << 8 | slot));
      for (const auto& [leaf_slot, leaf] : *low) used.push_back({leaf.offset, leaf.bytes});
    }
  }
  std::sort(used.begin(), used.end(),
            [](const Extent& a, const Extent& b) { return a.offset < b.offset; });
  std::vector<Extent> gaps;
  std::uint64_t at = kFirstPageOffset;
  for (const auto& extent : used) {
    if (extent.offset < at || extent.offset > kPagesFileBytesMax)
      return fail(Errc::kCorrupt, dir_ + "/pages: two pages overlap");
    if (extent.offset > at) gaps.push_back({at, extent.offset - at});
    at = extent.offset + FreeSpace::rounded(extent.bytes);
  }
  free_ = FreeSpace(at);
  for (const auto& gap : gaps) free_.give(gap.offset, gap.bytes);
  return {};
}

Result<SecretBytes> PageTree::read_page(const PageId& id, std::uint64_t offset, std::uint32_t bytes,
                                        const Key32& key) {
  if (bytes > kPagePayloadBytesMax + kPageOverheadBytes)
    return fail(Errc::kCorrupt, "page has an impossible size");
  Bytes page(bytes);
  if (TRY(file_->read_at(offset, page)) != page.size())
    return fail(Errc::kCorrupt, "page is cut off");
  auto opened = open_page(id, key, page);
  if (!opened)
    return fail(Errc::kCorrupt, dir_ + "/pages: " + byte_range(offset, bytes) + ": level " +
                                    std::to_string(id.level) + " page " + std::to_string(id.index) +
                                    ": " + opened.error().message);
  return opened;
}

// The children of an inner page below the root; nullptr-free: an absent page is an error of the
// caller.
Result<const Children*> PageTree::inner(std::uint8_t level, std::uint64_t index) {
  static const Children kNone;
  if (const auto known = cache_.find({level, index}); known != cache_.end()) return &known->second;
  const Children* parents = &root_.children;
  if (level < kRootLevel - 1)
    parents = TRY(inner(static_cast<std::uint8_t>(level + 1), index >> 8));
  const auto ref = parents->find(static_cast<std::uint8_t>(index & 255));
  if (ref == parents->end()) return &kNone;
  auto payload =
      TRY(read_page(page_id(level, index), ref->second.offset, ref->second.bytes, ref->second.key));
  auto children = TRY(decode_children(payload.expose()));
  return &cache_.emplace(std::pair{level, index}, std::move(children)).first->second;
}

Result<const ChildRef*> PageTree::leaf_ref(std::uint64_t leaf) {
  const auto* low = TRY(inner(1, leaf >> 8));
  const auto ref = low->find(static_cast<std::uint8_t>(leaf & 255));
  return ref == low->end() ? nullptr : &ref->second;
}

Result<Rows> PageTree::leaf_rows(std::uint64_t leaf) {
  const auto* ref = TRY(leaf_ref(leaf));
  if (ref == nullptr) return Rows();
  auto payload = read_page(page_id(0, leaf), ref->offset, ref->bytes, ref->key);
  auto rows = payload ? decode_rows(payload->expose())
                      : Result<Rows>(tl::unexpected<Error>(payload.error()));
  if (!rows) damaged_.insert(leaf);
  return rows;
}

Result<std::optional<SecretBytes>> PageTree::get(std::uint64_t row) {
  auto rows = TRY(leaf_rows(row / kRowsPerLeaf));
  const auto found = rows.find(static_cast<std::uint8_t>(row % kRowsPerLeaf));
  if (found == rows.end()) return std::optional<SecretBytes>();
  return std::optional<SecretBytes>(std::move(found->second));
}

Status PageTree::for_each(const std::function<Status(std::uint64_t, ByteView)>& on_row,
                          std::uint64_t from, std::uint64_t end) {
  if (from >= end) return {};
  // Of the pages of one kind, whether one may hold any of these; `leaves`: how many it leads to.
  const auto first = from / kRowsPerLeaf;
  const auto last = (end - 1) / kRowsPerLeaf;
  const auto has_some = [first, last](std::uint64_t page, std::uint64_t leaves) {
    return page * leaves <= last && (page + 1) * leaves > first;
  };
  for (const auto& [top, top_ref] : root_.children) {
    if (!has_some(top, 256 * 256)) continue;
    const auto* middle = TRY(inner(2, top));
    for (const auto& [slot, ref] : *middle) {
      const auto low_index = static_cast<std::uint64_t>(top) << 8 | slot;
      if (!has_some(low_index, 256)) continue;
      const auto* low = TRY(inner(1, low_index));
      for (const auto& [leaf_slot, leaf_child] : *low) {
        const auto leaf = low_index << 8 | leaf_slot;
        if (!has_some(leaf, 1)) continue;
        const auto rows = TRY(leaf_rows(leaf));
        for (const auto& [row_slot, row] : rows)
          if (const auto number = leaf * kRowsPerLeaf + row_slot; number >= from && number < end)
            TRY(on_row(number, row.expose()));
      }
    }
  }
  return {};
}

Result<ChildRef> PageTree::write_page(const PageId& id, ByteView payload) {
  ChildRef ref;
  ref.key = entropy_.key();
  const auto page = seal_page(id, ref.key, {}, payload);
  ref.bytes = static_cast<std::uint32_t>(page.size());
  ref.offset = free_.take(page.size());
  attempt_->written.push_back({ref.offset, ref.bytes});
  TRY(file_->write_at(ref.offset, page));
  return ref;
}

Result<std::optional<ChildRef>> PageTree::write_leaf(std::uint64_t leaf,
                                                     RowChanges::const_iterator begin,
                                                     RowChanges::const_iterator end,
                                                     const LeafRowsSource& other) {
  auto rows = leaf_rows(leaf);
  if (!rows && other) rows = other(leaf);
  if (!rows) return tl::unexpected<Error>(rows.error());
  if (const auto* old = TRY(leaf_ref(leaf)); old != nullptr)
    attempt_->freed.push_back({old->offset, old->bytes});
  for (auto change = begin; change != end; ++change) {
    const auto slot = static_cast<std::uint8_t>(change->first % kRowsPerLeaf);
    rows->erase(slot);
    if (change->second) rows->emplace(slot, change->second->clone());
  }
  attempt_->healed.push_back(leaf);
  if (rows->empty()) return std::optional<ChildRef>();
  return std::optional<ChildRef>(TRY(write_page(page_id(0, leaf), encode_rows(*rows).expose())));
}

Status PageTree::change_level(std::uint8_t level,
                              const std::map<std::uint64_t, std::optional<ChildRef>>& changed,
                              std::map<std::uint64_t, std::optional<ChildRef>>& parents) {
  for (auto at = changed.begin(); at != changed.end();) {
    const auto index = at->first >> 8;
    Children children = clone(*TRY(inner(level, index)));
    const auto* above = level == kRootLevel - 1
                            ? &root_.children
                            : TRY(inner(static_cast<std::uint8_t>(level + 1), index >> 8));
    if (const auto old = above->find(static_cast<std::uint8_t>(index & 255)); old != above->end())
      attempt_->freed.push_back({old->second.offset, old->second.bytes});
    for (; at != changed.end() && at->first >> 8 == index; ++at) {
      const auto slot = static_cast<std::uint8_t>(at->first & 255);
      children.erase(slot);
      if (at->second) children.emplace(slot, clone(*at->second));
    }
    if (children.empty()) {
      parents.emplace(index, std::nullopt);
    } else {
      parents.emplace(index,
                      TRY(write_page(page_id(level, index), encode_children(children).expose())));
    }
    attempt_->inner[{level, index}] = std::move(children);
  }
  return {};
}

Status PageTree::write_pages(const RowChanges& changes, const Commit& commit,
                             const LeafRowsSource& other) {
  CHECK(!attempt_);
  for (const auto& [row, content] : changes)
    if (content && content->size() > kRowBytesMax)
      return fail(Errc::kTooLarge, "row " + std::to_string(row) + " is over its limit of " +
                                       std::to_string(kRowBytesMax) + " bytes");
  TRY(settle());
  attempt_.emplace();
  auto done = write_tree(changes, other);
  if (done) done = write_root(commit);
  if (done) done = file_->sync_data();
  if (!done) forget_attempt();
  return done;
}

// Leaves, then the inner pages above them, level by level.
Status PageTree::write_tree(const RowChanges& changes, const LeafRowsSource& other) {
  std::map<std::uint64_t, std::optional<ChildRef>> leaves, low, middle;
  for (auto at = changes.begin(); at != changes.end();) {
    const auto leaf = at->first / kRowsPerLeaf;
    CHECK(at->first < kRowsMax);
    auto end = at;
    while (end != changes.end() && end->first / kRowsPerLeaf == leaf) ++end;
    leaves.emplace(leaf, TRY(write_leaf(leaf, at, end, other)));
    at = end;
  }
  // A damaged leaf that nobody changes is healed where another mirror has it; else it waits.
  for (const auto leaf : std::set(damaged_)) {
    if (leaves.count(leaf) != 0 || !other) continue;
    if (auto healed = write_leaf(leaf, changes.end(), changes.end(), other))
      leaves.emplace(leaf, std::move(*healed));
    else if (healed.error().code != Errc::kCorrupt)
      return tl::unexpected<Error>(healed.error());
  }
  TRY(change_level(1, leaves, low));
  TRY(change_level(2, low, middle));
  attempt_->root.children = clone(root_.children);
  for (auto& [index, ref] : middle) {
    const auto slot = static_cast<std::uint8_t>(index);
    attempt_->root.children.erase(slot);
    if (ref) attempt_->root.children.emplace(slot, std::move(*ref));
  }
  return {};
}

Status PageTree::write_root(const Commit& commit) {
  attempt_->root.next_row = commit.next_row;
  attempt_->root.history = commit.history;
  auto& block = attempt_->block;
  block.generation = block_.generation + 1;
  block.epoch = block_.epoch + (commit.new_epoch ? 1 : 0);
  block.log_size = commit.log_size;
  Key32 epoch_key = commit.new_epoch ? entropy_.key() : TRY(anchor_->get(block_.epoch));
  const auto salt = entropy_.array<16>();
  const auto payload = encode_root(attempt_->root);
  const auto page =
      seal_page(page_id(kRootLevel, 0), root_page_key(salt, epoch_key), salt, payload.expose());
  block.root_bytes = static_cast<std::uint32_t>(page.size());
  block.root_offset = free_.take(page.size());
  attempt_->written.push_back({block.root_offset, block.root_bytes});
  if (block_.root_bytes > 0) attempt_->freed.push_back({block_.root_offset, block_.root_bytes});
  TRY(file_->write_at(block.root_offset, page));
  if (commit.new_epoch) attempt_->epoch_key = std::move(epoch_key);
  return {};
}

void PageTree::forget_attempt() {
  if (!attempt_) return;
  for (const auto& extent : attempt_->written) free_.give(extent.offset, extent.bytes);
  if (attempt_->epoch_key)
    (void)anchor_->destroy(attempt_->block.epoch);  // kNotFound when it was not put yet
  attempt_.reset();
}

Status PageTree::put_epoch() {
  CHECK(attempt_ && attempt_->epoch_key);
  // An earlier switch whose end failed is ended first: the anchor has two slots, and the old key
  // must go.
  if (old_epoch_) TRY(reread());
  if (!TRY(stale_epochs()).empty()) TRY(destroy_stale());
  return anchor_->put(attempt_->block.epoch, *attempt_->epoch_key);
}

Status PageTree::switch_superblock() {
  CHECK(attempt_);
  const auto slot = attempt_->block.generation % 2;
  TRY(file_->write_at(slot * kSuperblockBytes, encode_superblock(attempt_->block)));
  TRY(file_->sync_data());
  if (attempt_->epoch_key && block_.epoch > 0) old_epoch_ = block_.epoch;
  block_ = attempt_->block;
  root_ = std::move(attempt_->root);
  cache_.clear();
  for (const auto& extent : attempt_->freed) free_.give(extent.offset, extent.bytes);
  for (const auto leaf : attempt_->healed) damaged_.erase(leaf);
  passed_over_.clear();
  given_up_.reset();
  attempt_.reset();
  return {};
}

// What was read at opening may stand in the system's cache only, where a sync failed in an earlier
// life or was never reached: the superblock in force is written once more before the first page is,
// and before the key of any other state goes.
Status PageTree::settle() {
  if (settled_) return {};
  TRY(file_->write_at(block_.generation % 2 * kSuperblockBytes, encode_superblock(block_)));
  TRY(file_->sync_data());
  settled_ = true;
  return {};
}

Status PageTree::reread() {
  Bytes raw(kSuperblockBytes);
  TRY(file_->read_at(block_.generation % 2 * kSuperblockBytes, raw));
  const auto block = TRY(decode_superblock(raw));
  if (block.generation != block_.generation || block.epoch != block_.epoch)
    return fail(Errc::kCorrupt, dir_ + ": the disk holds another superblock than was written");
  const auto key = TRY(anchor_->get(block.epoch));
  Bytes page(block.root_bytes);
  if (TRY(file_->read_at(block.root_offset, page)) != page.size())
    return fail(Errc::kCorrupt, dir_ + ": root page is cut off");
  auto payload =
      TRY(open_page(page_id(kRootLevel, 0), root_page_key(TRY(page_salt(page)), key), page));
  root_ = TRY(decode_root(payload.expose()));
  cache_.clear();
  return {};
}

Status PageTree::destroy_old() {
  if (!old_epoch_) return {};
  TRY(anchor_->destroy(*old_epoch_));
  old_epoch_.reset();
  return {};
}

Result<std::vector<std::uint64_t>> PageTree::stale_epochs() {
  auto all = TRY(anchor_->epochs());
  std::erase(all, block_.epoch);
  return all;
}

Status PageTree::destroy_stale() {
  TRY(settle());
  TRY(anchor_->destroy_others(block_.epoch));
  old_epoch_.reset();
  if (!given_up_ || *given_up_ % 2 == block_.generation % 2) return {};
  // A switch that failed on the way, its key destroyed: its superblock leads nowhere for ever.
  TRY(file_->write_at(*given_up_ % 2 * kSuperblockBytes, Bytes(kSuperblockBytes, 0)));
  TRY(file_->sync_data());
  given_up_.reset();
  passed_over_.clear();
  return {};
}

Status PageTree::destroy_everything() { return anchor_->destroy_all(); }

void PageTree::check_superblocks(std::vector<std::string>& findings) {
  for (std::uint64_t slot = 0; slot < 2; ++slot) {
    const auto label = dir_ + "/pages: " + byte_range(slot * kSuperblockBytes, kSuperblockBytes) +
                       ": superblock " + std::to_string(slot) + ": ";
    Bytes raw(kSuperblockBytes);
    const auto got = file_->read_at(slot * kSuperblockBytes, raw);
    if (!got || *got < kSuperblockBytes) {
      findings.push_back(label + (got ? "is cut off" : got.error().message));
      continue;
    }
    const bool empty = std::all_of(raw.begin(), raw.end(), [](auto byte) { return byte == 0; });
    if (empty && slot != block_.generation % 2) continue;  // a new store has written one only
    const auto block = decode_superblock(raw);
    if (!block)
      findings.push_back(label + block.error().message);
    else if (!equal(encode_superblock(*block), raw))
      findings.push_back(label + "has stray bytes");
  }
}

void PageTree::check_pages(std::vector<std::string>& findings) {
  for (const auto& [top, top_ref] : root_.children) {
    const auto middle = inner(2, top);
    if (!middle) {
      findings.push_back(middle.error().message);
      continue;
    }
    for (const auto& [slot, ref] : **middle) {
      const auto low_index = static_cast<std::uint64_t>(top) << 8 | slot;
      const auto low = inner(1, low_index);
      if (!low) {
        findings.push_back(low.error().message);
        continue;
      }
      for (const auto& [leaf_slot, leaf] : **low)
        if (auto rows = leaf_rows(low_index << 8 | leaf_slot); !rows)
          findings.push_back(rows.error().message);
    }
  }
}

Result<std::vector<std::string>> PageTree::check() {
  CHECK(!attempt_);
  std::vector<std::string> findings;
  check_superblocks(findings);
  if (!passed_over_.empty())
    findings.push_back(dir_ + "/pages: a newer state does not open: " + passed_over_);
  cache_.clear();
  if (auto whole = reread(); !whole)
    findings.push_back(dir_ + "/pages: " + byte_range(block_.root_offset, block_.root_bytes) +
                       ": root page: " + whole.error().message);
  check_pages(findings);
  for (auto& finding : TRY(anchor_->check())) findings.push_back(std::move(finding));
  const auto epochs = TRY(anchor_->epochs());
  if (std::find(epochs.begin(), epochs.end(), block_.epoch) == epochs.end())
    findings.push_back(dir_ + ": the anchor lacks epoch " + std::to_string(block_.epoch));
  for (const auto epoch : epochs)
    if (epoch != block_.epoch)
      findings.push_back(dir_ + ": the anchor still holds epoch " + std::to_string(epoch));
  return findings;
}

}  // namespace callward::keys

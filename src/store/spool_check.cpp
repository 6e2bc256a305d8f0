#include "store/spool_check.hpp"

#include <algorithm>
#include <array>

#include "store/spool_frame.hpp"

namespace callward::store {

namespace {

constexpr std::size_t kPieceBytes = 1u << 20;

class FileCheck {
 public:
  FileCheck(std::string name, std::vector<std::string>& findings)
      : name_(std::move(name)), findings_(findings) {}

  Status run(VfsFile& file) {
    Bytes first(kSpoolFileHeadBytes);
    first.resize(TRY(file.read_at(0, first)));
    const auto size = TRY(file.size());
    if (std::ranges::all_of(first, is_zero)) {
      // A spare whose making was cut off holds nothing at all; the next start removes it.
      return zeros(file, 0, size, "bytes behind a head that was never written");
    }
    const auto head = parse_spool_file_head(first);
    if (!head) {
      say(head.error().message);
      return {};
    }
    TRY(zeros(file, kHeadFieldBytes, std::min<std::uint64_t>(size, kSpoolFileHeadBytes),
              "the head's unused bytes"));
    if (size < head->file_bytes)
      say("is " + std::to_string(head->file_bytes - size) + " bytes short");
    std::vector<std::pair<std::uint64_t, std::uint64_t>> padding;
    const auto scan = TRY(scan_spool_file(
        file, *head, [&](const FrameView& frame, std::uint64_t offset, std::size_t bytes) {
          const auto used = kFrameHeadBytes + frame.payload.size();
          if (used < bytes) padding.emplace_back(offset + used, offset + bytes);
        }));
    for (const auto& damage : scan.damage)
      say("bytes " + std::to_string(damage.from) + " to " + std::to_string(damage.to) +
          " should be frames and are not");
    for (const auto& [from, to] : padding) TRY(zeros(file, from, to, "padding"));
    const auto end = std::min(size, head->file_bytes);
    if (TRY(earlier_life(file, *head, scan.end, end))) return {};
    return zeros(file, scan.end, end,
                 "behind the last frame: damage, or a write that a crash cut off");
  }

 private:
  static constexpr std::size_t kHeadFieldBytes = 28;
  static bool is_zero(std::uint8_t byte) { return byte == 0; }
  void say(const std::string& what) {
    if (findings_.size() < kSpoolFindingsMax)
      findings_.push_back(name_ + ": " + what);
    else if (findings_.size() == kSpoolFindingsMax)
      findings_.push_back(name_ + ": and more");
  }
  // Whether frames of an earlier life stand there, in a file that is used again: they count for
  // nothing, so what is wrong with them does not either.
  static Result<bool> earlier_life(VfsFile& file, const SpoolFileHead& head, std::uint64_t from,
                                   std::uint64_t to) {
    to = std::min(to, TRY(file.written_end()));
    Bytes piece;
    // Pieces overlap by the longest frame, so that each is whole in one of them.
    for (; from < to; from += kPieceBytes) {
      piece.resize(
          std::min<std::uint64_t>(kPieceBytes + frame_bytes(kFramePayloadBytesMax), to - from));
      piece.resize(TRY(file.read_at(from, piece)));
      for (std::size_t at = 0; at + kFrameHeadBytes <= std::min(piece.size(), kPieceBytes);
           at += kFrameAlignment) {
        const auto rest = ByteView(piece).subspan(at);
        const auto generation = load_le<std::uint64_t>(rest.data() + 8);
        if (generation < head.generation && rest[0] == 'C' && parse_frame(rest, generation))
          return true;
      }
      if (piece.size() < kFrameHeadBytes) break;
    }
    return false;
  }
  Status zeros(VfsFile& file, std::uint64_t from, std::uint64_t to, const std::string& what) {
    // What nobody ever wrote need not be read.
    to = std::min(to, TRY(file.written_end()));
    Bytes piece;
    for (; from < to; from += piece.size()) {
      piece.resize(std::min<std::uint64_t>(kPieceBytes, to - from));
      piece.resize(TRY(file.read_at(from, piece)));
      if (piece.empty()) break;
      const auto bad = std::ranges::find_if_not(piece, is_zero);
      if (bad == piece.end()) continue;
      say("byte " + std::to_string(from + static_cast<std::uint64_t>(bad - piece.begin())) +
          " is not zero (" + what + ")");
      return {};
    }
    return {};
  }

  std::string name_;
  std::vector<std::string>& findings_;
};

}  // namespace

Result<std::vector<std::string>> check_spool(Vfs& vfs, const std::string& dir) {
  std::vector<std::string> findings;
  for (const auto& name : TRY(vfs.list(dir))) {
    if (name.ends_with(".bad")) findings.push_back(name + ": was set aside as unreadable");
    if (!name.ends_with(".cws")) continue;
    const auto file = TRY(vfs.open(dir + "/" + name, OpenMode::kRead));
    TRY(FileCheck(name, findings).run(*file));
  }
  return findings;
}

}  // namespace callward::store

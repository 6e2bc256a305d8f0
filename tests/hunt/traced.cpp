// What makes `callward_traced` of the same object files as `callward`: the linker's --wrap puts these functions
// before those that make keys, and each writes what it made to the file that CALLWARD_TRACE names. Nothing of
// it is in the product's program: `hunt_test.py` looks that its name is not there.
//
// The file is opened before main(), so before any sandbox, as descriptor 200, which children inherit. Values are written
// from where they lie, never copied, so that the tracing leaves no key in the memory that is hunted through.
//
// An entry: kind u8, process id u32, bytes of the first part u16, of the second u16, the parts. Kinds:
//   F  random bytes as the kernel gave them
//   H  a hash of one block: message, digest (tree nodes, record keys)
//   E  the root page's key: salt and epoch key, page key
//   P  a page that was sealed: level u8 and index u64, its key
//   W  32 bytes sealed under another key (an anchor's slot): plain, ciphertext
#include <fcntl.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>

#include "base/check.hpp"
#include "crypto/aead.hpp"
#include "crypto/sha256.hpp"
#include "keys/page.hpp"

namespace {

using callward::Bytes;
using callward::ByteView;
using callward::Key32;

constexpr int kTraceFd = 200;
constexpr std::size_t kPartBytesMax = 0xFFFF;

__attribute__((constructor)) void open_trace() {
  const char* path = std::getenv("CALLWARD_TRACE");
  if (path == nullptr || ::fcntl(kTraceFd, F_GETFD) >= 0) return;
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && ::dup2(fd, kTraceFd) == kTraceFd);  // without close-on-exec
  ::close(fd);
}

void trace(char kind, ByteView first, ByteView second) {
  if (first.size() > kPartBytesMax || second.size() > kPartBytesMax) return;
  std::array<std::uint8_t, 9> head{static_cast<std::uint8_t>(kind)};
  callward::store_le(head.data() + 1, static_cast<std::uint32_t>(::getpid()));
  callward::store_le(head.data() + 5, static_cast<std::uint16_t>(first.size()));
  callward::store_le(head.data() + 7, static_cast<std::uint16_t>(second.size()));
  const auto part = [](ByteView bytes) {
    return iovec{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  };
  const std::array parts{part(head), part(first), part(second)};
  const auto all = static_cast<ssize_t>(head.size() + first.size() + second.size());
  const auto written = ::writev(kTraceFd, parts.data(), static_cast<int>(parts.size()));
  if (written == all) return;
  CHECK(written < 0 && errno == EBADF && std::getenv("CALLWARD_TRACE") == nullptr);
}

}  // namespace

#define WRAP(name) __asm__("__wrap_" name)
#define REAL(name) __asm__("__real_" name)
#define ONE_BLOCK \
  "_ZN8callward6crypto16sha256_one_blockESt4spanIhLm32EES1_IKhLm18446744073709551615EE"
#define INTO                                                              \
  "_ZN8callward6crypto11sha256_intoERNS_11SecretArrayILm32EEESt16initial" \
  "izer_listISt4spanIKhLm18446744073709551615EEE"
#define SEAL_PAGE                                                                  \
  "_ZN8callward4keys9seal_pageERKNS0_6PageIdERKNS_11SecretArrayILm32EEERKSt5array" \
  "IhLm16EESt4spanIKhLm18446744073709551615EE"
#define AEAD_SEAL                                                                 \
  "_ZN8callward6crypto9aead_sealERKNS_11SecretArrayILm32EEERKSt5arrayIhLm12EESt4" \
  "spanIKhLm18446744073709551615EESB_"

ssize_t real_getrandom(void* out, std::size_t size, unsigned flags) REAL("getrandom");
ssize_t traced_getrandom(void* out, std::size_t size, unsigned flags) WRAP("getrandom");
ssize_t traced_getrandom(void* out, std::size_t size, unsigned flags) {
  const auto got = real_getrandom(out, size, flags);
  if (got > 0)
    trace('F', ByteView(static_cast<const std::uint8_t*>(out), static_cast<std::size_t>(got)), {});
  return got;
}

void real_one_block(std::span<std::uint8_t, 32> out, ByteView message) REAL(ONE_BLOCK);
void traced_one_block(std::span<std::uint8_t, 32> out, ByteView message) WRAP(ONE_BLOCK);
void traced_one_block(std::span<std::uint8_t, 32> out, ByteView message) {
  real_one_block(out, message);
  trace('H', message, out);
}

void real_into(Key32& out, std::initializer_list<ByteView> parts) REAL(INTO);
void traced_into(Key32& out, std::initializer_list<ByteView> parts) WRAP(INTO);
void traced_into(Key32& out, std::initializer_list<ByteView> parts) {
  real_into(out, parts);
  const auto* part = parts.begin();
  if (parts.size() == 3 && callward::as_text(part[0]) == "CWP1") trace('E', part[2], out.expose());
}

Bytes real_seal_page(const callward::keys::PageId& id, const Key32& key,
                     const std::array<std::uint8_t, 16>& salt, ByteView payload) REAL(SEAL_PAGE);
Bytes traced_seal_page(const callward::keys::PageId& id, const Key32& key,
                       const std::array<std::uint8_t, 16>& salt, ByteView payload) WRAP(SEAL_PAGE);
Bytes traced_seal_page(const callward::keys::PageId& id, const Key32& key,
                       const std::array<std::uint8_t, 16>& salt, ByteView payload) {
  std::array<std::uint8_t, 9> where{id.level};
  callward::store_le(where.data() + 1, id.index);
  trace('P', where, key.expose());
  return real_seal_page(id, key, salt, payload);
}

Bytes real_aead_seal(const Key32& key, const callward::crypto::AeadNonce& nonce, ByteView aad,
                     ByteView plain) REAL(AEAD_SEAL);
Bytes traced_aead_seal(const Key32& key, const callward::crypto::AeadNonce& nonce, ByteView aad,
                       ByteView plain) WRAP(AEAD_SEAL);
Bytes traced_aead_seal(const Key32& key, const callward::crypto::AeadNonce& nonce, ByteView aad,
                       ByteView plain) {
  auto sealed = real_aead_seal(key, nonce, aad, plain);
  if (plain.size() == Key32::size()) trace('W', plain, sealed);
  return sealed;
}

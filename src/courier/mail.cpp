#include "courier/mail.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "courier/secret_text.hpp"

namespace callward::courier {
namespace {

constexpr std::size_t kLineMax = 78, kBodyLineMax = 76;
constexpr std::size_t kWordMax = 75;  // RFC 2047
constexpr std::string_view kWordHead = "=?utf-8?B?", kWordTail = "?=";
constexpr std::size_t kHeadersMax = 2'048;  // our own names, a sender's, an address, an id

// So that no character is cut in two: of clean text it takes at most 3 bytes less, and none where
// there is no room for any.
std::size_t whole_characters(std::string_view text, std::size_t bytes_max) {
  const auto most = std::min(text.size(), bytes_max);
  for (auto size = most; size > 0 && size + 3 >= most; --size)
    if (size == text.size() || (static_cast<unsigned char>(text[size]) & 0xC0) != 0x80) return size;
  return most < 4 ? 0 : most;
}

// Text in quoted-printable (RFC 2045, 6.7). Every byte that is not plain is "=XX"; a space or tab
// at a line's end, too; a line that is too long goes on behind "=".
class QuotedPrintable {
 public:
  explicit QuotedPrintable(SecretText& out) : out_(out) {}
  void text(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') {
        line_end();
      } else if (text[i] != '\r') {  // only ever before \n
        const bool last = i + 1 == text.size() || text[i + 1] == '\n' || text[i + 1] == '\r';
        character(text[i], last);
      }
    }
    if (used_ > 0) line_end();
  }

 private:
  void character(char c, bool last_of_line) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        c == ' ' || c == '\t' ? !last_of_line : byte > ' ' && byte < 0x7F && c != '=';
    const std::size_t size = plain ? 1 : 3;
    // One column is kept for the "=" that joins lines.
    if (used_ + size > (last_of_line ? kBodyLineMax : kBodyLineMax - 1)) {
      out_.add("=\r\n");
      used_ = 0;
    }
    used_ += size;
    if (plain) return out_.add(c);
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const std::array<char, 3> quoted = {'=', kDigits[byte >> 4], kDigits[byte & 15]};
    out_.add(std::string_view(quoted.data(), quoted.size()));
  }
  void line_end() {
    out_.add("\r\n");
    used_ = 0;
  }
  SecretText& out_;
  std::size_t used_ = 0;
};

bool is_plain(std::string_view text, std::size_t used) {
  return used + text.size() <= kLineMax && !text.starts_with(' ') && !text.ends_with(' ') &&
         text.find("=?") == std::string_view::npos &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7F; });
}

std::string encoded_words(std::string_view text, std::size_t used) {
  constexpr auto kFrame = kWordHead.size() + kWordTail.size();
  std::string out;
  for (;;) {
    const auto room = std::min(kWordMax, kLineMax - std::min(used, kLineMax));
    const auto size = whole_characters(text, room > kFrame ? (room - kFrame) / 4 * 3 : 0);
    if (size > 0) {
      out += kWordHead;
      out += to_base64(as_bytes(text.substr(0, size)));
      out += kWordTail;
      text.remove_prefix(size);
    }
    if (text.empty()) return out;
    out += "\r\n ";  // between two encoded words a reader takes it away
    used = 1;
  }
}

// A name beside an address: a quoted string, or encoded words.
std::string mail_name(const std::string& name, std::size_t used) {
  const bool quotable = is_plain(name, used + 2) && name.find_first_of("\"\\") == std::string::npos;
  return quotable ? "\"" + name + "\"" : encoded_words(name, used);
}

}  // namespace

std::string mail_date(std::int64_t utc_ms) {
  using namespace std::chrono;
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const sys_time<milliseconds> time{milliseconds(utc_ms)};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<seconds>(time - day)};
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%s, %02u %s %04d %02d:%02d:%02d +0000",
                kDays[weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
                kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return out.data();
}

std::string mail_words(std::string_view text, std::size_t used) {
  return is_plain(text, used) ? std::string(text) : encoded_words(text, used);
}

SecretBytes build_mail(const MailSender& sender, const Letter& letter) {
  const auto& message = letter.message;
  const auto host = sender.address.substr(sender.address.find('@') + 1);
  const auto text = as_text(message.text.expose());
  // Quoted-printable needs at most three characters a byte, and of 75 of them three more.
  const auto body_max = text.size() * 3 + text.size() * 3 / 72 * 3 + text.size() * 2 + 8;
  const auto words_max = 6 * (message.subject.size() + sender.name.size());
  SecretText out(kHeadersMax + words_max + body_max);
  out.add("Date: " + mail_date(letter.taken_in) + "\r\nFrom: ");
  if (!sender.name.empty()) out.add(mail_name(sender.name, 6) + "\r\n ");
  out.add("<");
  out.add(sender.address);
  out.add(">\r\nTo: <");
  out.add(as_text(message.address.expose()));
  out.add(">\r\n");
  if (!message.subject.empty()) {
    out.add("Subject: ");
    out.add(mail_words(message.subject, 9));
    out.add("\r\n");
  }
  out.add("Message-ID: <" + message.id.hex() + "@" + host + ">\r\n");
  out.add("Auto-Submitted: auto-generated\r\n");
  out.add("MIME-Version: 1.0\r\n");
  out.add("Content-Type: text/plain; charset=utf-8\r\n");
  out.add("Content-Transfer-Encoding: quoted-printable\r\n\r\n");
  QuotedPrintable(out).text(text);
  return out.take();
}

}  // namespace callward::courier

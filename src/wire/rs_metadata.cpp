#include "wire/rs_metadata.hpp"

#include <expat.h>

#include <algorithm>
#include <memory>

#include "wire/text.hpp"

namespace callward::wire {
namespace {

enum class Element : std::uint8_t {
  kOther,
  kRecording,
  kDataMode,
  kSession,
  kSipSessionId,
  kStartTime,
  kParticipant,
  kNameId,
  kAor,
  kName,
  kSend,
  kRecv,
  kId,
  kStream,
  kLabel,
  kMode,
  kStreamAssoc,
  kSessionAssoc,
  kCallingParty,
  kCallingNumber,
  kCalledNumber,
};

struct ElementName {
  std::string_view name;
  Element element;
};
constexpr ElementName kElements[] = {
    {"recording", Element::kRecording},
    {"recording_metadata", Element::kRecording},
    {"recordingmetadata", Element::kRecording},
    {"datamode", Element::kDataMode},
    {"session", Element::kSession},
    {"sipsessionid", Element::kSipSessionId},
    {"start-time", Element::kStartTime},
    {"participant", Element::kParticipant},
    {"nameid", Element::kNameId},
    {"aor", Element::kAor},
    {"name", Element::kName},
    {"send", Element::kSend},
    {"recv", Element::kRecv},
    {"id", Element::kId},
    {"stream", Element::kStream},
    {"mediastream", Element::kStream},
    {"label", Element::kLabel},
    {"mode", Element::kMode},
    {"participantstreamassoc", Element::kStreamAssoc},
    {"participantsessionassoc", Element::kSessionAssoc},
    {"callingparty", Element::kCallingParty},
    {"callingpartynumber", Element::kCallingNumber},
    {"calledpartynumber", Element::kCalledNumber},
};

std::string_view local_name(std::string_view name) {
  const auto colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

Element element_of(std::string_view qualified) {
  const auto name = local_name(qualified);
  for (const auto& known : kElements)
    if (same_word(known.name, name)) return known.element;
  return Element::kOther;
}

// The first of `names` that is there, in the order asked.
std::string attribute(const XML_Char** attributes, std::initializer_list<std::string_view> names) {
  for (const auto name : names)
    for (const auto* pair = attributes; pair[0] != nullptr; pair += 2)
      if (same_word(local_name(pair[0]), name)) {
        const std::string_view value = trim(pair[1]);
        return std::string(value.substr(0, kMetadataTextBytesMax));
      }
  return {};
}

class Reader {
 public:
  explicit Reader(XML_Parser parser) : parser_(parser) {}
  void start(std::string_view name, const XML_Char** attributes);
  void end();
  void characters(std::string_view text) {
    const auto room = kMetadataTextBytesMax - std::min(text_.size(), kMetadataTextBytesMax);
    if (text.size() > room) flag("metadata_cut");
    text_.append(text.substr(0, room));
  }
  void refuse(Errc code, std::string message) {
    if (!error_) error_ = Error{code, std::move(message)};
    XML_StopParser(parser_, XML_FALSE);
  }
  void flag(std::string_view word) {
    auto& flags = metadata_.flags;
    if (std::find(flags.begin(), flags.end(), word) == flags.end()) flags.emplace_back(word);
  }
  Result<RsMetadata> finish(bool parsed);

 private:
  // A list's new item, or its existing one with this id: associations may come before what they
  // name.
  template <class Item>
  Item* item(std::vector<Item>& items, const std::string& id) {
    if (!id.empty())
      for (auto& known : items)
        if (known.id == id) return &known;
    if (items.size() == kMetadataItemsMax) {
      refuse(Errc::kTooLarge, "too many items in the metadata");
      return nullptr;
    }
    items.emplace_back().id = id;
    return &items.back();
  }
  void close_text(Element element, std::string_view text);
  void add_stream_reference(std::string_view id);
  RsParticipant* participant() {
    return participant_ < 0 ? nullptr : &metadata_.participants[participant_];
  }
  RsStream* stream() { return stream_ < 0 ? nullptr : &metadata_.streams[stream_]; }
  RsSession* session() { return session_ < 0 ? nullptr : &metadata_.sessions[session_]; }

  XML_Parser parser_;
  std::optional<Error> error_;
  RsMetadata metadata_;
  std::vector<Element> open_;
  std::string text_;
  std::size_t elements_ = 0;
  // Which item the open elements speak of; indices, because the lists grow.
  int participant_ = -1, stream_ = -1, session_ = -1;
};

void Reader::start(std::string_view name, const XML_Char** attributes) {
  if (open_.size() == kMetadataDepthMax)
    return refuse(Errc::kTooLarge, "metadata nested too deeply");
  if (++elements_ > kMetadataElementsMax)
    return refuse(Errc::kTooLarge, "too many metadata elements");
  const auto element = element_of(name);
  if (open_.empty() && element != Element::kRecording) flag("metadata_root");
  open_.push_back(element);
  text_.clear();
  switch (element) {
    case Element::kSession:
      if (auto* made =
              item(metadata_.sessions, attribute(attributes, {"session_id", "id", "session"})))
        session_ = static_cast<int>(made - metadata_.sessions.data());
      break;
    case Element::kParticipant:
      if (auto* made =
              item(metadata_.participants, attribute(attributes, {"participant_id", "id"}))) {
        participant_ = static_cast<int>(made - metadata_.participants.data());
        if (auto in = attribute(attributes, {"session_id", "session"}); !in.empty())
          made->session = in;
        if (auto aor = attribute(attributes, {"aor"}); !aor.empty()) made->aor = aor;
        if (auto called = attribute(attributes, {"name"}); !called.empty()) made->name = called;
      }
      break;
    case Element::kStreamAssoc:
    case Element::kSessionAssoc:
      if (auto* made = item(metadata_.participants,
                            attribute(attributes, {"participant_id", "id", "participant"}))) {
        participant_ = static_cast<int>(made - metadata_.participants.data());
        if (auto in = attribute(attributes, {"session_id", "session"}); !in.empty())
          made->session = in;
      }
      break;
    case Element::kStream: {
      const auto id = attribute(attributes, {"stream_id", "id", "streamid"});
      if (id.empty()) flag("metadata_stream_id");
      if (auto* made = item(metadata_.streams, id)) {
        stream_ = static_cast<int>(made - metadata_.streams.data());
        if (auto in = attribute(attributes, {"session_id", "session"}); !in.empty())
          made->session = in;
        if (auto label = attribute(attributes, {"label"}); !label.empty()) made->label = label;
      }
      break;
    }
    case Element::kNameId:
      if (auto* who = participant())
        if (auto aor = attribute(attributes, {"aor"}); !aor.empty()) who->aor = aor;
      break;
    default:
      break;
  }
}

void Reader::add_stream_reference(std::string_view id) {
  auto* who = participant();
  if (who == nullptr || id.empty()) return;
  const bool sends = std::find(open_.begin(), open_.end(), Element::kSend) != open_.end();
  auto& list = sends ? who->send : who->recv;
  if (list.size() < kMetadataItemsMax && std::find(list.begin(), list.end(), id) == list.end())
    list.emplace_back(id);
}

void Reader::close_text(Element element, std::string_view text) {
  const auto parent = open_.size() < 2 ? Element::kOther : open_[open_.size() - 2];
  switch (element) {
    case Element::kDataMode:
      metadata_.partial = same_word(text, "partial");
      break;
    case Element::kSipSessionId:
      if (auto* in = session(); in != nullptr && in->sip_session_id.empty())
        in->sip_session_id = text;
      break;
    case Element::kStartTime:
      if (auto* in = session()) in->start_time = text;
      break;
    case Element::kAor:
      if (auto* who = participant(); who != nullptr && !text.empty()) who->aor = text;
      break;
    case Element::kName:
      if (auto* who = participant(); who != nullptr && !text.empty()) who->name = text;
      break;
    case Element::kSend:
    case Element::kRecv:
      add_stream_reference(text);
      break;
    case Element::kId:
      if (parent == Element::kSend || parent == Element::kRecv) add_stream_reference(text);
      break;
    case Element::kLabel:
      if (auto* into = stream()) into->label = text;
      break;
    case Element::kMode:
      if (auto* into = stream()) into->mixed = same_word(text, "mixed");
      break;
    case Element::kCallingParty:
      if (auto* who = participant()) who->calling = same_word(text, "true") || text == "1";
      break;
    case Element::kCallingNumber:
      metadata_.calling_number = text;
      break;
    case Element::kCalledNumber:
      metadata_.called_number = text;
      break;
    default:
      break;
  }
}

void Reader::end() {
  if (open_.empty()) return;
  const auto element = open_.back();
  close_text(element, trim(text_));
  open_.pop_back();
  text_.clear();
  switch (element) {
    case Element::kSession:
      session_ = -1;
      break;
    case Element::kParticipant:
    case Element::kStreamAssoc:
    case Element::kSessionAssoc:
      participant_ = -1;
      break;
    case Element::kStream:
      stream_ = -1;
      break;
    default:
      break;
  }
}

Result<RsMetadata> Reader::finish(bool parsed) {
  if (error_) return tl::unexpected<Error>(*error_);
  if (!parsed)
    return fail(Errc::kMalformed,
                std::string("metadata: ") + XML_ErrorString(XML_GetErrorCode(parser_)));
  if (metadata_.participants.empty() && metadata_.streams.empty()) flag("metadata_empty");
  return std::move(metadata_);
}

Reader& reader(void* user) { return *static_cast<Reader*>(user); }

void on_start(void* user, const XML_Char* name, const XML_Char** attributes) {
  reader(user).start(name, attributes);
}
void on_end(void* user, const XML_Char*) { reader(user).end(); }
void on_characters(void* user, const XML_Char* text, int size) {
  reader(user).characters({text, static_cast<std::size_t>(size)});
}
void on_doctype(void* user, const XML_Char*, const XML_Char*, const XML_Char*, int) {
  reader(user).refuse(Errc::kMalformed, "metadata with a document type");
}

}  // namespace

Result<RsMetadata> parse_rs_metadata(std::string_view text) {
  if (text.size() > kMetadataBytesMax) return fail(Errc::kTooLarge, "metadata too large");
  text = trim(text);  // a blank line before the XML declaration is an error to expat, and common
  const std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser(
      XML_ParserCreate(nullptr), &XML_ParserFree);
  if (!parser) return fail(Errc::kFull, "no memory for the metadata's parser");
  Reader state(parser.get());
  XML_SetUserData(parser.get(), &state);
  XML_SetElementHandler(parser.get(), on_start, on_end);
  XML_SetCharacterDataHandler(parser.get(), on_characters);
  XML_SetStartDoctypeDeclHandler(parser.get(), on_doctype);
  XML_SetParamEntityParsing(parser.get(), XML_PARAM_ENTITY_PARSING_NEVER);
  const auto status = XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), XML_TRUE);
  return state.finish(status == XML_STATUS_OK);
}

const RsParticipant* sender_of(const RsMetadata& metadata, std::string_view label) {
  for (const auto& stream : metadata.streams) {
    if (stream.label != label || stream.id.empty()) continue;
    for (const auto& participant : metadata.participants)
      if (std::find(participant.send.begin(), participant.send.end(), stream.id) !=
          participant.send.end())
        return &participant;
  }
  return nullptr;
}

}  // namespace callward::wire
